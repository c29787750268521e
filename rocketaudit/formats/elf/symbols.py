"""Symbol names, asked for in one pass: a general reader spends most of its time here (measured: 40 times more).

The dynamic table is found through the dynamic segment, so it is there without section headers too; its length comes
from DT_HASH, DT_GNU_HASH or the distance to the string table. Tables of 170,000 rows and 6 MiB of names are real
(dockerd): rows are unpacked a few thousand at a time, and the names that anyone asks for are found by one search of
the string table in place. Such a name counts only when a row refers to it.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, islice
from operator import not_
from typing import Literal, NamedTuple

from rocketaudit.formats.elf.header import DT_SYMTAB, SHT_NOBITS, SHT_SYMTAB, ElfFile
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
from rocketaudit.formats.elf.symbol_count import MAX_SYMBOLS, dynamic_count

SAMPLE = 8_000
CHUNK = 8_192  # rows unpacked at once
SMALL_TEXT = 64 << 10
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

# the first four bytes of the names that `telling` gives
TELLING = frozenset(b"__gx __ru rust dl_i _dl_ _Unw __cx __gm _ITM __st __in __as __ub __ts __ms __cf __sa".split())


def any_of(leads: Iterable[bytes]) -> bytes:
    """A pattern for any of the leads that branches at each letter, as `re` itself does not."""
    by_letter: dict[bytes, list[bytes]] = {}
    for lead in sorted(leads):
        by_letter.setdefault(lead[:1], []).append(lead[1:])
    parts = [re.escape(letter) + (any_of(rest) if any(rest) else b"") for letter, rest in by_letter.items()]
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"


_TELLING = re.compile(rb"\0(?=[" + b"".join({lead[:1] for lead in TELLING}) + b"])" + any_of(TELLING))
_NAME = re.compile(rb"[^\0]{0,8192}")


class _Referenced(NamedTuple):
    """What rows refer to: places of imported names, of telling names and of mangled names."""

    imported: AbstractSet[int]
    telling: AbstractSet[int]
    mangled: AbstractSet[int]


class _Chunk(NamedTuple):
    """Rows as they are, and where the names of those that are read start in the string table."""

    raw: bytes
    places: list[int]


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

    def _chunks(self) -> Iterable[_Chunk]:
        """About CHUNK rows at a time, the first one of those that are read; a small table is kept."""
        return self._only if self.rows <= CHUNK else self._read()

    @cached_property
    def _only(self) -> tuple[_Chunk, ...]:
        return tuple(self._read())

    def _read(self) -> Iterator[_Chunk]:
        if self.elf is None:
            return
        size, step = self._shape.size, max(1, CHUNK // self.stride) * self.stride
        table = self.elf.piece(self.offset, self.rows * size)
        for start in range(0, len(table), step * size):
            raw = bytes(table[start : start + step * size])
            yield _Chunk(raw, self._places(raw))

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
        return any(any(chunk.places) for chunk in self._chunks())

    @cached_property
    def _referenced(self) -> _Referenced:
        imported: set[int] = set()
        used: set[int] = set()
        telling, mangled = self._found(_TELLING), self._found(MANGLED)
        asked = telling | mangled
        for raw, places in self._chunks():
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

    def found_by(self, pattern: re.Pattern[bytes]) -> set[bytes]:
        """The names that rows refer to and that a pattern finds; it starts with the end of the name before."""
        places = self._found(pattern)
        used: set[int] = set()
        for chunk in self._chunks() if places else ():
            used |= places.intersection(chunk.places)
        return set(self._names(used))

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

    @cached_property
    def _small_text(self) -> bytes:
        """A copy of the string table, ended by a NUL, where it is small; else nothing."""
        return b"" if len(self.text) > SMALL_TEXT else bytes(self.text) + b"\0"

    def _mentions_any(self, needles: Iterable[bytes]) -> bool:
        """Is one of the needles in the string table? In a copy, it takes one call for each needle instead of four."""
        text = self._small_text
        return any(needle in text for needle in needles) if text else any(map(self._mentions, needles))

    def names_one_of(self, names: Iterable[bytes]) -> bool:
        """Is one of the names in the string table? Also of a table of which only a sample of rows is read."""
        return self._mentions_any([b"\0" + name + b"\0" for name in names])

    def _names(self, places: Iterable[int]) -> list[bytes]:
        """The names at those places of `text`; in a large table they are cut at 8,192 bytes."""
        if text := self._small_text:
            find = text.find
            return [text[place : find(b"\0", place)] for place in places]
        view, match = self.text, _NAME.match
        return [found[0] for place in places if (found := match(view, place)) is not None]

    def at(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """(value, name) of the symbols that have one of the wanted values."""
        for raw, places in self._chunks():
            values = self._column(raw, self._shape.value)
            if not wanted.isdisjoint(values):
                for value, place in zip(values, places, strict=True):
                    if value in wanted and place:
                        yield value, self._names((place,))[0]

    @cached_property
    def functions(self) -> Mapping[Mangling, tuple[int, int]]:
        """Number and bytes of the functions read here, by whose compiler spelled their names."""
        totals: dict[Mangling, tuple[int, int]] = {}
        plain = not self._mentions_any(SPELLINGS)
        for raw, places in self._chunks():
            kinds = raw[self._shape.info :: self._shape.size * self.stride].translate(_IS_FUNCTION)
            sections, sizes = self._column(raw, self._shape.section), self._column(raw, self._shape.length)
            rows = compress(zip(places, sections, sizes, strict=True), kinds)
            mine = [(place, size) for place, section, size in rows if section and place]
            if plain:
                _add(totals, Mangling.NONE, len(mine), sum([size for _, size in mine]))
                continue
            for name, (_, size) in zip(self._names([place for place, _ in mine]), mine, strict=True):
                _add(totals, mangling(name), 1, size)
        return totals


def _add(totals: dict[Mangling, tuple[int, int]], kind: Mangling, count: int, size: int) -> None:
    if count:
        counted, total = totals.get(kind, (0, 0))
        totals[kind] = counted + count, total + size


EMPTY = SymbolTable(None, 0, 0)


def dynamic_symbols(elf: ElfFile) -> SymbolTable:
    """The dynamic symbols; empty for static programs and relocatable files."""
    address = elf.tags.get(DT_SYMTAB)
    offset = None if address is None else elf.file_offset(address)
    if offset is None or address is None or elf.string_table is None:
        return EMPTY
    return _table(elf, offset, dynamic_count(elf, address, _SHAPES[elf.bits].size), elf.string_table)


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
