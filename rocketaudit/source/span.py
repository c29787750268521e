"""A stretch of an open file or block device: read with pread anywhere, mapped only in a worker that may die of it."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from rocketaudit.errors import SourceError, TruncatedError
from rocketaudit.model.reader import BytesReader, Reader, Window
from rocketaudit.model.records import dataclass
from rocketaudit.source.raw import file_extents

_MOST_READ = 1 << 30
_KEEP_RESIDENT = 8 << 20


@dataclass(frozen=True, slots=True)
class FileSpan:
    """`size` bytes of an open descriptor from `start` on; a Reader, and safe to use after a fork."""

    descriptor: int
    start: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes; TruncatedError past the end, also when the file has shrunk; OSError from the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(f"{length} bytes wanted, {max(0, self.size - max(0, offset))} there", offset=offset)
        piece = os.pread(self.descriptor, min(length, _MOST_READ), self.start + offset)
        while len(piece) < length:
            more = os.pread(self.descriptor, length - len(piece), self.start + offset + len(piece))
            if not more:
                raise TruncatedError("the file has become shorter while it was read", offset=offset + len(piece))
            piece += more
        return piece

    def map(self) -> MappedSpan | FileSpan:
        """The same bytes as a memory map: the process that reads it dies when the file shrinks or a sector fails.

        What is too large for this machine's addresses stays as it is.
        """
        try:
            return MappedSpan(self)
        except (OSError, OverflowError, ValueError):
            return self

    def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Ranges (start, end) between `start` and `end` that are not holes of a sparse file."""
        for begin, finish in file_extents(self.descriptor, self.start + start, self.start + min(end, self.size)):
            yield begin - self.start, finish - self.start


class MappedSpan:
    """A FileSpan as one memory map; `release` gives pages back so that resident memory stays small."""

    def __init__(self, span: FileSpan) -> None:
        lead = span.start % mmap.ALLOCATIONGRANULARITY
        self.size = span.size
        self.span = span
        self._touched = 0
        self.lead = lead
        self._map: mmap.mmap | None = None
        self._reader: Reader = BytesReader(b"")
        if span.size:
            self._map = mmap.mmap(span.descriptor, lead + span.size, access=mmap.ACCESS_READ, offset=span.start - lead)
            self._reader = Window(BytesReader(memoryview(self._map)), lead, span.size)

    def read(self, offset: int, length: int) -> bytes | memoryview:
        return self._reader.read(offset, length)

    def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """As of the span that is mapped."""
        return self.span.stored_extents(start, end)

    def release(self, length: int) -> None:
        """Note that `length` bytes were read; after some MiB all pages go, also those that the kernel mapped around."""
        self._touched += length
        if self._map is not None and self._touched >= _KEEP_RESIDENT:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0


@contextmanager
def open_span(path: str) -> Iterator[FileSpan]:
    """A regular file or a block device as one span, or SourceError; nothing else is opened (a fifo would hang)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            raise SourceError(f"{path} is neither a regular file nor a block device")
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
        except OSError as error:
            raise SourceError(f"{path} has no size: {error.strerror}") from error
        yield FileSpan(descriptor, 0, size)
    finally:
        os.close(descriptor)
