"""Squashfs metadata: blocks of up to 8 KiB, each with a 2-byte header, decompressed on demand and kept a while."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.squashfs.decompress import Decompressor
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader

BLOCK = 8192
_UNCOMPRESSED = 0x8000
_KEPT_BLOCKS = 1024
_HEADER = struct.Struct("<H")
_POINTER = struct.Struct("<Q")


class Metadata:
    """Decompressed metadata blocks by their place in the volume; at most 8 MiB are kept, oldest out first."""

    def __init__(self, reader: Reader, budget: Budget, decompress: Decompressor, end: int) -> None:
        self.end = min(end, reader.size)
        self._reader = reader
        self._budget = budget
        self._decompress = decompress
        self._blocks: dict[int, tuple[bytes, int]] = {}

    def block(self, at: int) -> tuple[bytes, int]:
        """The block that starts at byte `at`, and where the next one starts."""
        kept = self._blocks.get(at)
        if kept is not None:
            return kept
        if not 0 <= at <= self.end - _HEADER.size:
            raise TruncatedError(f"squashfs metadata block outside the {self.end} bytes used", offset=at)
        header = _HEADER.unpack(self._reader.read(at, _HEADER.size))[0]
        size = header & _UNCOMPRESSED - 1
        if not 0 < size <= BLOCK or at + 2 + size > self.end:
            raise FormatError(f"squashfs metadata block of {size} bytes", offset=at)
        stored = self._reader.read(at + 2, size)
        try:
            data = bytes(stored) if header & _UNCOMPRESSED else self._decompress(stored, BLOCK)
        except FormatError as error:
            raise FormatError(error.message, offset=at) from None
        self._budget.produce(len(data))
        while len(self._blocks) >= _KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        found = (data, at + 2 + size)
        self._blocks[at] = found
        return found

    def at(self, block: int, offset: int, length: int) -> tuple[bytes, int]:
        """A buffer and the position in it of `length` bytes that start at byte `offset` of a block."""
        data, _ = self.block(block)
        if offset + length <= len(data):
            return data, offset
        return self.read(block, offset, length)[0], 0

    def read(self, block: int, offset: int, length: int) -> tuple[bytes, tuple[int, int]]:
        """`length` bytes, and the (block, offset) behind them; they may run on into the following blocks."""
        parts = []
        while True:
            data, following = self.block(block)
            if offset > len(data):
                raise FormatError(f"squashfs metadata starts at {offset} of {len(data)} bytes", offset=block)
            part = data[offset : offset + length]
            parts.append(part)
            length -= len(part)
            if not length:
                return b"".join(parts), (block, offset + len(part))
            if len(data) < BLOCK:
                raise TruncatedError(f"squashfs metadata ends {length} bytes early", offset=block)
            block, offset = following, 0

    def rows(self, table: int, count: int, layout: struct.Struct) -> Iterator[tuple[int, ...]]:
        """The rows of a table that is reached through a list of pointers to its blocks, at byte `table`."""
        per_block = BLOCK // layout.size
        blocks = -(-count // per_block)
        if table + blocks * _POINTER.size > self.end:
            raise TruncatedError(f"squashfs table of {count} rows does not fit", offset=table)
        for number in range(blocks):
            self._budget.check_time()
            (at,) = _POINTER.unpack(self._reader.read(table + number * _POINTER.size, _POINTER.size))
            data, _ = self.block(at)
            wanted = min(per_block, count - number * per_block)
            if len(data) < wanted * layout.size:
                raise TruncatedError(f"squashfs table block of {len(data)} bytes", offset=at)
            yield from layout.iter_unpack(data[: wanted * layout.size])

    def row(self, table: int, count: int, number: int, layout: struct.Struct) -> tuple[int, ...]:
        """One row of such a table."""
        if not 0 <= number < count:
            raise FormatError(f"squashfs table row {number} of {count}", offset=table)
        per_block = BLOCK // layout.size
        pointer = table + number // per_block * _POINTER.size
        if pointer + _POINTER.size > self.end:
            raise TruncatedError(f"squashfs table of {count} rows does not fit", offset=table)
        (at,) = _POINTER.unpack(self._reader.read(pointer, _POINTER.size))
        buffer, position = self.at(at, number % per_block * layout.size, layout.size)
        return layout.unpack_from(buffer, position)
