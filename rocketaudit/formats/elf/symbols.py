"""Symbol names, asked for in one pass: a general reader spends most of its time here (measured: 40 times more).

The dynamic table is found through the dynamic segment, so it is there without section headers too; its length comes
from DT_HASH, DT_GNU_HASH or the distance to the string table. Tables of 170,000 rows and 6 MiB of names are real
(dockerd): rows are unpacked a few thousand at a time, and the names that anyone asks for are found by one search of
the string table in place. Such a name counts only when a row refers to it.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, islice
from operator import not_
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
from rocketaudit.formats.elf.mangling import (
    LEGACY_CLONES,
    LEGACY_HASH,
    LEGACY_NAMES,
    MANGLED,
    OTHER_R_NAMES,
    SPELLINGS,
    V0_NAMES,
    VECTOR_NAMES,
    Mangling,
    mangling,
)

MAX_SYMBOLS = 400_000
SAMPLE = 8_000
CHUNK = 8_192  # rows unpacked at once
MAX_BUCKETS = 1 << 20
STT_FUNC = 2


_WIDTHS = {"H": 2, "I": 4, "Q": 8}
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

# the first four bytes of all names, apart from mangled ones, that anyone asks for
TELLING = frozenset(
    b"__gx __ru rust dl_i _dl_ _Unw __cx __gm _ITM __st __in __as __ub __ts __ms __cf __sa"
    b" stg_ hs_m ghcz caml _D3s _D4c _d_r __gn ada_ FPC_ NimM _gfo __ob _OBJ __cr kDar _kDa".split()
)


def _any_of(leads: Iterable[bytes]) -> bytes:
    """A pattern for any of the leads that branches at each letter, as `re` itself does not."""
    by_letter: dict[bytes, list[bytes]] = {}
    for lead in sorted(leads):
        by_letter.setdefault(lead[:1], []).append(lead[1:])
    parts = [re.escape(letter) + (_any_of(rest) if any(rest) else b"") for letter, rest in by_letter.items()]
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"


_TELLING = re.compile(rb"\0(?=[" + b"".join({lead[:1] for lead in TELLING}) + b"])" + _any_of(TELLING))
_NAME = re.compile(rb"[^\0]{0,8192}")


class _Referenced(NamedTuple):
    """What rows refer to: places of imported names, of telling names and of mangled names."""

    imported: AbstractSet[int]
    telling: AbstractSet[int]
    mangled: AbstractSet[int]


@dataclass(frozen=True)
class SymbolTable:
    """`offset` and `rows` say where the table lies; every `stride`-th row is read, when something is asked."""

    elf: ElfFile | None
    offset: int
    rows: int
    stride: int = 1
    strings: tuple[int, int] = (0, 0)  # file offset and size of the names

    @cached_property
    def _shape(self) -> _Shape:
        return _SHAPES[64 if self.elf is None else self.elf.bits]

    @cached_property
    def text(self) -> memoryview:
        """The string table, in place."""
        return memoryview(b"") if self.elf is None else self.elf.piece(*self.strings)

    def _chunks(self) -> Iterator[bytes]:
        """About CHUNK rows at a time, the first one of those that are read."""
        if self.elf is None:
            return
        size, step = self._shape.size, max(1, CHUNK // self.stride) * self.stride
        table = self.elf.piece(self.offset, self.rows * size)
        for start in range(0, len(table), step * size):
            yield bytes(table[start : start + step * size])

    def _column(self, raw: bytes, cell: _Cell) -> list[int]:
        """One field of every `stride`-th row; one slice is many times faster than unpacking row by row."""
        letter, first = cell
        width = _WIDTHS[letter]
        found = array(letter, raw)[first // width :: self._shape.size // width * self.stride]
        if self.elf is not None and (self.elf.order == "<") != (sys.byteorder == "little"):
            found.byteswap()
        return found.tolist()

    def _places(self, raw: bytes) -> list[int]:
        """Where the name of each row starts in `text`; 0 where it has none."""
        places, size = self._column(raw, self._shape.name), len(self.text)
        if places and max(places) >= size:
            return [place if place < size else 0 for place in places]
        return places

    @cached_property
    def has_names(self) -> bool:
        return any(any(self._places(raw)) for raw in self._chunks())

    @cached_property
    def _referenced(self) -> _Referenced:
        imported: set[int] = set()
        used: set[int] = set()
        telling, mangled = self._found(_TELLING), self._found(MANGLED)
        asked = telling | mangled
        for raw in self._chunks():
            places = self._places(raw)
            imported.update(compress(places, map(not_, self._column(raw, self._shape.section))))
            used |= asked.intersection(places)
        imported.discard(0)
        return _Referenced(imported, telling & used, mangled & used)

    def _found(self, pattern: re.Pattern[bytes]) -> set[int]:
        """Where names that match start; a text with more of them than the table has rows is cut."""
        return {match.start() + 1 for match in islice(pattern.finditer(self.text), self.rows + CHUNK)}

    @cached_property
    def undefined(self) -> AbstractSet[bytes]:
        """Names that other files must provide."""
        return set(self._names(self._referenced.imported))

    @cached_property
    def telling(self) -> AbstractSet[bytes]:
        """The names, defined here or not, that start as one of TELLING does."""
        imported = (name for name in self.undefined if name[:4] in TELLING)
        return {*imported, *self._names(self._referenced.telling)}

    @cached_property
    def spelled(self) -> Mapping[Mangling, int]:
        """How many names, defined here or not, C++ and Rust mangled; none of them is cut out for that."""
        places = self._referenced.mangled
        if not places:
            return {}
        rust = len(self._found(V0_NAMES) & places)
        if LEGACY_HASH.search(self.text):
            rust += len(self._found(LEGACY_NAMES) & places)
            rust += len(self._found(LEGACY_CLONES) & places) if self._mentions(b".llvm.") else 0
        plain = len(self._found(OTHER_R_NAMES) & places) + len(self._found(VECTOR_NAMES) & places)
        return {Mangling.RUST: rust, Mangling.CPP: len(places) - rust - plain}

    def _mentions(self, needle: bytes) -> bool:
        start = self.strings[0]
        return self.elf is not None and self.elf.haystack.find(needle, ((start, start + len(self.text)),)) >= 0

    def names_one_of(self, names: Iterable[bytes]) -> bool:
        """Is one of the names in the string table? Also of a table of which only a sample of rows is read."""
        return any(self._mentions(b"\0" + name + b"\0") for name in names)

    def _names(self, places: Iterable[int]) -> Iterator[bytes]:
        """The names at those places of `text`, cut at 8,192 bytes."""
        text, match = self.text, _NAME.match
        return (found[0] for place in places if (found := match(text, place)) is not None)

    def at(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """(value, name) of the symbols that have one of the wanted values."""
        for raw in self._chunks():
            values = self._column(raw, self._shape.value)
            if not wanted.isdisjoint(values):
                for value, place in zip(values, self._places(raw), strict=True):
                    if value in wanted and place:
                        yield value, next(self._names((place,)))

    @cached_property
    def functions(self) -> Mapping[Mangling, tuple[int, int]]:
        """Number and bytes of the functions read here, by whose compiler spelled their names."""
        totals: dict[Mangling, tuple[int, int]] = {}
        plain = not any(map(self._mentions, SPELLINGS))
        for raw in self._chunks():
            kinds = raw[self._shape.info :: self._shape.size * self.stride].translate(_IS_FUNCTION)
            sections, sizes = self._column(raw, self._shape.section), self._column(raw, self._shape.length)
            rows = compress(zip(self._places(raw), sections, sizes, strict=True), kinds)
            mine = [(place, size) for place, section, size in rows if section and place]
            names = () if plain else self._names(place for place, _ in mine)
            spelled = [Mangling.NONE] * len(mine) if plain else map(mangling, names)
            for kind, (_, size) in zip(spelled, mine, strict=True):
                count, total = totals.get(kind, (0, 0))
                totals[kind] = count + 1, total + size
        return totals


EMPTY = SymbolTable(None, 0, 0)


def dynamic_symbols(elf: ElfFile) -> SymbolTable:
    """The dynamic symbols; empty for static programs and relocatable files."""
    address = elf.tags.get(DT_SYMTAB)
    offset = None if address is None else elf.file_offset(address)
    if offset is None or address is None or elf.string_table is None:
        return EMPTY
    return _table(elf, offset, _dynamic_count(elf, address), elf.string_table)


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
    return _table(elf, table.offset, rows, (strings.offset, strings.size), stride=-(-rows // SAMPLE) or 1)


def _table(elf: ElfFile, offset: int, count: int, strings: tuple[int, int], *, stride: int = 1) -> SymbolTable:
    """At most MAX_SYMBOLS rows, those that lie in the file."""
    there = max(0, elf.size - offset) // _SHAPES[elf.bits].size
    rows = min(count // stride, MAX_SYMBOLS, there // stride) * stride
    return SymbolTable(elf, offset, rows, stride, strings) if rows else EMPTY


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
