"""Symbol names, read in one sweep: a general reader spends most of its time here (measured: 40 times more).

The dynamic table is found through the dynamic segment, so it is there without section headers too; its length comes
from DT_HASH, DT_GNU_HASH or the distance to the string table.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import compress
from operator import itemgetter, not_
from typing import Literal, NamedTuple

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


_Cell = tuple[Literal["H", "I", "Q"], int]  # the letter of `struct`, and the offset in the row


class _Shape(NamedTuple):
    """Where the fields of a symbol lie: elf(5), Elf32_Sym and Elf64_Sym."""

    size: int
    name: _Cell
    info: int
    section: _Cell
    value: _Cell
    length: _Cell


_SHAPES = {
    64: _Shape(24, ("I", 0), 4, ("H", 6), ("Q", 8), ("Q", 16)),
    32: _Shape(16, ("I", 0), 12, ("H", 14), ("I", 4), ("I", 8)),
}

_IS_FUNCTION = bytes(info & 15 == STT_FUNC for info in range(256))

# the first two bytes of names that C++ and Rust mangled, and the first four of all other names that anyone asks for
MANGLED = frozenset({b"_Z", b"_R"})
TELLING = frozenset(
    b"__gx __ru rust dl_i _dl_ _Unw __cx __gm _ITM __st __in __as __ub __ts __ms __cf __sa"
    b" stg_ hs_m ghcz caml _D3s _D4c _d_r __gn ada_ FPC_ NimM _gfo __ob _OBJ __cr kDar _kDa".split()
)


def _letters(leads: AbstractSet[bytes], index: int) -> bytes:
    """For `translate`: 1 for each byte that stands at that place of one of the leads."""
    here = {lead[index] for lead in leads}
    return bytes(letter in here for letter in range(256))


_MANGLED_LETTER = _letters(MANGLED, 1)
_TELLING_LETTERS = (_letters(TELLING | MANGLED, 0), *(_letters(TELLING, index) for index in (1, 2, 3)))

# https://doc.rust-lang.org/rustc/symbol-mangling: legacy names end in a 17-character hash, v0 names start with _R
_RUST_LEGACY = re.compile(rb"17h[0-9a-f]{16}E(?:\.llvm\.\d+)?$")
_RUST_V0 = re.compile(rb"_R(?:[NIMXYC]|[0-9])")
_GO_NAME = re.compile(rb"(?:runtime|type:|go:|main|sync|internal/[\w/]+|[a-z0-9.-]+\.[a-z]+/[\w./-]+)\.")


# one of these is in every name that `mangling` does not call C
_SPELLINGS = (b"_Z", b"_R", b"runtime.", b"type:.", b"go:.", b"main.", b"sync.", b"/")


class Mangling(StrEnum):
    RUST = "rust"
    CPP = "c++"
    GO = "go"
    NONE = "c"


@dataclass(frozen=True)
class SymbolTable:
    """`offset` and `rows` say where the table lies; its columns are unpacked when they are asked for.

    `raw` holds the rows that were read, `step` apart, and `text` the string table that their names lie in.
    """

    offset: int
    rows: int
    raw: bytes = b""
    step: int = 1
    shape: _Shape = _SHAPES[64]
    order: str = "<"
    text: bytes = b""
    strings: tuple[int, int] = (0, 0)  # file offset and size of the names

    def _column(self, cell: _Cell) -> list[int]:
        """One field of all rows; a slice of the whole table is many times faster than unpacking row by row."""
        letter, first = cell
        width = struct.calcsize(letter)
        found = array(letter, self.raw)[first // width :: self.shape.size // width * self.step]
        if (self.order == "<") != (sys.byteorder == "little"):
            found.byteswap()
        return found.tolist()

    @cached_property
    def _places(self) -> list[int]:
        """Where the name of each row starts in `text`; 0 where it has none."""
        places = self._column(self.shape.name)
        if places and max(places) >= len(self.text):
            return [place if place < len(self.text) else 0 for place in places]
        return places

    @cached_property
    def _sections(self) -> list[int]:
        """The section of each symbol; 0 means undefined."""
        return self._column(self.shape.section)

    @cached_property
    def has_names(self) -> bool:
        return any(self._places)

    @cached_property
    def undefined(self) -> AbstractSet[bytes]:
        """Names that other files must provide."""
        return set(self._names(filter(None, compress(self._places, map(not_, self._sections)))))

    @cached_property
    def mangled(self) -> AbstractSet[bytes]:
        """The names, defined here or not, that C++ or Rust mangled."""
        found = set(self._names(self._narrowed(self._led, 1, _MANGLED_LETTER)))
        return {name for name in found if name[:2] in MANGLED}

    @cached_property
    def telling(self) -> AbstractSet[bytes]:
        """The names, defined here or not, that start as one of TELLING does.

        Tables of 100,000 names are narrowed down letter by letter before any name is cut out.
        """
        places = self._led
        for index in (1, 2, 3):
            places = self._narrowed(places, index, _TELLING_LETTERS[index])
        return {name for name in self._names(places) if name[:4] in TELLING}

    @cached_property
    def _led(self) -> list[int]:
        """Places of names whose first letter is that of a telling or mangled name."""
        return self._narrowed(list(filter(None, self._places)), 0, _TELLING_LETTERS[0])

    def _narrowed(self, places: list[int], index: int, letters: bytes) -> list[int]:
        """The places whose name has one of the letters (1 in `letters`) at that index."""
        if not places:
            return places
        text = self.text[index:] + bytes(index)
        return list(compress(places, bytes(itemgetter(*places, 0)(text)[:-1]).translate(letters)))

    def _names(self, places: Iterable[int]) -> Iterator[bytes]:
        """The names at those places of `text`, cut at MAX_NAME bytes."""
        text, find = self.text, self.text.find
        for place in places:
            end = find(b"\0", place, place + MAX_NAME)
            yield text[place:end] if end >= 0 else text[place : place + MAX_NAME]

    def at(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """(value, name) of the symbols that have one of the wanted values."""
        for value, place in zip(self._column(self.shape.value), self._places, strict=True):
            if value in wanted and place:
                yield value, next(self._names((place,)))

    @cached_property
    def functions(self) -> Mapping[Mangling, tuple[int, int]]:
        """Number and bytes of the functions read here, by whose compiler spelled their names."""
        kinds = self.raw[self.shape.info :: self.shape.size * self.step].translate(_IS_FUNCTION)
        rows = zip(self._places, self._sections, self._column(self.shape.length), strict=True)
        mine = [(place, size) for place, section, size in compress(rows, kinds) if section and place]
        if mine and not any(mark in self.text for mark in _SPELLINGS):
            return {Mangling.NONE: (len(mine), sum(size for _, size in mine))}
        counts: dict[Mangling, int] = {}
        sizes: dict[Mangling, int] = {}
        for name, (_, size) in zip(self._names(place for place, _ in mine), mine, strict=True):
            spelled = mangling(name)
            counts[spelled] = counts.get(spelled, 0) + 1
            sizes[spelled] = sizes.get(spelled, 0) + size
        return {spelled: (count, sizes[spelled]) for spelled, count in counts.items()}


EMPTY = SymbolTable(0, 0)


def mangling(name: bytes) -> Mangling:
    """Which language's compiler spelled this name; libmvec's vector names (_ZGV) are C."""
    lead = name[:2]
    if lead not in MANGLED and b"." not in name:
        return Mangling.NONE
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
    rows = table.size // _SHAPES[elf.bits].size
    return _read(elf, table.offset, rows, (strings.offset, strings.size), stride=-(-rows // SAMPLE) or 1)


def _dynamic_count(elf: ElfFile, table: int) -> int:
    """How many rows the dynamic symbol table has.

    The section says it, else the hash tables; where DT_GNU_HASH lists nothing (a program that exports nothing), the
    string table, which linkers lay right behind, does.
    """
    row = _SHAPES[elf.bits].size
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
    shape = _SHAPES[elf.bits]
    step = stride * shape.size
    raw = bytes(elf.piece(offset, min(count // stride, MAX_SYMBOLS) * step))
    rows = len(raw) // step
    return SymbolTable(
        offset, rows * stride, raw[: rows * step], stride, shape, elf.order, bytes(elf.piece(*strings)), strings
    )
