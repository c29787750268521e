"""Where a file's blocks lie: extent trees and the older indirect blocks, walked lazily and with bounds.

https://docs.kernel.org/filesystems/ext4/ifork.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.ext4.inode import FLAG_EXTENTS, Inode
from rocketaudit.formats.ext4.volume import Volume
from rocketaudit.model.budget import Budget

_HEADER = struct.Struct("<HHHH4x")
_LEAF = struct.Struct("<IHHI")
_INDEX = struct.Struct("<IIHH")
_ONLY = struct.Struct("<HHHH4xIHHI").unpack_from
_MAGIC = 0xF30A
_DEEPEST = 5
_LONGEST_WRITTEN = 32768  # a longer one is allocated but not written: it reads as zeros
_DIRECT = 12


class Run(NamedTuple):
    """`length` blocks of the file from `logical` on lie at block `physical`; 0 means allocated but unwritten."""

    logical: int
    length: int
    physical: int


def runs(volume: Volume, inode: Inode, blocks: int, budget: Budget, *, first: int = 0) -> Iterator[Run]:
    """The runs of a file of `blocks` blocks that end after block `first`, in order; holes are left out."""
    if inode.flags & FLAG_EXTENTS:
        return _Tree(volume, inode, budget, first).walk()
    return _merge(_Indirect(volume, inode, blocks, budget, first).walk())


def only_extent(volume: Volume, inode: Inode, size: int) -> int | None:
    """The offset of a file that is one written extent, as most are; None when it has to be walked."""
    if not inode.flags & FLAG_EXTENTS:
        return None
    magic, entries, _, depth, logical, length, high, low = _ONLY(inode.block)
    superblock = volume.superblock
    block = low | high << 32
    if magic != _MAGIC or entries != 1 or depth or logical or length > _LONGEST_WRITTEN:
        return None
    if length << superblock.block_bits < size or not superblock.first_block < block <= superblock.blocks - length:
        return None
    return int(block) << superblock.block_bits


def map_blocks(volume: Volume, inode: Inode, blocks: int, budget: Budget) -> Iterator[int]:
    """The blocks that hold the map itself: inner and leaf blocks of the tree, or indirect blocks."""
    if inode.flags & FLAG_EXTENTS:
        if inode.block[6:8] == b"\0\0":
            return  # the whole map is in the inode
    elif blocks <= _DIRECT:
        return
    found: list[int] = []
    if inode.flags & FLAG_EXTENTS:
        walker: Iterator[Run] = _Tree(volume, inode, budget, 0, found).walk()
    else:
        walker = _Indirect(volume, inode, blocks, budget, 0, found).walk()
    for _ in walker:
        yield from found
        found.clear()
    yield from found


class _Tree:
    """One walk of an extent tree. Logical addresses must grow, so no node can be visited twice."""

    def __init__(
        self, volume: Volume, inode: Inode, budget: Budget, first: int, visited: list[int] | None = None
    ) -> None:
        self._volume = volume
        self._inode = inode
        self._budget = budget
        self._first = first
        self._visited = visited
        self._next = 0
        self._reached = [-1] * (_DEEPEST + 1)

    def walk(self) -> Iterator[Run]:
        return self._node(self._inode.block, -1)

    def _wrong(self, what: str) -> FormatError:
        return FormatError(f"extent tree: {what}", offset=self._inode.offset + 40)

    def _node(self, raw: bytes, expected_depth: int) -> Iterator[Run]:
        magic, entries, most, depth = _HEADER.unpack_from(raw)
        if magic != _MAGIC:
            raise self._wrong("a node without magic")
        if depth > _DEEPEST or (expected_depth >= 0 and depth != expected_depth):
            raise self._wrong(f"a node of depth {depth}")
        end = _HEADER.size + entries * _LEAF.size
        if entries > most or end > len(raw):
            raise self._wrong(f"a node of {entries} entries where {most} fit")
        if depth:
            return self._inner(raw[_HEADER.size : end], depth)
        return self._leaf(raw[_HEADER.size : end])

    def _leaf(self, raw: bytes) -> Iterator[Run]:
        last = self._volume.superblock.blocks
        lowest = self._volume.superblock.first_block
        for logical, length, high, low in _LEAF.iter_unpack(raw):
            physical = low | high << 32
            count = length - _LONGEST_WRITTEN if length > _LONGEST_WRITTEN else length
            if not count or logical < self._next:
                raise self._wrong(f"extents of {count} blocks at {logical} overlap or are empty")
            if not lowest <= physical <= last - count or not physical:
                raise self._wrong(f"{count} blocks at {physical} of {last}")
            self._next = logical + count
            if self._next > self._first:
                yield Run(logical, count, 0 if length > _LONGEST_WRITTEN else physical)

    def _inner(self, raw: bytes, depth: int) -> Iterator[Run]:
        entries = list(_INDEX.iter_unpack(raw))
        for position, (logical, low, high, _) in enumerate(entries):
            if logical <= self._reached[depth]:
                raise self._wrong(f"index of block {logical} is out of order")
            self._reached[depth] = logical
            if position + 1 < len(entries) and entries[position + 1][0] <= self._first:
                continue
            self._budget.check_time()
            block = low | high << 32
            if self._visited is not None:
                self._visited.append(block)
            yield from self._node(self._volume.block(block, "extent tree node"), depth - 1)


class _Indirect:
    """One walk of direct, indirect, double and triple indirect blocks, which ends with the file's last block."""

    def __init__(
        self,
        volume: Volume,
        inode: Inode,
        blocks: int,
        budget: Budget,
        first: int,
        visited: list[int] | None = None,
    ) -> None:
        self._volume = volume
        self._inode = inode
        self._blocks = blocks
        self._budget = budget
        self._first = first
        self._visited = visited
        self._pointers = struct.Struct(f"<{volume.superblock.block_size // 4}I")

    def walk(self) -> Iterator[Run]:
        per_block = self._volume.superblock.block_size // 4
        pointers = struct.unpack_from("<15I", self._inode.block)
        yield from self._data(pointers[:_DIRECT], 0)
        logical = _DIRECT
        for level in (1, 2, 3):
            if logical >= self._blocks:
                return
            yield from self._descend(pointers[_DIRECT + level - 1], logical, level)
            logical += per_block**level

    def _data(self, pointers: tuple[int, ...], logical: int) -> Iterator[Run]:
        superblock = self._volume.superblock
        lowest, last = superblock.first_block, superblock.blocks
        start = count = 0
        for position, pointer in enumerate(pointers[: max(0, self._blocks - logical)]):
            if count and pointer == start + count:
                count += 1
                continue
            if count:
                yield Run(logical + position - count, count, start)
            if pointer and not lowest < pointer < last:
                raise FormatError(
                    f"file block {logical + position} at block {pointer} of {last}", offset=self._inode.offset + 40
                )
            start, count = pointer, 1 if pointer else 0
        if start + count > last:
            raise FormatError(f"{count} blocks at {start} of {last}", offset=self._inode.offset + 40)
        if count:
            end = logical + min(len(pointers), self._blocks - logical)
            yield Run(end - count, count, start)

    def _descend(self, block: int, logical: int, level: int) -> Iterator[Run]:
        per_block = self._pointers.size // 4
        covered = per_block**level
        if not block or logical >= self._blocks or logical + covered <= self._first:
            return
        self._budget.check_time()
        self._budget.enter()  # blocks of zeros can be named again and again
        if self._visited is not None:
            self._visited.append(block)
        pointers = self._pointers.unpack(self._volume.block(block, "indirect block"))
        if level == 1:
            yield from self._data(pointers, logical)
            return
        step = covered // per_block
        for position, pointer in enumerate(pointers):
            if logical + position * step >= self._blocks:
                return
            yield from self._descend(pointer, logical + position * step, level - 1)


def _merge(found: Iterator[Run]) -> Iterator[Run]:
    """Runs that continue each other as one, so that a file of indirect blocks is read in large pieces."""
    held: Run | None = None
    for run in found:
        if held and run.logical == held.logical + held.length and run.physical == held.physical + held.length:
            held = Run(held.logical, held.length + run.length, held.physical)
            continue
        if held:
            yield held
        held = run
    if held:
        yield held
