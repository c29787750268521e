"""Random access to bytes, whoever holds them: the only way a format sees its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from rocketaudit.errors import TruncatedError
from rocketaudit.model.records import dataclass

Buffer = bytes | bytearray | memoryview
MOST_JOINED = 4096  # parts of a view that is mapped of them: a process has 65,530 maps
Part = tuple[int | None, int]  # where bytes lie, and how many; None: they are zero, and lie nowhere
_MOST_STORED = 1 << 20  # ranges that are counted, a second's work


class Reader(Protocol):
    """`size` bytes, each readable by offset."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes from `offset`, or TruncatedError; never fewer."""
        ...


def stored_extents(reader: Reader, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges (start, end) that may hold other bytes than zero: all of it, unless the reader knows of holes."""
    if isinstance(reader, Window):
        for begin, finish in stored_extents(reader.whole, reader.start + start, reader.start + end):
            yield begin - reader.start, finish - reader.start
        return
    known = getattr(reader, "stored_extents", None)
    if known is None:
        yield start, end
    else:
        yield from known(start, end)


def stored_bytes(reader: Reader) -> int:
    """How many bytes of a reader may be other than zero: its size where size costs nothing."""
    found = islice(stored_extents(reader, 0, reader.size), _MOST_STORED)
    return sum(finish - begin for begin, finish in found)


def joined(reader: Reader, parts: Sequence[Part]) -> memoryview | None:
    """Parts one behind the other as one view, with nothing copied; None where the reader cannot give that."""
    if isinstance(reader, Window):
        if any(offset is not None and not 0 <= offset <= reader.length - length for offset, length in parts):
            return None
        start = reader.start
        return joined(reader.whole, [(None if at is None else start + at, length) for at, length in parts])
    join: Callable[[Sequence[Part]], memoryview | None] | None = getattr(reader, "joined", None)
    return None if join is None else join(parts)


def knows_holes(reader: Reader) -> bool:
    """Whether `stored_extents` leaves out what a sparse file does not store."""
    return knows_holes(reader.whole) if isinstance(reader, Window) else hasattr(reader, "stored_extents")


@dataclass(frozen=True, slots=True)
class BytesReader:
    """A reader over bytes (or a memoryview of a map) that are already at hand."""

    data: Buffer

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes | memoryview:
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise TruncatedError(
                f"{length} bytes wanted, {max(0, len(self.data) - max(0, offset))} there", offset=offset
            )
        piece = self.data[offset : offset + length]
        return bytes(piece) if isinstance(piece, bytearray) else piece


@dataclass(frozen=True, slots=True)
class Window:
    """`length` bytes of another reader from `start` on: a partition of a disk, a section of a file."""

    whole: Reader
    start: int
    length: int

    def __post_init__(self) -> None:
        if self.start < 0 or self.length < 0:
            raise TruncatedError(f"a window of {self.length} bytes cannot start", offset=self.start)

    @property
    def size(self) -> int:
        return self.length

    def read(self, offset: int, length: int) -> bytes | memoryview:
        if offset < 0 or length < 0 or offset + length > self.length:
            raise TruncatedError(f"{length} bytes wanted, window has {self.length}", offset=offset)
        return self.whole.read(self.start + offset, length)
