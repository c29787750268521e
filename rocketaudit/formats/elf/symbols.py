"""Symbol names, read in one sweep: a general reader spends most of its time here (measured: 40 times more).

The dynamic table is found through the dynamic segment, so it is there without section headers too; its length comes
from DT_HASH, DT_GNU_HASH or the distance to the string table.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, compress
from operator import not_

from rocketaudit.formats.elf.header import (
    DT_GNU_HASH,
    DT_HASH,
    DT_STRTAB,
    DT_SYMTAB,
    SHT_NOBITS,
    SHT_SYMTAB,
    ElfFile,
)

MAX_SYMBOLS = 400_000
SAMPLE = 8_000
MAX_BUCKETS = 1 << 20
MAX_NAME = 8192
STT_FUNC = 2

_ROW = {
    (64, "<"): struct.Struct("<IBBHQQ"),
    (64, ">"): struct.Struct(">IBBHQQ"),
    (32, "<"): struct.Struct("<IIIBBH"),
    (32, ">"): struct.Struct(">IIIBBH"),
}

# https://doc.rust-lang.org/rustc/symbol-mangling: legacy names end in a 17-character hash, v0 names start with _R
_RUST_LEGACY = re.compile(rb"17h[0-9a-f]{16}E(?:\.llvm\.\d+)?$")
_RUST_V0 = re.compile(rb"_R(?:[NIMXYC]|[0-9])")
_GO_NAME = re.compile(rb"(?:runtime|type:|go:|main|sync|internal/[\w/]+|[a-z0-9.-]+\.[a-z]+/[\w./-]+)\.")


# a table's rows in columns, as `_ROW` unpacks them, since hundreds of thousands are read
_Column = tuple[int, ...]


class Mangling(StrEnum):
    RUST = "rust"
    CPP = "c++"
    GO = "go"
    NONE = "c"


@dataclass(frozen=True)
class SymbolTable:
    """`offset` and `rows` say where the table lies; `texts` has one name per row that was read, None for a nameless."""

    offset: int
    rows: int
    texts: tuple[bytes | None, ...] = ()
    sections: _Column = ()  # 0: undefined
    info: _Column = ()
    sizes: _Column = ()
    values: _Column = ()
    strings: tuple[int, int] = (0, 0)  # file offset and size of the names

    @cached_property
    def undefined(self) -> AbstractSet[bytes]:
        """Names that other files must provide."""
        return {name for name in compress(self.texts, map(not_, self.sections)) if name is not None}

    @cached_property
    def names(self) -> AbstractSet[bytes]:
        """Every name, defined here or not."""
        return {name for name in self.texts if name is not None}

    def at(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """(value, name) of the symbols that have one of the wanted values."""
        for value, name in zip(self.values, self.texts, strict=True):
            if value in wanted and name is not None:
                yield value, name

    @cached_property
    def functions(self) -> Mapping[Mangling, tuple[int, int]]:
        """Number and bytes of the functions read here, by whose compiler spelled their names."""
        counts: dict[Mangling, int] = {}
        sizes: dict[Mangling, int] = {}
        for name, section, info, size in zip(self.texts, self.sections, self.info, self.sizes, strict=True):
            if section and info & 15 == STT_FUNC and name is not None:
                spelled = mangling(name)
                counts[spelled] = counts.get(spelled, 0) + 1
                sizes[spelled] = sizes.get(spelled, 0) + size
        return {spelled: (count, sizes[spelled]) for spelled, count in counts.items()}


EMPTY = SymbolTable(0, 0)


def mangling(name: bytes) -> Mangling:
    """Which language's compiler spelled this name; libmvec's vector names (_ZGV) are C."""
    lead = name[:2]
    if lead == b"_Z":
        if b"17h" in name and _RUST_LEGACY.search(name):
            return Mangling.RUST
        return _itanium(name)
    if lead == b"_R" and _RUST_V0.match(name):
        return Mangling.RUST
    if b"." in name and _GO_NAME.match(name):
        return Mangling.GO
    return Mangling.NONE


def _itanium(name: bytes) -> Mangling:
    """_ZGV followed by a vector ISA letter and mask is the vector function ABI, not a guard variable."""
    vector = name.startswith(b"_ZGV") and len(name) > 6 and name[4:5] in b"bcdensx" and name[5:6] in b"MN"
    return Mangling.NONE if vector else Mangling.CPP


def dynamic_symbols(elf: ElfFile) -> SymbolTable:
    """The dynamic symbols; empty for static programs and relocatable files."""
    address = elf.tags.get(DT_SYMTAB)
    offset = None if address is None else elf.file_offset(address)
    if offset is None or address is None or elf.string_table is None:
        return EMPTY
    count = _dynamic_count(elf, address)
    return EMPTY if not count else _read(elf, offset, count, elf.string_table)


def static_symbols(elf: ElfFile) -> SymbolTable:
    """The symbols of .symtab, empty when the file is stripped; an even sample of the rows when there are many."""
    index = elf.section_index.get(".symtab")
    if index is None or elf.sections[index].type != SHT_SYMTAB:
        return EMPTY
    table = elf.sections[index]
    if table.link >= len(elf.sections) or elf.sections[table.link].type == SHT_NOBITS:
        return EMPTY
    strings = elf.sections[table.link]
    rows = table.size // _ROW[elf.bits, elf.order].size
    return _read(elf, table.offset, rows, (strings.offset, strings.size), stride=-(-rows // SAMPLE) or 1)


def _dynamic_count(elf: ElfFile, table: int) -> int:
    """How many rows the dynamic symbol table has.

    The section says it, else the hash tables; where DT_GNU_HASH lists nothing (a program that exports nothing), the
    string table, which linkers lay right behind, does.
    """
    row = _ROW[elf.bits, elf.order].size
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


def _read(elf: ElfFile, offset: int, count: int, strings: tuple[int, int], *, stride: int = 1) -> SymbolTable:
    layout = _ROW[elf.bits, elf.order]
    if stride > 1:
        layout = struct.Struct(f"{layout.format}{(stride - 1) * layout.size}x")
    raw = elf.piece(offset, min(count // stride, MAX_SYMBOLS) * layout.size)
    rows = len(raw) // layout.size
    columns = tuple(zip(*layout.iter_unpack(raw[: rows * layout.size]), strict=True)) or ((),) * 6
    if elf.bits == 64:
        places, info, _, sections, values, sizes = columns
    else:
        places, values, sizes, info, _, sections = columns
    texts = _texts(bytes(elf.piece(*strings)), places)
    return SymbolTable(offset, rows * stride, texts, sections, info, sizes, values, strings)


def _texts(strings: bytes, places: _Column) -> tuple[bytes | None, ...]:
    """The names at the given places of a string table; None where there is none.

    Most names begin where another ends, so one split of the table finds them; linkers merge common ends, and those
    are found one by one.
    """
    limit, find = len(strings), strings.find
    begun: dict[int, bytes] = {}
    if limit <= 64 * len(places):
        pieces = strings.split(b"\0")
        begun = dict(zip(accumulate(map((1).__add__, map(len, pieces)), initial=0), pieces, strict=False))
        begun.pop(0, None)
        begun.pop(limit, None)
        if len(max(pieces, key=len)) > MAX_NAME:
            begun = {place: name[:MAX_NAME] for place, name in begun.items()}
    texts: list[bytes | None] = list(map(begun.get, places))
    for index, text in enumerate(texts):
        if text is None and 0 < (place := places[index]) < limit:
            end = find(b"\0", place, place + MAX_NAME)
            texts[index] = strings[place : end if end >= 0 else place + MAX_NAME]
    return tuple(texts)
