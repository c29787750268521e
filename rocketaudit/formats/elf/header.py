"""ELF headers, segments, sections, dynamic entries and notes of either class and byte order.

Layout: System V gABI chapters 4 and 5, elf(5). Sections are optional: everything that matters is reachable through
segments, as the loader reaches it. A table that does not fit is cut and named in `problems`.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from typing import NamedTuple

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.model.reader import Buffer

MAGIC = b"\x7fELF"
ET_REL, ET_EXEC, ET_DYN, ET_CORE = 1, 2, 3, 4
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
PT_GNU_EH_FRAME, PT_GNU_STACK, PT_GNU_RELRO = 0x6474E550, 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
SHT_PROGBITS, SHT_SYMTAB, SHT_RELA, SHT_NOTE, SHT_NOBITS = 1, 2, 4, 7, 8
SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 2, 4, 0x800
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ = 1, 4, 5, 6, 7, 8
DT_STRSZ, DT_SONAME, DT_RPATH, DT_REL, DT_RELSZ, DT_DEBUG, DT_TEXTREL = 10, 14, 15, 17, 18, 21, 22
DT_BIND_NOW, DT_INIT_ARRAYSZ, DT_RUNPATH, DT_FLAGS = 24, 27, 29, 30
DT_RELR, DT_RELRSZ, DT_GNU_HASH, DT_FLAGS_1 = 36, 35, 0x6FFFFEF5, 0x6FFFFFFB

MAX_SEGMENTS = 4096
MAX_SECTIONS = 100_000
MAX_DYNAMIC = 16_384
MAX_NOTES = 1024
MAX_NOTE_BYTES = 1 << 20
MAX_STRING = 4096
MAX_SECTION_NAMES = 8 << 20
MANY_SECTIONS, MANY_SECTION_NAMES = 40, 1024  # programs have fewer, and what one linker writes is alike

MACHINES: Mapping[int, str] = {
    2: "sparc", 3: "i386", 4: "m68k", 8: "mips", 15: "parisc", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm",
    42: "sh", 43: "sparc64", 50: "ia64", 62: "x86_64", 183: "aarch64", 243: "riscv", 247: "bpf", 258: "loongarch",
}  # fmt: skip


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


class Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


# what Section._make does, without a call of Python code for each of a hundred rows
_as_section: Callable[[Iterable[int]], Section] = functools.partial(tuple.__new__, Section)


_tag: Callable[[tuple[int, ...]], int] = itemgetter(0)  # 0 ends the dynamic table


class Note(NamedTuple):
    owner: bytes
    type: int
    offset: int  # of the description, in the file
    data: bytes


class _Layout(NamedTuple):
    header: struct.Struct
    segment: struct.Struct
    section: struct.Struct
    dynamic: struct.Struct
    note: struct.Struct


_LAYOUTS: Mapping[tuple[int, str], _Layout] = {
    (bits, order): _Layout(
        struct.Struct(order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH")),
        struct.Struct(order + ("IIQQQQQQ" if bits == 64 else "IIIIIIII")),
        struct.Struct(order + ("IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII")),
        struct.Struct(order + ("QQ" if bits == 64 else "II")),
        struct.Struct(order + "III"),
    )
    for bits in (32, 64)
    for order in "<>"
}


@dataclass(frozen=True)
class ElfFile:
    """The tables of one ELF file; every offset in them may still lie outside the file, so read through `piece`."""

    data: memoryview
    haystack: Haystack
    bits: int
    order: str  # "<" or ">", as struct spells it
    os_abi: int
    type: int
    machine: int
    flags: int
    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    section_index: Mapping[str, int]  # the first section of each name
    dynamic: tuple[tuple[int, int], ...]
    tags: Mapping[int, int]  # the first value of each dynamic tag
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.data)

    def file_offset(self, address: int) -> int | None:
        """Where the loader finds the byte at `address`, or None when no segment holds it."""
        for segment in self.loads:
            if segment.address <= address < segment.address + segment.file_size:
                return segment.offset + address - segment.address
        return None

    def address(self, offset: int) -> int | None:
        """Where the loader maps the byte at `offset` of the file, or None."""
        for segment in self.loads:
            if segment.offset <= offset < segment.offset + segment.file_size:
                return segment.address + offset - segment.offset
        return None

    @functools.cached_property
    def loads(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.type == PT_LOAD)

    def piece(self, offset: int, length: int) -> memoryview:
        """Up to `length` bytes from `offset`; fewer, or none, where the file ends."""
        return self.data[offset : offset + length] if offset >= 0 and length > 0 else self.data[:0]

    def section(self, name: str) -> Section | None:
        """The first section of that name that has bytes in the file."""
        index = self.section_index.get(name)
        if index is None or self.sections[index].type == SHT_NOBITS:
            return None
        return self.sections[index]

    def section_bytes(self, name: str, limit: int) -> bytes:
        """Up to `limit` bytes of that section; empty when there is none."""
        found = self.section(name)
        return b"" if found is None else bytes(self.piece(found.offset, min(found.size, limit)))

    def string(self, offset: int, limit: int = MAX_STRING) -> bytes:
        """The NUL-terminated string at `offset`, cut at `limit` bytes."""
        return bytes(self.piece(offset, limit)).split(b"\0", 1)[0]

    @functools.cached_property
    def string_table(self) -> tuple[int, int] | None:
        """File offset and size of the dynamic string table."""
        address = self.tags.get(DT_STRTAB)
        offset = None if address is None else self.file_offset(address)
        if offset is None:
            return None
        return offset, min(self.tags.get(DT_STRSZ, self.size), max(0, self.size - offset))

    def dynamic_strings(self, tag: int) -> list[tuple[str, int]]:
        """(text, file offset) of every dynamic entry with that tag."""
        table = self.string_table
        if table is None or tag not in self.tags:
            return []
        start, size = table
        return [
            (self.string(start + value).decode("utf-8", "backslashreplace"), start + value)
            for found, value in self.dynamic
            if found == tag and value < size
        ]

    @functools.cached_property
    def needed(self) -> tuple[tuple[str, int], ...]:
        """Name and file offset of each library that the loader is told to load."""
        return tuple(self.dynamic_strings(DT_NEEDED))

    @functools.cached_property
    def interpreter(self) -> str | None:
        for segment in self.segments:
            if segment.type == PT_INTERP:
                return self.string(segment.offset, min(segment.file_size, MAX_STRING)).decode(
                    "utf-8", "backslashreplace"
                )
        return None

    @functools.cached_property
    def searched(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Ranges of bytes that were worked out once, by what they are for."""
        return {}

    @functools.cached_property
    def notes(self) -> tuple[Note, ...]:
        return tuple(_notes(self))


