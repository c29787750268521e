"""Pointers that the loader will fill in: the skeleton of vtables, panic locations and unwinder slots.

Relative relocations (gABI, and the RELR proposal that glibc 2.36 took up) name slots that point into the file itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from rocketaudit.formats.elf.header import (
    DT_RELA,
    DT_RELASZ,
    DT_RELR,
    DT_RELRSZ,
    DT_STRTAB,
    DT_SYMTAB,
    ElfFile,
)

MAX_RELOCATIONS = 200_000

# psABI of each machine: R_*_RELATIVE
_RELATIVE = {62: 8, 183: 1027, 243: 3, 22: 12, 21: 22, 258: 3}


def relative_slots(elf: ElfFile) -> dict[int, int]:
    """Slot address -> target address of relative relocations; 64-bit files only, at most MAX_RELOCATIONS."""
    kind = _RELATIVE.get(elf.machine)
    if elf.bits != 64 or kind is None:
        return {}
    found = {slot: addend for slot, info, addend in _rela_rows(elf) if info == kind}
    if DT_RELR in elf.tags:
        _relr(elf, found)
    return found


def named_slots(elf: ElfFile, wanted: AbstractSet[int]) -> dict[int, bytes]:
    """Which of the wanted slots the loader fills with a dynamic symbol, and its name; 64-bit RELA files only."""
    table, strings = elf.tags.get(DT_SYMTAB), elf.tags.get(DT_STRTAB)
    symbols_at = None if table is None else elf.file_offset(table)
    strings_at = None if strings is None else elf.file_offset(strings)
    found: dict[int, bytes] = {}
    if elf.bits != 64 or symbols_at is None or strings_at is None or not wanted:
        return found
    rows = _rela(elf)
    for slot in wanted:
        packed = struct.pack(elf.order + "Q", slot & (1 << 64) - 1)
        at = rows.find(packed)
        while at >= 0 and at % 24:
            at = rows.find(packed, at + 1)
        if at >= 0 and (symbol := struct.unpack_from(elf.order + "Q", rows, at + 8)[0] >> 32):
            raw = elf.piece(symbols_at + 24 * symbol, 4)
            number = int.from_bytes(raw, "little" if elf.order == "<" else "big") if len(raw) == 4 else 0
            found[slot] = elf.string(strings_at + number, 256)
    return found


def _rela(elf: ElfFile) -> bytes:
    """The rows of DT_RELA, whole ones only."""
    start = elf.tags.get(DT_RELA)
    offset = None if start is None else elf.file_offset(start)
    raw = elf.piece(-1 if offset is None else offset, min(elf.tags.get(DT_RELASZ, 0), 24 * MAX_RELOCATIONS))
    return bytes(raw[: len(raw) // 24 * 24])


def _rela_rows(elf: ElfFile) -> Iterator[tuple[int, int, int]]:
    return struct.iter_unpack(elf.order + "QQQ", _rela(elf))


def _relr(elf: ElfFile, found: dict[int, int]) -> None:
    """Add RELR's slots; their targets stand in the file, in place."""
    offset = elf.file_offset(elf.tags[DT_RELR])
    if offset is None:
        return
    raw = elf.piece(offset, min(elf.tags.get(DT_RELRSZ, 0), 8 * MAX_RELOCATIONS))
    word = struct.Struct(elf.order + "Q")
    slots: list[int] = []
    base = 0
    for (entry,) in word.iter_unpack(raw[: len(raw) // 8 * 8]):
        if not entry & 1:
            slots.append(entry)
            base = entry + 8
        else:
            slots.extend(base + 8 * bit for bit in range(63) if entry >> (bit + 1) & 1)
            base += 63 * 8
        if len(slots) > MAX_RELOCATIONS:
            break
    for slot in slots:
        at = elf.file_offset(slot)
        raw = elf.piece(-1 if at is None else at, 8)
        if len(raw) == 8:
            found[slot] = word.unpack(raw)[0]
