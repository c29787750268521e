"""The bytes of squashfs files: compressed blocks in a row, and an end that may share a fragment block."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.squashfs.decompress import Decompressor
from rocketaudit.formats.squashfs.inode import NONE, Inode
from rocketaudit.formats.squashfs.metadata import Metadata
from rocketaudit.formats.squashfs.superblock import Superblock
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader

_UNCOMPRESSED = 1 << 24
_SIZE_MASK = _UNCOMPRESSED - 1
_FRAGMENT = struct.Struct("<QI4x")
_SIZE = struct.Struct("<I")
_BATCH = 1024
_KEPT_BYTES = 8 << 20


class Block(NamedTuple):
    """`length` bytes of a file from `logical` on: from byte `skip` of the block of `stored` bytes at `physical`.

    A hole has no stored bytes. `limit` is what the stored block decodes to at most.
    """

    logical: int
    length: int
    physical: int
    stored: int
    is_compressed: bool
    skip: int
    limit: int
    is_fragment: bool


class Data:
    """Reads file data. At most 8 MiB of decoded blocks are kept, since many files end in one fragment block."""

    def __init__(
        self,
        reader: Reader,
        budget: Budget,
        superblock: Superblock,
        metadata: Metadata,
        decompress: Decompressor,
    ) -> None:
        self._reader = reader
        self._budget = budget
        self._superblock = superblock
        self._metadata = metadata
        self._decompress = decompress
        self._kept: dict[int, bytes | memoryview] = {}
        self._kept_bytes = 0
        self._fragments: dict[int, tuple[int, int]] = {}

    def blocks(self, inode: Inode) -> Iterator[Block]:
        """The blocks of a file in order, then its fragment."""
        block_size = self._superblock.block_size
        has_fragment = inode.fragment != NONE
        count = inode.size // block_size if has_fragment else -(-inode.size // block_size)
        physical, place, logical = inode.start, inode.body, 0
        for first in range(0, count, _BATCH):
            self._budget.check_time()
            raw, place = self._metadata.read(*place, _SIZE.size * min(_BATCH, count - first))
            for (word,) in _SIZE.iter_unpack(raw):
                length = min(block_size, inode.size - logical)
                stored = word & _SIZE_MASK
                yield Block(logical, length, physical, stored, not word & _UNCOMPRESSED, 0, block_size, False)
                logical += length
                physical += stored
        if has_fragment and logical < inode.size:
            yield self._fragment_block(inode, logical)

    def chunks(self, inode: Inode) -> Iterator[bytes | memoryview]:
        for block in self.blocks(inode):
            if not block.stored:
                self._budget.skip(block.length)
                yield bytes(block.length)
            elif block.is_fragment:
                self._budget.produce(block.length)  # one block may be the end of any number of files
                yield self._part(block, self._kept_block(block))
            else:
                yield self._part(block, self._decoded(block))

    def read(self, inode: Inode, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, inode.size)
        for block in self.blocks(inode):
            if block.logical >= end:
                break
            skip = max(0, offset - block.logical)
            take = min(end - block.logical, block.length) - skip
            if take <= 0:
                continue
            if block.stored:
                parts.append(self._part(block, self._kept_block(block))[skip : skip + take])
            else:
                self._budget.skip(take)
                parts.append(bytes(take))
        return b"".join(parts)

    def fragment(self, number: int) -> tuple[int, int]:
        """Where fragment block `number` lies, and its size word."""
        found = self._fragments.get(number)
        if found is None:
            superblock = self._superblock
            row = self._metadata.row(superblock.fragment_table, superblock.fragments, number, _FRAGMENT)
            found = (row[0], row[1])
            if len(self._fragments) > 65536:
                self._fragments.clear()
            self._fragments[number] = found
        return found

    def _fragment_block(self, inode: Inode, logical: int) -> Block:
        physical, word = self.fragment(inode.fragment)
        length = inode.size - logical
        return Block(
            logical, length, physical, word & _SIZE_MASK, not word & _UNCOMPRESSED, inode.offset,
            self._superblock.block_size, True,
        )  # fmt: skip

    def _decoded(self, block: Block) -> bytes | memoryview:
        """The whole stored block, decoded if it is compressed."""
        if block.stored > block.limit:
            raise FormatError(f"squashfs data block of {block.stored} bytes", offset=block.physical)
        if block.physical + block.stored > self._metadata.end:
            raise TruncatedError(
                f"squashfs data block of {block.stored} bytes lies past the end", offset=block.physical
            )
        stored = self._reader.read(block.physical, block.stored)
        if not block.is_compressed:
            self._budget.give(block.stored)
            return stored
        try:
            decoded = self._decompress(stored, block.limit)
        except FormatError as error:
            raise FormatError(error.message, offset=block.physical) from None
        self._budget.produce(len(decoded))
        return decoded

    def _kept_block(self, block: Block) -> bytes | memoryview:
        kept = self._kept.get(block.physical)
        if kept is not None:
            return kept
        decoded = self._decoded(block)
        self._kept[block.physical] = decoded
        self._kept_bytes += len(decoded)
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.pop(next(iter(self._kept))))
        return decoded

    def _part(self, block: Block, decoded: bytes | memoryview) -> bytes | memoryview:
        """The file's share of a decoded block; a block of its own must not be longer than that."""
        is_exact = block.is_fragment or len(decoded) == block.length
        if not is_exact or block.skip + block.length > len(decoded):
            raise FormatError(
                f"squashfs block decodes to {len(decoded)} bytes, {block.skip}+{block.length} are wanted",
                offset=block.physical,
            )
        if len(decoded) == block.length:
            return decoded
        return memoryview(decoded)[block.skip : block.skip + block.length]
