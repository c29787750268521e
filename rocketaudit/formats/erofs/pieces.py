"""The pieces that a file consists of, whatever its layout; here those of plain, inline and chunked files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.inode import NULL_BLOCK, Inode, Layout
from rocketaudit.formats.erofs.volume import Volume

_CHUNK_BITS = 0x1F
_CHUNK_INDEXES = 0x20
_CHUNK_48BIT = 0x40
_BATCH = 4096
_BLOCK_ENTRY = struct.Struct("<I")
_INDEX_ENTRY = struct.Struct("<HHI")


class How(IntEnum):
    """How the bytes of a piece are stored; those from 0 on are the algorithm numbers of the format."""

    FRAGMENT = -4
    INTERLACED = -3
    PLAIN = -2
    HOLE = -1
    LZ4 = 0
    LZMA = 1
    DEFLATE = 2
    ZSTD = 3


class Piece(NamedTuple):
    """`length` bytes of a file from `logical` on, made from `stored` bytes at `physical`.

    `physical` counts from the start of device `device` (0: this volume), or of the inode's metadata space if
    `inline`, or of the packed inode for a FRAGMENT. `partial`: more could be decoded than belongs here.
    """

    logical: int
    length: int
    how: How
    physical: int
    stored: int
    inline: bool = False
    partial: bool = False
    device: int = 0


def flat_pieces(volume: Volume, inode: Inode) -> Iterator[Piece]:
    """One run of blocks, and for an inline file the tail behind its inode."""
    if not inode.size:
        return
    block_size = volume.superblock.block_size
    tail = (inode.size - 1) % block_size + 1 if inode.layout == Layout.INLINE else 0
    full = inode.size - tail
    if full and inode.block == NULL_BLOCK:
        yield Piece(0, full, How.HOLE, 0, 0)
    elif full:
        yield Piece(0, full, How.PLAIN, inode.block << volume.superblock.block_bits, full)
    if tail:
        if inode.body % block_size + tail > block_size:
            raise crossing_tail(inode, tail)
        yield Piece(full, tail, How.PLAIN, inode.body, tail, inline=True)


def crossing_tail(inode: Inode, tail: int) -> FormatError:
    """Why the bytes behind an inode cannot be its data."""
    return FormatError(f"EROFS inode {inode.nid}: inline tail of {tail} bytes crosses a block", offset=inode.body)


def chunk_pieces(volume: Volume, inode: Inode) -> Iterator[Piece]:
    """The chunks of a file in order, neighbours on the disk joined."""
    bits = _chunk_bits(volume, inode)
    table, count, size = chunk_table(volume, inode)
    entry = _INDEX_ENTRY if size == _INDEX_ENTRY.size else _BLOCK_ENTRY
    space = volume.space(boxed=inode.boxed)
    pending: Piece | None = None
    for first in range(0, count, _BATCH):
        rows = space.read(table + first * entry.size, min(_BATCH, count - first) * entry.size)
        for number, row in enumerate(entry.iter_unpack(rows), first):
            start = number << bits
            length = min(1 << bits, inode.size - start)
            piece = _chunk(row, start, length, inode.block, volume.superblock.block_bits)
            joined = _join(pending, piece) if pending else None
            if pending and not joined:
                yield pending
            pending = joined or piece
    if pending:
        yield pending


def chunk_table(volume: Volume, inode: Inode) -> tuple[int, int, int]:
    """Where the chunk table starts, how many entries it has and the bytes of one; it fits its space."""
    if inode.block & 0xFFFF & ~(_CHUNK_BITS | _CHUNK_INDEXES | _CHUNK_48BIT):
        raise FormatError(f"EROFS inode {inode.nid}: chunk format {inode.block & 0xFFFF:#x}", offset=inode.at)
    bits = _chunk_bits(volume, inode)
    size = _INDEX_ENTRY.size if inode.block & _CHUNK_INDEXES else _BLOCK_ENTRY.size
    count = inode.size + (1 << bits) - 1 >> bits
    table = (inode.body + size - 1) // size * size
    if table + count * size > volume.space(boxed=inode.boxed).size:
        raise FormatError(f"EROFS inode {inode.nid}: table of {count} chunks does not fit", offset=table)
    return table, count, size


def _chunk_bits(volume: Volume, inode: Inode) -> int:
    return volume.superblock.block_bits + (inode.block & _CHUNK_BITS)


def _chunk(row: tuple[int, ...], start: int, length: int, form: int, block_bits: int) -> Piece:
    if len(row) == 1:
        block, device, null = row[0], 0, 0xFFFFFFFF
    elif form & _CHUNK_48BIT:
        block, device, null = row[0] << 32 | row[2], row[1], NULL_BLOCK
    else:
        block, device, null = row[2], row[1], 0xFFFFFFFF
    if block == null:
        return Piece(start, length, How.HOLE, 0, 0)
    return Piece(start, length, How.PLAIN, block << block_bits, length, device=device)


def _join(before: Piece, after: Piece) -> Piece | None:
    """Both as one piece, if the second continues the first."""
    if before.how != after.how or before.device != after.device:
        return None
    if before.how == How.PLAIN and before.physical + before.length != after.physical:
        return None
    return before._replace(length=before.length + after.length, stored=before.stored + after.stored)
