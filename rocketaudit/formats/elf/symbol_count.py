"""How many rows the dynamic symbol table has: nothing but the hash tables says it once section headers are gone."""

from __future__ import annotations

import struct

from rocketaudit.formats.elf.header import DT_GNU_HASH, DT_HASH, DT_STRTAB, ElfFile

MAX_BUCKETS = 1 << 20
MAX_SYMBOLS = 400_000


def dynamic_count(elf: ElfFile, table: int, row: int) -> int:
    """How many rows of `row` bytes the dynamic symbol table at the address `table` has.

    The section says it, else the hash tables; where DT_GNU_HASH lists nothing (a program that exports nothing), the
    string table, which linkers lay right behind, does.
    """
    section = elf.section(".dynsym")
    if section is not None and section.address == table and section.size >= row:
        return section.size // row
    if (hashed := elf.tags.get(DT_HASH)) is not None and (at := elf.file_offset(hashed)) is not None:
        wide = elf.machine in (0x9026, 22) and elf.bits == 64  # Alpha and s390x hash with 64-bit words
        layout = struct.Struct(elf.order + ("QQ" if wide else "II"))
        raw = elf.piece(at, layout.size)
        if len(raw) == layout.size:
            return int(layout.unpack(raw)[1])
    if (hashed := elf.tags.get(DT_GNU_HASH)) is not None and (at := elf.file_offset(hashed)) is not None:
        count = _gnu_hash_count(elf, at)
        if count is not None:
            return count
    from_strings = elf.tags.get(DT_STRTAB, 0) - table
    return from_strings // row if from_strings > 0 else 0


def _gnu_hash_count(elf: ElfFile, at: int) -> int | None:
    """Rows by DT_GNU_HASH: the highest bucket's chain, followed to its end bit."""
    raw = elf.piece(at, 16)
    if len(raw) < 16:
        return None
    buckets, first, bloom, _ = struct.unpack(elf.order + "IIII", raw)
    start = at + 16 + bloom * (elf.bits // 8)
    if not 0 < buckets <= MAX_BUCKETS:
        return None
    raw = elf.piece(start, buckets * 4)
    if len(raw) < buckets * 4:
        return None
    highest = max(struct.unpack(f"{elf.order}{buckets}I", raw))
    if highest < first:
        return None
    chain = elf.piece(start + buckets * 4 + (highest - first) * 4, 4 * MAX_SYMBOLS)
    for (word,) in struct.iter_unpack(elf.order + "I", chain[: len(chain) // 4 * 4]):
        highest += 1
        if word & 1:
            return int(highest)
    return None
