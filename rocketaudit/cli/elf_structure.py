"""Segments, sections, versions, relocations and notes of one explained file, as pyelftools reads them.

For one file its few milliseconds do not matter; for all files of an image they would (docs/architecture.md).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import NoteSection
from elftools.elf.segments import NoteSegment

MAX_ROWS = 100  # of each table
MAX_TEXT = 200
MAX_SIZE = 128 << 20  # of a file: a name without an end is read to the end of the file, for each section
SECONDS = 5.0

_Part = Callable[[ELFFile, float], Iterable[str]]


def structure(data: bytes) -> list[str]:
    """The lines to print; a table that pyelftools cannot read, or not soon, is named, whatever it raised."""
    if len(data) > MAX_SIZE:
        return [f"Tables: not read of a file of {len(data)} bytes"]
    until = time.monotonic() + SECONDS
    parts: tuple[tuple[str, _Part], ...] = (
        ("Segments", _segments),
        ("Sections", _sections),
        ("Versions needed", _versions),
        ("Relocations", _relocations),
        ("Notes", _notes),
    )
    lines: list[str] = []
    for name, part in parts:
        found: list[str] = []
        try:
            for line in islice(part(ELFFile(io.BytesIO(data)), until), MAX_ROWS + 1):
                found.append(line[:MAX_TEXT] if len(found) < MAX_ROWS else "...")
        except Exception as error:  # noqa: BLE001 - ELFError, AssertionError, OverflowError, ArrayError and more
            found.append(f"cannot be read on: {type(error).__name__} {error}"[:MAX_TEXT])
        if found:
            lines += [f"{name}:", *(f"  {line}" for line in found)]
    return lines


def _bounded(rows: Iterable[Any], until: float) -> Iterator[Any]:
    """The first rows; TimeoutError once the time is over."""
    for row in islice(rows, MAX_ROWS + 2):
        if time.monotonic() > until:
            raise TimeoutError("it takes too long")
        yield row


def _segments(elf: ELFFile, until: float) -> Iterator[str]:
    for segment in _bounded(elf.iter_segments(), until):
        header = segment.header
        flags = "".join(letter if header.p_flags & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        place = f"byte {header.p_offset} (0x{header.p_offset:x}), {header.p_filesz} bytes at 0x{header.p_vaddr:x}"
        yield f"{header.p_type} {flags} {place}"


def _sections(elf: ELFFile, until: float) -> Iterator[str]:
    for section in _bounded(elf.iter_sections(), until):
        header = section.header
        place = f"byte {header.sh_offset} (0x{header.sh_offset:x}), {header.sh_size} bytes"
        if header.sh_type != "SHT_NULL":
            yield f"{section.name} {header.sh_type} {place}"


def _versions(elf: ELFFile, until: float) -> Iterator[str]:
    for section in _bounded(elf.iter_sections(), until):
        if isinstance(section, GNUVerNeedSection):
            for library, versions in _bounded(section.iter_versions(), until):
                names = sorted(version.name for version in _bounded(versions, until))
                yield f"{library.name}: {', '.join(names)}"


def _relocations(elf: ELFFile, until: float) -> Iterator[str]:
    for section in _bounded(elf.iter_sections(), until):
        if isinstance(section, RelocationSection):
            yield f"{section.name}: {section.num_relocations()}"


def _notes(elf: ELFFile, until: float) -> Iterator[str]:
    holders: list[Any] = [one for one in _bounded(elf.iter_segments(), until) if isinstance(one, NoteSegment)]
    if not holders:
        holders = [one for one in _bounded(elf.iter_sections(), until) if isinstance(one, NoteSection)]
    for holder in holders:
        for note in _bounded(holder.iter_notes(), until):
            described = note["n_desc"]
            text = described.hex() if isinstance(described, bytes) else " ".join(str(described).split())
            yield f"{note['n_name']} {note['n_type']}: {text}"
