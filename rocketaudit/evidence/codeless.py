"""A large program in memory without its machine code: half of it, as a rule, and nobody looks there.

Code is left out as a hole in fresh memory. Whether somebody looked there after all is asked of the kernel, which gives
a page to whoever reads it: a file whose tables lie in what it calls code is then read as a whole.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterable

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, Section, parse_header

WORTH_A_HOLE = 1 << 20
MAX_SECTIONS = 256  # looked at for code; as many as the search for texts leaves out
_SECTION_TABLE = 1 << 20  # bytes
_PAGE = mmap.PAGESIZE

Range = tuple[int, int]


class Codeless:
    """`size` bytes of memory for one program; `holes` are ranges of whole pages that stay empty."""

    def __init__(self, size: int) -> None:
        """FormatError when there is no memory for it."""
        try:
            self.memory = mmap.mmap(-1, size)
        except OSError as error:
            raise FormatError(f"no memory for a program of {size} bytes: {error.strerror}") from error
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self.memory.madvise(mmap.MADV_NOHUGEPAGE)  # one byte must not cost 2 MiB, nor answer for them
        self.holes: tuple[Range, ...] = ()

    def plan(self, head: bytes | memoryview, read: Callable[[int, int], bytes]) -> None:
        """Find the code by the file's first bytes and its section table, which `read(offset, length)` gives.

        A file that cannot be understood has no holes.
        """
        try:
            first = bytes(head[:_PAGE])
            table = _section_table(first)
            self.memory[: len(first)] = first
            rows = read(table, min(_SECTION_TABLE, len(self.memory) - table)) if table < len(self.memory) else b""
            self.memory[table : table + len(rows)] = rows
            elf = parse_header(memoryview(self.memory))
        except (FormatError, ValueError, OverflowError):
            return
        self.holes = _holes(elf.sections[:MAX_SECTIONS], len(self.memory))

    def fill(self, pieces: Iterable[bytes | memoryview], watch: Callable[[bytes | memoryview], object]) -> None:
        """Write all pieces of the file but what lies in holes; `watch` sees all of them. FormatError as to the size."""
        at = 0
        for piece in pieces:
            if at + len(piece) > len(self.memory):
                raise FormatError(f"the file goes on behind its size of {len(self.memory)} bytes")
            watch(piece)
            for start, end in _outside(self.holes, at, at + len(piece)):
                self.memory[start:end] = piece[start - at : end - at]
            at += len(piece)
        if at < len(self.memory):
            raise FormatError(f"the file ends after {at} of {len(self.memory)} bytes")

    def was_missed(self) -> bool:
        """Whether anybody looked into a hole, or the kernel does not say."""
        return any(_has_pages(self.memory, start, end) for start, end in self.holes)


def _section_table(head: bytes) -> int:
    """Where the file's header says that its section table lies (elf(5): e_shoff)."""
    order = "big" if head[5:6] == b"\2" else "little"
    field = head[32:36] if head[4:5] == b"\1" else head[40:48]
    return int.from_bytes(field, "big" if order == "big" else "little")


def _holes(sections: Iterable[Section], size: int) -> tuple[Range, ...]:
    """Whole pages of sections of machine code, in order and apart; none where sections overlap or leave the file."""
    found: list[Range] = []
    for section in sorted(sections, key=lambda one: one.offset):
        is_code = section.flags & SHF_ALLOC and section.flags & SHF_EXECINSTR and section.type != SHT_NOBITS
        if not is_code or section.size < WORTH_A_HOLE:
            continue
        start, end = section.offset, section.offset + section.size
        if end > size or (found and start < found[-1][1]):
            return ()
        found.append((-(-max(start, _PAGE) // _PAGE) * _PAGE, end // _PAGE * _PAGE))
    return tuple(found)


def _outside(holes: Iterable[Range], start: int, end: int) -> Iterable[Range]:
    """What of a range lies in no hole."""
    for first, last in holes:
        if last <= start:
            continue
        if first >= end:
            break
        if first > start:
            yield start, first
        start = last
    if start < end:
        yield start, end


def _has_pages(memory: mmap.mmap, start: int, end: int) -> bool:
    """mincore(2): memory of nobody else's that was never touched has no pages."""
    mincore = getattr(ctypes.CDLL(None, use_errno=True), "mincore", None)
    if mincore is None or os.name != "posix":
        return True
    pages = (end - start + _PAGE - 1) // _PAGE
    vector = (ctypes.c_ubyte * pages)()
    place = ctypes.c_char.from_buffer(memory, start)
    address = ctypes.c_void_p(ctypes.addressof(place))
    if mincore(address, ctypes.c_size_t(end - start), vector) != 0:
        return True
    return any(vector)
