"""Extent records, the newer map of a compressed EROFS file: 4 to 32 bytes per extent (zmap.c of Linux)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.inode import Inode
from rocketaudit.formats.erofs.map_header import (
    ADVISE_FRAGMENT,
    ADVISE_INTERLACED,
    Header,
    algorithm,
)
from rocketaudit.formats.erofs.pieces import How, Piece
from rocketaudit.formats.erofs.volume import Volume

_LENGTH_MASK = 0x1FFFFF
_PARTIAL = 1 << 27
_FORMAT_BIT = 28
_BATCH = 2048
_FIRST_BLOCK = struct.Struct("<Q")
_LAYOUTS = {
    4: struct.Struct("<I"),
    8: struct.Struct("<II"),
    16: struct.Struct("<IIII"),
    32: struct.Struct("<IIIII12x"),
}


class _Record(NamedTuple):
    logical: int
    physical: int
    word: int  # stored length, partial bit and algorithm


def record_pieces(volume: Volume, inode: Inode, header: Header) -> Iterator[Piece]:
    """The extents in order; FormatError where they leave a gap or run backwards."""
    previous: _Record | None = None
    for record in _records(volume, inode, header):
        if previous is None and record.logical:
            raise FormatError(f"EROFS inode {inode.nid}: first extent at {record.logical}", offset=header.at)
        if previous is not None:
            end = min(record.logical, inode.size)
            yield _piece(volume, inode, header, previous, end, is_last=False)
            if record.logical >= inode.size:
                return
        previous = record
    if previous is None:
        raise FormatError(f"EROFS inode {inode.nid}: no extent records", offset=header.at)
    yield _piece(volume, inode, header, previous, inode.size, is_last=True)


class Table(NamedTuple):
    """Where the records lie; `first_block` is set where they do not name their places themselves."""

    at: int
    records: int
    layout: struct.Struct
    first_block: int

    @property
    def end(self) -> int:
        return self.at + self.records * self.layout.size


def record_table(volume: Volume, inode: Inode, header: Header) -> Table:
    """Find the records behind the header, or say that they do not fit."""
    layout = _LAYOUTS[4 << (header.advise >> 1 & 3)]
    size = layout.size
    space = volume.space(boxed=inode.boxed)
    at = (header.at + 8 + size - 1) // size * size
    first_block = 0
    if size <= 8:
        count = inode.size + (1 << header.lcluster_bits) - 1 >> header.lcluster_bits
        if size == 4:
            buffer, position = space.at(at, 8)
            first_block = _FIRST_BLOCK.unpack_from(buffer, position)[0]
            at += 8
    else:
        count = header.low | (header.algorithms | header.cluster_bits << 8) << 32
    table = Table(at, count, layout, first_block)
    if table.end > space.size:
        raise FormatError(f"EROFS inode {inode.nid}: {count} extent records do not fit", offset=at)
    return table


def _records(volume: Volume, inode: Inode, header: Header) -> Iterator[_Record]:
    table = record_table(volume, inode, header)
    space = volume.space(boxed=inode.boxed)
    at, count, layout, next_physical = table
    size = layout.size
    for first in range(0, count, _BATCH):
        volume.budget.check_time()
        rows = space.read(at + first * size, size * min(_BATCH, count - first))
        for number, row in enumerate(layout.iter_unpack(rows), first):
            if size == 4:
                yield _Record(number << header.lcluster_bits, next_physical, row[0])
                next_physical += row[0] & _LENGTH_MASK
            elif size == 8:
                yield _Record(number << header.lcluster_bits, row[1], row[0])
            else:
                logical = row[3] | (row[4] << 32 if size == 32 else 0)
                yield _Record(logical, row[1] | row[2] << 32, row[0])


def _piece(volume: Volume, inode: Inode, header: Header, record: _Record, end: int, *, is_last: bool) -> Piece:
    length = end - record.logical
    if length <= 0:
        raise FormatError(f"EROFS inode {inode.nid}: extents out of order at {end}", offset=header.at)
    if is_last and header.advise & ADVISE_FRAGMENT:
        # records of 4 bytes hold no place of their own, so the fragment's offset has 32 bits
        high = record.physical << 32 if header.advise >> 1 & 3 else 0
        return Piece(record.logical, length, How.FRAGMENT, record.word | high, 0)
    stored = record.word & _LENGTH_MASK
    if not stored:
        return Piece(record.logical, length, How.HOLE, 0, 0)
    number = record.word >> _FORMAT_BIT
    if number:
        how = algorithm(number - 1, header.at)
    else:
        is_aligned = not (record.physical | stored) & (volume.superblock.block_size - 1)
        how = How.INTERLACED if header.advise & ADVISE_INTERLACED and is_aligned else How.PLAIN
    return Piece(record.logical, length, how, record.physical, stored, partial=bool(record.word & _PARTIAL))
