"""Symbol names, asked for in one pass: a general reader spends most of its time here (measured: 40 times more).

The dynamic table is found through the dynamic segment, so it is there without section headers too; its length comes
from DT_HASH, DT_GNU_HASH or the distance to the string table. Tables of 170,000 rows and 6 MiB of names are real
(dockerd): rows are read a few thousand at a time, the first two letters of their names tell most of them apart, and
only names that someone asks for are cut out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, islice
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import DT_SYMTAB, SHT_NOBITS, SHT_SYMTAB, ElfFile
from rocketaudit.formats.elf.mangling import (
    LEGACY_CLONES,
    LEGACY_HASH,
    LEGACY_NAMES,
    V0_LETTERS,
    VECTOR_NAMES,
    Mangling,
    mangling,
    may_be_go,
)
from rocketaudit.formats.elf.symbol_count import MAX_SYMBOLS, dynamic_count
from rocketaudit.formats.elf.symbol_rows import SHAPES, Rows, letters, may_be_mangled, without

SAMPLE = 8_000
CHUNK = 8_192  # rows read at once
MAX_TEXT = 64 << 20  # bytes of a string table: it is copied, since letters of a copy are found ten times faster
MAX_NAMES = 64 << 20  # bytes of the names that are cut out of it: only where they overlap is it less than they are
MAX_NAME = 8_192
FEW_NAMES = 256

# the first four bytes of names that matter: those that runtimes define, ...
OF_RUNTIMES = frozenset(
    b"stg_ hs_m ghcz caml _D3s _D4c _d_r __gn ada_ FPC_ NimM _gfo __ob _OBJ __cr _kDa kDar buil star debu".split()
)
# ... those that are asked for by name, and what shells and interpreters call and offer
TELLING = OF_RUNTIMES | frozenset(
    b"__gx __ru rust dl_i _dl_ _Unw __cx __gm _ITM __st __in __as __ub __ts __ms __cf __sa __ae "
    b"exec fexe posi tcse tcge pope syst Py_B Py_R pypy perl ruby Tcl_ Expe exp_ scm_ php_ node napi JNI_ JLI_ Rf_m "
    b"mono luaL".split()
)


def _any_of(leads: Iterable[bytes]) -> bytes:
    """A pattern for any of the leads that branches at each letter, as `re` itself does not."""
    by_letter: dict[bytes, list[bytes]] = {}
    for lead in sorted(leads):
        by_letter.setdefault(lead[:1], []).append(lead[1:])
    parts = [re.escape(letter) + (_any_of(rest) if any(rest) else b"") for letter, rest in by_letter.items()]
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"


def _begun(leads: AbstractSet[bytes]) -> re.Pattern[bytes]:
    """Names in a string table, each of which follows the end of another, that start with one of the leads."""
    return re.compile(rb"\0(?=[" + b"".join(sorted({lead[:1] for lead in leads})) + b"])" + _any_of(leads))


_TELLING, _OF_RUNTIMES = _begun(TELLING), _begun(OF_RUNTIMES)
_NAME = re.compile(rb"[^\0]{0,%d}" % MAX_NAME)


class _Chunk(NamedTuple):
    """Some rows, and where the name of each starts in the string table; 0 where it has none."""

    rows: Rows
    places: list[int]


class _Referenced(NamedTuple):
    """What rows refer to: places of imported names, of telling and of mangled ones."""

    imported: set[int]
    telling: set[int]
    mangled: set[int]


@dataclass(frozen=True)
class SymbolTable:
    """`offset` and `rows` say where the table lies; every `stride`-th row is read, when something is asked.

    Whatever gives names raises FormatError when they overlap so much that they would fill the memory.
    """

    elf: ElfFile | None
    offset: int
    rows: int
    stride: int = 1
    strings: tuple[int, int] = (0, 0)  # file offset and size of the names

    @cached_property
    def text(self) -> bytes:
        """The string table, ended by a NUL."""
        start, size = self.strings
        return b"\0" if self.elf is None else bytes(self.elf.piece(start, min(size, MAX_TEXT))) + b"\0"

    def _chunks(self) -> Iterable[_Chunk]:
        """About CHUNK rows at a time, the first one of those that are read; a small table is kept."""
        return self._only if self.rows <= CHUNK else self._read()

    @cached_property
    def _only(self) -> tuple[_Chunk, ...]:
        return tuple(self._read())

    def _read(self) -> Iterator[_Chunk]:
        if self.elf is None:
            return
        shape, end = SHAPES[self.elf.bits], len(self.text) - 1
        step = shape.size * self.stride
        at_once = max(1, CHUNK // self.stride) * step
        table = self.elf.piece(self.offset, self.rows * shape.size)
        for start in range(0, len(table), at_once):
            rows = Rows(bytes(table[start : start + at_once]), shape, step, self.elf.order == "<")
            places = rows.column(shape.name)
            if places and max(places) >= end:
                places = [place if place < end else 0 for place in places]
            yield _Chunk(rows, places)

    @cached_property
    def has_names(self) -> bool:
        return any(any(chunk.places) for chunk in self._chunks())

    @cached_property
    def _referenced(self) -> _Referenced:
        imported: set[int] = set()
        telling: set[int] = set()
        mangled: set[int] = set()
        text, asked = self.text, self._found(_TELLING)
        behind = text[1:] if b"\0_Z" in text or b"\0_R" in text else b""
        for rows, places in self._chunks():
            imported.update(compress(places, rows.undefined()))
            telling |= asked.intersection(places)
            if behind:
                mangled.update(compress(places, may_be_mangled(letters(text, places), letters(behind, places))))
        imported.discard(0)
        telling.update([place for place in imported if text[place : place + 4] in TELLING])
        mangled.discard(0)
        return _Referenced(imported, telling, mangled)

    @cached_property
    def undefined(self) -> AbstractSet[bytes]:
        """Names that other files must provide."""
        return set(self._names(self._referenced.imported))

    @cached_property
    def telling(self) -> Mapping[bytes, int]:
        """The names, defined here or not, that start as one of TELLING does, and where in `text` they do first."""
        places = sorted(self._referenced.telling, reverse=True)
        return dict(zip(self._names(places), places, strict=True))

    @cached_property
    def of_runtimes(self) -> AbstractSet[bytes]:
        """As `telling`, of OF_RUNTIMES only, which is all that static symbols are asked for."""
        places = self._found(_OF_RUNTIMES)
        used: set[int] = set()
        for chunk in self._chunks() if places else ():
            used |= places.intersection(chunk.places)
        return set(self._names(used))

    @cached_property
    def spelled(self) -> Mapping[Mangling, int]:
        """How many names, defined here or not, C++ and Rust mangled; none of them is cut out for that."""
        places, text = self._referenced.mangled, self.text
        if not places:
            return {}
        of_r = [text[place + 2] in V0_LETTERS for place in places if text[place + 1] == ord("R")]
        rust = sum(of_r)
        if b"17h" in text and LEGACY_HASH.search(text):
            rust += len(self._found(LEGACY_NAMES) & places)
            rust += len(self._found(LEGACY_CLONES) & places) if b"E." in text else 0
        plain = len(of_r) - sum(of_r) + (len(self._found(VECTOR_NAMES) & places) if b"_ZGV" in text else 0)
        return {Mangling.RUST: rust, Mangling.CPP: len(places) - rust - plain}

    def _found(self, pattern: re.Pattern[bytes]) -> set[int]:
        """Where names that match start; a text with more of them than the table has rows is cut."""
        return {match.start() + 1 for match in islice(pattern.finditer(self.text), self.rows + CHUNK)}

    def names_one_of(self, names: Iterable[bytes]) -> bool:
        """Is one of the names in the string table? Also of a table of which only a sample of rows is read."""
        return any(b"\0" + name + b"\0" in self.text for name in names)

    def _names(self, places: Collection[int]) -> list[bytes]:
        """The names at those places of `text`; where they may overlap much, they are cut at MAX_NAME bytes."""
        text = self.text
        if len(places) * len(text) <= MAX_NAMES:
            find = text.find
            return [text[place : find(b"\0", place)] for place in places]
        found: list[bytes] = []
        total, left = 0, iter(places)
        while some := [match[0] for place in islice(left, FEW_NAMES) if (match := _NAME.match(text, place))]:
            total += sum(map(len, some))
            if total > MAX_NAMES:
                raise FormatError(f"names of symbols overlap: more than {MAX_NAMES} bytes", offset=self.strings[0])
            found += some
        return found

    def at(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """(value, name) of the symbols that have one of the wanted values."""
        for rows, places in self._chunks():
            values = rows.column(rows.shape.value)
            if not wanted.isdisjoint(values):
                for value, place in zip(values, places, strict=True):
                    if value in wanted and place:
                        yield value, self._names((place,))[0]

    @cached_property
    def functions(self) -> Mapping[Mangling, tuple[int, int]]:
        """Number and bytes of the functions read here, by whose compiler spelled their names."""
        totals: dict[Mangling, tuple[int, int]] = {}
        text = self.text
        behind = text[1:] if b"_Z" in text or b"_R" in text else b""
        go = may_be_go(text)
        for rows, places in self._chunks():
            mine = without(rows.functions(), rows.undefined())
            named = list(compress(places, mine))
            sizes = list(compress(rows.column(rows.shape.length), mine))
            if 0 in named:
                sizes = list(compress(sizes, named))
                named = list(filter(None, named))
            if go or (behind and any(may_be_mangled(letters(text, named), letters(behind, named)))):
                for name, size in zip(self._names(named), sizes, strict=True):
                    _add(totals, mangling(name), 1, size)
            else:
                _add(totals, Mangling.NONE, len(named), sum(sizes))
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
    return _table(elf, offset, dynamic_count(elf, address, SHAPES[elf.bits].size), elf.string_table)


def static_symbols(elf: ElfFile) -> SymbolTable:
    """The symbols of .symtab, empty when the file is stripped; an even sample of the rows when there are many."""
    index = elf.section_index.get(".symtab")
    if index is None or elf.sections[index].type != SHT_SYMTAB:
        return EMPTY
    table = elf.sections[index]
    if table.link >= len(elf.sections) or elf.sections[table.link].type == SHT_NOBITS:
        return EMPTY
    strings = elf.sections[table.link]
    rows = table.size // SHAPES[elf.bits].size
    return _table(elf, table.offset, rows, (strings.offset, strings.size), stride=-(-rows // SAMPLE) or 1)


def _table(elf: ElfFile, offset: int, count: int, strings: tuple[int, int], *, stride: int = 1) -> SymbolTable:
    """At most MAX_SYMBOLS rows, those that lie in the file."""
    there = max(0, elf.size - offset) // SHAPES[elf.bits].size
    rows = min(count // stride, MAX_SYMBOLS, there // stride) * stride
    return SymbolTable(elf, offset, rows, stride, strings) if rows else EMPTY
