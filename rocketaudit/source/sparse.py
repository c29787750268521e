"""A temporary file without a name that a packed disk is expanded into, holes left where it is zero."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rocketaudit.errors import BudgetError, FormatError, SourceError
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Buffer

PIECE = 64 << 10
MAX_DISK = 64 << 40
_ZEROS = bytes(PIECE)
_ASK_SPACE_EVERY = 64 << 20
_SPARE = 16 << 20
_SHARE = 16  # of the budget's bytes may be written for an input of any size
_RATIO = 64  # more than disks shrink by, but for their zeros
_SHARE_OF_STREAM = 4  # of the budget's bytes may come out of a stream of any size, zeros included
_RATIO_OF_STREAM = 256


class SparseFile:
    """Writes land at offsets; zeros are left out; every byte written is counted against the budget.

    `packed` is the size of what is expanded: a small file that would fill the folder is a bomb. `stated` are
    (start, end, XXH32) that the packer noted of what was packed.
    """

    __slots__ = (
        "_budget", "_folder", "_most", "_most_streamed", "_since_asked", "_streamed", "descriptor", "end", "problems",
        "stated",
    )  # fmt: skip

    def __init__(self, folder: Path | None, budget: Budget, packed: int) -> None:
        self._folder = _default_folder() if folder is None else folder
        self._budget = budget
        self._since_asked = 0
        self._most = max(budget.max_bytes // _SHARE, _RATIO * packed)
        self._most_streamed = max(budget.max_bytes // _SHARE_OF_STREAM, _RATIO_OF_STREAM * packed)
        self._streamed = 0
        self.problems: list[str] = []
        self.stated: list[tuple[int, int, int]] = []
        self.end = 0
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix="rocketaudit-") as file:
                self.descriptor = os.dup(file.fileno())
        except OSError as error:
            raise SourceError(
                f"no temporary file can be made in {self._folder}: {error.strerror}",
                hint="name another folder with --tmp-dir",
            ) from error

    def need(self, count: int) -> None:
        """SourceError unless the folder has room for `count` more bytes."""
        try:
            status = os.statvfs(self._folder)
        except OSError as error:
            raise SourceError(f"{self._folder} cannot be looked at: {error.strerror}") from error
        free = status.f_bavail * status.f_frsize
        if count + _SPARE > free:
            raise SourceError(
                f"expanding needs {count >> 20} MiB in {self._folder}, {free >> 20} MiB are free",
                hint="name another folder with --tmp-dir",
            )

    def count(self, length: int) -> None:
        """Account for bytes that a decoder gave out."""
        self._budget.produce(length)
        self._budget.check_time()

    def put(self, offset: int, data: Buffer) -> None:
        """Write at `offset`, leaving out runs of zeros; SourceError when the disk is full."""
        view = memoryview(data)
        raw = data if isinstance(data, bytes | bytearray) else bytes(view)
        length = len(raw)
        start = 0
        while start < length:
            while start < length and _is_zero(raw, start, length):
                start += PIECE
            stop = start
            while stop < length and not _is_zero(raw, stop, length):
                stop += PIECE
            if start < length:
                self._write(offset + start, view[start : min(stop, length)])
            start = stop
        self.end = max(self.end, offset + length)

    def append(self, data: Buffer) -> None:
        """Count and write what a stream decoder gives next; BudgetError where a small file would take minutes."""
        self.count(len(data))
        self._streamed += len(data)
        if self._streamed > self._most_streamed:
            raise BudgetError(
                f"over {self._most_streamed} bytes come out of a stream that is far smaller",
                hint="if that is right, allow four times as much with --limit bytes=N",
            )
        self.put(self.end, data)

    def _write(self, offset: int, piece: memoryview) -> None:
        self._since_asked += len(piece)
        if self._since_asked > _ASK_SPACE_EVERY:
            self._since_asked = 0
            self.need(_ASK_SPACE_EVERY)
            if self.taken > self._most:  # asked of the file, since several processes may write to it
                raise BudgetError(
                    f"over {self._most} bytes that are not zero come out of a file that is far smaller",
                    hint="if that is right, allow sixteen times as much with --limit bytes=N",
                )
        try:
            while piece:
                done = os.pwrite(self.descriptor, piece, offset)
                piece, offset = piece[done:], offset + done
        except OSError as error:
            raise SourceError(f"writing to {self._folder} failed: {error.strerror}") from error

    def cut(self, size: int) -> None:
        """Drop whatever was written from `size` on, to begin again there."""
        os.ftruncate(self.descriptor, size)
        self.end = size

    def finish(self, size: int) -> None:
        """Give the file its whole size, so that a hole at the end counts too."""
        if size > MAX_DISK:
            raise FormatError(f"a disk of {size} bytes; at most {MAX_DISK} are read")
        try:
            os.ftruncate(self.descriptor, size)
        except OSError as error:
            raise SourceError(f"{self._folder} cannot hold a file of {size} bytes: {error.strerror}") from error
        self.end = size

    @property
    def taken(self) -> int:
        """Bytes that the file takes in its folder."""
        return os.fstat(self.descriptor).st_blocks * 512

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _default_folder() -> Path:
    """TMPDIR when it is set; else /var/tmp, because /tmp is often memory; else what Python finds."""
    for_large_files = Path("/var/tmp")  # noqa: S108 - the file has no name there
    if "TMPDIR" not in os.environ and os.access(for_large_files, os.W_OK):
        return for_large_files
    return Path(tempfile.gettempdir())


def _is_zero(raw: bytes | bytearray, start: int, length: int) -> bool:
    if length - start >= PIECE:
        return raw.startswith(_ZEROS, start)
    return raw.startswith(_ZEROS[: length - start], start)
