"""The 8-byte header of a compressed EROFS file's map, and what its advice bits mean (erofs_fs.h of Linux)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from rocketaudit.errors import UnsupportedError
from rocketaudit.formats.erofs.inode import Inode
from rocketaudit.formats.erofs.pieces import How
from rocketaudit.formats.erofs.volume import Volume

ADVISE_COMPACT_2B = 0x01
ADVISE_EXTENT_RECORDS = 0x01  # the same bit, of a full index
ADVISE_BIG_1 = 0x02
ADVISE_BIG_2 = 0x04
ADVISE_INLINE = 0x08
ADVISE_INTERLACED = 0x10
ADVISE_FRAGMENT = 0x20

_LAYOUT = struct.Struct("<IHBB")
_WHOLE_FRAGMENT = 0x80
_HOW = {int(how): how for how in How if how >= 0}


class Header(NamedTuple):
    """`low` is the fragment offset, the inline size (upper half) or the number of extent records.

    `fragment` is the offset in the packed inode if the whole file lies there, else None.
    """

    at: int
    low: int
    advise: int
    algorithms: int
    cluster_bits: int
    lcluster_bits: int
    fragment: int | None


def read_header(volume: Volume, inode: Inode) -> Header:
    """Parse the header, which lies at the next multiple of 8 behind the inode's extended attributes."""
    at = inode.body + 7 & ~7
    buffer, position = volume.space(boxed=inode.boxed).at(at, _LAYOUT.size)
    low, advise, algorithms, cluster_bits = _LAYOUT.unpack_from(buffer, position)
    fragment = None
    if cluster_bits & _WHOLE_FRAGMENT:  # the other 63 bits say where
        fragment = low | advise << 32 | algorithms << 48 | (cluster_bits & 0x7F) << 56
    lcluster_bits = volume.superblock.block_bits + (cluster_bits & 15)
    return Header(at, low, advise, algorithms, cluster_bits, lcluster_bits, fragment)


def algorithm(number: int, at: int) -> How:
    """The decoder with this number in the format."""
    how = _HOW.get(number)
    if how is None:
        raise UnsupportedError(f"EROFS compression algorithm {number}", offset=at)
    return how
