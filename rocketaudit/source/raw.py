"""A file or block device read by offset: by pread, or in a forked worker through a map."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from rocketaudit.errors import SourceError, TruncatedError
from rocketaudit.model.disk import Problem
from rocketaudit.model.reader import Part
from rocketaudit.model.records import dataclass

_KEEP_RESIDENT = 24 << 20
_DIGEST_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Identity:
    """What must not change between opening a file and the end of a scan."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def file_extents(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges (start, end) of a file, within the given one, that are not holes; all of it where nothing tells."""
    place = start
    while place < end:
        try:
            begin = os.lseek(descriptor, place, os.SEEK_DATA)
            finish = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            begin, finish = place, end
        begin, finish = max(begin, place), min(finish, end)
        if begin >= end or finish <= begin:
            return
        yield begin, finish
        place = finish


class RawFile:
    """A Reader over an open descriptor, which it owns; safe against a file that shrinks until `use_map`."""

    __slots__ = ("_map", "_touched", "_view", "descriptor", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None
        self._touched = 0

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes; TruncatedError beyond the size, or when the file has shrunk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(f"{length} bytes wanted, the disk ends at byte {self.size}", offset=offset)
        if self._view is not None:
            return self._read_map(self._view, offset, length)
        piece = self._pread(offset, length)
        if len(piece) == length:
            return piece
        parts = [piece]
        done = len(piece)
        while done < length:  # Linux gives at most 2 GiB at once
            piece = self._pread(offset + done, length - done)
            if not piece:
                raise TruncatedError("the file has become shorter while it was read", offset=offset + done)
            parts.append(piece)
            done += len(piece)
        return b"".join(parts)

    def _pread(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self.descriptor, length, offset)
        except OSError as error:
            raise TruncatedError(f"cannot be read: {error.strerror}", offset=offset) from error

    def _read_map(self, view: memoryview, offset: int, length: int) -> memoryview:
        self._touched += length
        if self._touched > _KEEP_RESIDENT and self._map is not None:
            # pages stay in the page cache; only our own resident share is given back
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = length
        return view[offset : offset + length]

    def joined(self, parts: Sequence[Part]) -> memoryview | None:
        """Parts one behind the other as one view; None where they are no whole pages, or nothing is mapped."""
        if self._map is None:
            return None
        from rocketaudit.source.joined_map import join  # and ctypes

        return join(self.descriptor, self.size, parts)

    def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Ranges (start, end) that are not holes of a sparse file."""
        return file_extents(self.descriptor, start, min(end, self.size))

    def use_map(self) -> None:
        """Read through a map from now on: no copies, but a file that shrinks kills the process with SIGBUS."""
        if self._view is None and self.size:
            try:
                self._map = mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                return  # pread goes on
            self._view = memoryview(self._map)

    def close(self) -> None:
        """Give the descriptor back; later reads fail with TruncatedError."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def open_raw(path: Path) -> tuple[RawFile, Identity]:
    """A regular file or block device; SourceError for anything else (a FIFO would block for ever)."""
    try:
        kind = os.stat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):  # some devices act when they are only opened
            raise SourceError(f"{path} is neither a regular file nor a block device")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            size = status.st_size
        elif stat.S_ISBLK(status.st_mode):
            size = os.lseek(descriptor, 0, os.SEEK_END)
        else:
            raise SourceError(f"{path} is neither a regular file nor a block device")
    except OSError as error:
        os.close(descriptor)
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from error
    except SourceError:
        os.close(descriptor)
        raise
    return RawFile(descriptor, size), Identity.of(status)


def changes_since(path: Path, raw: RawFile, before: Identity) -> tuple[Problem, ...]:
    """What is no longer as it was when `path` was opened; empty when all is the same."""
    try:
        held, named = Identity.of(os.fstat(raw.descriptor)), Identity.of(path.stat())
    except OSError as error:
        return (Problem(f"the input file cannot be looked at again: {error.strerror}", in_doubt=True),)
    problems = []
    if held != before:
        problems.append(Problem("the input file was changed during the scan", in_doubt=True))
    if (named.device, named.inode) != (before.device, before.inode):
        problems.append(Problem("the input file was replaced by another during the scan", in_doubt=True))
    return tuple(problems)


def sha256_of(raw: RawFile) -> str:
    """The SHA-256 of the whole input as given, hex; TruncatedError when it shrinks."""
    digest = hashlib.sha256()
    for offset in range(0, raw.size, _DIGEST_PIECE):
        digest.update(raw.read(offset, min(_DIGEST_PIECE, raw.size - offset)))
    return digest.hexdigest()