def parse_header(data: Buffer, memory: bytearray | None = None) -> ElfFile:
    """Parse the tables of a whole ELF file; FormatError only when the file header itself cannot be used.

    `memory`: what `data` is the beginning of, if it is one.
    """
    view = memoryview(data).cast("B") if isinstance(data, memoryview) else memoryview(data)
    if bytes(view[:4]) != MAGIC:
        raise FormatError("not an ELF file: the magic is missing", offset=0)
    if len(view) < 52:
        raise TruncatedError(f"an ELF header takes 52 bytes, {len(view)} are there", offset=len(view))
    if view[4] not in (1, 2):
        raise FormatError(f"ELF class {view[4]} is neither 32 nor 64 bit", offset=4)
    if view[5] not in (1, 2):
        raise FormatError(f"ELF data encoding {view[5]} is neither little nor big endian", offset=5)
    bits, order = 32 * view[4], "<" if view[5] == 1 else ">"
    layout = _LAYOUTS[bits, order]
    if len(view) < 16 + layout.header.size:
        raise TruncatedError(f"a 64-bit ELF header takes 64 bytes, {len(view)} are there", offset=len(view))
    fields = layout.header.unpack_from(view, 16)
    kind, machine, _, entry, segments_at, sections_at, flags, _, seg_size, seg_count, sec_size, sec_count, names = (
        fields
    )
    problems: list[str] = []
    sections, names = _sections(view, layout, (sections_at, sec_size, sec_count, names), problems)
    if seg_count == 0xFFFF and sections:
        seg_count = sections[0].info  # PN_XNUM
    segments = _segments(view, layout, bits, (segments_at, seg_size, seg_count), problems)
    dynamic = _dynamic(view, layout, segments, problems)
    tags = dict(reversed(dynamic))
    return ElfFile(
        view, Haystack(data, memory), bits, order, view[7], kind, machine, flags, entry, segments, sections,
        _section_names(view, sections, names), dynamic, tags, tuple(problems),
    )  # fmt: skip


def _table(
    view: memoryview, layout: struct.Struct, where: tuple[int, int, int], what: str, problems: list[str]
) -> list[tuple[int, ...]]:
    """Rows of a table at (offset, row size, count); rows past the end of the file are left out and named."""
    offset, row, count = where
    if not count or not offset:
        return []
    if row < layout.size:
        problems.append(f"{what} rows of {row} bytes are too short (byte {offset})")
        return []
    fit = max(0, len(view) - offset) // row
    if count > fit:
        problems.append(f"{count} {what} rows announced, {fit} fit (byte {offset})")
        count = fit
    if row == layout.size:
        return list(layout.iter_unpack(view[offset : offset + count * row]))
    return [layout.unpack_from(view, offset + index * row) for index in range(count)]


