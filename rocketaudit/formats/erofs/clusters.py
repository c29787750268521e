"""The map of a compressed EROFS file: which pclusters make which of its bytes (zmap.c of Linux)."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.cluster_index import (
    HEAD_1,
    HEAD_2,
    Head,
    compact_geometry,
    compact_heads,
    full_heads,
    full_index_end,
)
from rocketaudit.formats.erofs.extent_records import record_pieces, record_table
from rocketaudit.formats.erofs.inode import Inode, Layout
from rocketaudit.formats.erofs.map_header import (
    ADVISE_BIG_1,
    ADVISE_BIG_2,
    ADVISE_EXTENT_RECORDS,
    ADVISE_FRAGMENT,
    ADVISE_INLINE,
    ADVISE_INTERLACED,
    Header,
    algorithm,
    read_header,
)
from rocketaudit.formats.erofs.pieces import How, Piece
from rocketaudit.formats.erofs.volume import Volume

_PLAIN, _INTERLACED, _FRAGMENT = (
    How.PLAIN,
    How.INTERLACED,
    How.FRAGMENT,
)  # a look-up in the enum costs as much as a test


def compressed_pieces(volume: Volume, inode: Inode) -> Iterator[Piece]:
    """The extents of a compressed file in order; FormatError where the index contradicts itself."""
    if not inode.size:
        return
    header = read_header(volume, inode)
    if header.fragment is not None:
        yield Piece(0, inode.size, _FRAGMENT, header.fragment, 0)
        return
    if inode.layout == Layout.COMPRESSED_FULL and header.advise & ADVISE_EXTENT_RECORDS:
        yield from record_pieces(volume, inode, header)
        return
    count = inode.size + (1 << header.lcluster_bits) - 1 >> header.lcluster_bits
    if inode.layout == Layout.COMPRESSED_FULL:
        heads, end = full_heads(volume, inode, header, count), full_index_end(header, count)
    else:
        geometry = compact_geometry(volume, inode, header, count)
        heads, end = compact_heads(volume, inode, header, geometry), geometry.end
    yield from _extents(volume, inode, header, heads, end)


def index_end(volume: Volume, inode: Inode) -> int:
    """The first byte behind the map header and index of a compressed file."""
    header = read_header(volume, inode)
    if header.fragment is not None:
        return header.at + 8
    count = inode.size + (1 << header.lcluster_bits) - 1 >> header.lcluster_bits
    if inode.layout == Layout.COMPRESSED_COMPACT:
        return compact_geometry(volume, inode, header, count).end
    if header.advise & ADVISE_EXTENT_RECORDS:
        return record_table(volume, inode, header).end
    return full_index_end(header, count)


def _extents(volume: Volume, inode: Inode, header: Header, heads: Iterator[Head], end_of_index: int) -> Iterator[Piece]:
    """Each head runs to the next one; the last one may end inline or as a fragment."""
    bits = header.lcluster_bits
    previous: Head | None = None
    start = 0
    for head in heads:
        here = (head.number << bits) + head.offset
        if head.offset >> bits or (previous is None and here):
            raise FormatError(f"EROFS inode {inode.nid}: extent starts at byte {here}", offset=header.at)
        if previous is not None:
            end = min(here, inode.size)
            if end <= start:
                raise FormatError(f"EROFS inode {inode.nid}: extents out of order at {here}", offset=header.at)
            yield _extent(volume, inode, header, previous, start, end, end_of_index)
            if here >= inode.size:
                return
        previous, start = head, here
    if previous is None:
        raise FormatError(f"EROFS inode {inode.nid}: cluster index without a head", offset=header.at)
    yield _extent(volume, inode, header, previous, start, inode.size, end_of_index)


def _extent(volume: Volume, inode: Inode, header: Header, head: Head, start: int, end: int, end_of_index: int) -> Piece:
    block_bits = volume.superblock.block_bits
    advise = header.advise
    if head.type == HEAD_1:
        how = algorithm(header.algorithms & 15, header.at)
    elif head.type == HEAD_2:
        how = algorithm(header.algorithms >> 4, header.at)
    else:
        how = _INTERLACED if advise & ADVISE_INTERLACED else _PLAIN
    if end == inode.size:
        if advise & ADVISE_FRAGMENT:
            high = head.block << 32 if inode.layout == Layout.COMPRESSED_FULL else 0
            return Piece(start, end - start, _FRAGMENT, header.low | high, 0)
        if advise & ADVISE_INLINE and header.low >> 16:
            return Piece(start, end - start, how, end_of_index, header.low >> 16, inline=True)
    is_big = advise & (ADVISE_BIG_1 if head.type == HEAD_1 else ADVISE_BIG_2)
    blocks = head.blocks if is_big and head.blocks else 1
    return Piece(start, end - start, how, head.block << block_bits, blocks << block_bits, partial=head.partial)