def _segments(
    view: memoryview, layout: _Layout, bits: int, where: tuple[int, int, int], problems: list[str]
) -> tuple[Segment, ...]:
    offset, row, count = where
    if count > MAX_SEGMENTS:
        problems.append(f"{count} segments, read {MAX_SEGMENTS} (byte {offset})")
    rows = _table(view, layout.segment, (offset, row, min(count, MAX_SEGMENTS)), "segment", problems)
    if bits == 64:
        return tuple(Segment(t, f, o, v, fs, ms, al) for t, f, o, v, _, fs, ms, al in rows)
    return tuple(Segment(t, f, o, v, fs, ms, al) for t, o, v, _, fs, ms, f, al in rows)


def _sections(
    view: memoryview, layout: _Layout, where: tuple[int, int, int, int], problems: list[str]
) -> tuple[tuple[Section, ...], int]:
    """The section table and the index of its name section, extended numbering included."""
    offset, row, count, names = where
    if not offset:
        return (), 0
    if (count == 0 or names == 0xFFFF) and offset + layout.section.size <= len(view):
        first = Section._make(layout.section.unpack_from(view, offset))
        count, names = count or first.size, first.link if names == 0xFFFF else names
    if count > MAX_SECTIONS:
        problems.append(f"{count} sections, read {MAX_SECTIONS} (byte {offset})")
    rows = _table(view, layout.section, (offset, row, min(count, MAX_SECTIONS)), "section", problems)
    return tuple(map(_as_section, rows)), names


def _section_names(view: memoryview, sections: tuple[Section, ...], names: int) -> Mapping[str, int]:
    if names >= len(sections) or sections[names].type == SHT_NOBITS:
        return {}
    table = sections[names]
    text = bytes(view[table.offset : table.offset + min(table.size, MAX_SECTION_NAMES)])
    places = tuple([section[0] for section in sections])
    if len(text) > MANY_SECTION_NAMES or len(places) > MANY_SECTIONS:
        return _numbers_by_name(text, places)
    return _known_numbers(text, places)


def _numbers_by_name(text: bytes, places: tuple[int, ...]) -> Mapping[str, int]:
    """The number of the first section of each name; the names start at those places."""
    decoded = text.decode("latin-1")
    find, last = decoded.find, len(places) - 1
    backwards = enumerate(reversed(places))  # of sections with one name, the first one stays
    return {
        decoded[start:end]: last - number
        for number, start in backwards
        if (end := find("\0", start, start + 256)) > start
    }


_known_numbers = functools.lru_cache(maxsize=256)(_numbers_by_name)  # at most 2 MiB


def _dynamic(
    view: memoryview, layout: _Layout, segments: tuple[Segment, ...], problems: list[str]
) -> tuple[tuple[int, int], ...]:
    segment = next((segment for segment in segments if segment.type == PT_DYNAMIC), None)
    if segment is None:
        return ()
    row = layout.dynamic.size
    raw = view[segment.offset : segment.offset + min(segment.file_size, MAX_DYNAMIC * row)]
    if len(raw) < min(segment.file_size, MAX_DYNAMIC * row):
        problems.append(f"the dynamic table runs past the end of the file (byte {segment.offset})")
    return tuple(takewhile(_tag, layout.dynamic.iter_unpack(raw[: len(raw) // row * row])))


def _notes(elf: ElfFile) -> list[Note]:
    regions = [(s.offset, s.file_size, s.align) for s in elf.segments if s.type == PT_NOTE]
    if not regions:
        regions = [(s.offset, s.size, s.align) for s in elf.sections if s.type == SHT_NOTE]
    found: list[Note] = []
    head = _LAYOUTS[elf.bits, elf.order].note.unpack_from
    for start, length, alignment in regions[:64]:
        align = 8 if alignment == 8 else 4
        raw = bytes(elf.piece(start, min(length, MAX_NOTE_BYTES)))
        at, end = 0, len(raw)
        while at + 12 <= end and len(found) < MAX_NOTES:
            name_size, size, kind = head(raw, at)
            body = at + 12 + name_size
            body += -body % align
            if name_size > 256 or body + size > end:
                break
            owner = raw[at + 12 : at + 12 + name_size].rstrip(b"\0")
            found.append(Note(owner, kind, start + body, raw[body : body + size]))
            at = body + size
            at += -at % align
    return found
