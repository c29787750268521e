"""EROFS inodes: 32 bytes (compact) or 64 (extended), addressed by position (their nid)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.superblock import INCOMPAT_48BIT
from rocketaudit.formats.erofs.volume import PAGE_BITS, PAGE_MASK, Volume
from rocketaudit.model.filesystem import TYPE_OF_MODE, FileType, Node
from rocketaudit.model.reader import Buffer

METABOX_NID = 1 << 63
NULL_BLOCK = (1 << 48) - 1

_COMPACT = struct.Struct("<HHHHIIIIHH4x").unpack_from
_EXTENDED = struct.Struct("<HHHHQI4xIIqII16x").unpack_from
_U32 = struct.Struct("<I").unpack_from
_COMPACT_INDEX_HEAD = struct.Struct("<Q4xI").unpack_from
_FULL_INDEX_HEAD = struct.Struct("<Q12xI").unpack_from
_WHOLE_FRAGMENT = 1 << 63
_REGULAR, _CHARACTER, _BLOCK = FileType.REGULAR, FileType.CHARACTER, FileType.BLOCK
_NEW = tuple.__new__
_TYPE_OF_MODE = TYPE_OF_MODE.get


class Layout(IntEnum):
    PLAIN = 0
    COMPRESSED_FULL = 1
    INLINE = 2
    COMPRESSED_COMPACT = 3
    CHUNKED = 4


# plain numbers, because a listing looks at them for every inode
_PLAIN, _FULL_INDEX, _INLINE, _COMPACT_INDEX, _CHUNKED = (int(layout) for layout in Layout)


class Inode(NamedTuple):
    """Where an inode and its tables lie. `at`, `xattrs_at` and `body` are offsets in its metadata space.

    `block` is the first data block (NULL_BLOCK: a hole), or the chunk format; `body` is what follows the
    extended attributes: the inline tail, the chunk table or the cluster index.
    """

    nid: int
    layout: int
    size: int
    block: int
    at: int
    xattrs_at: int
    body: int
    boxed: bool


def read_node(volume: Volume, nid: int) -> Node:
    """Parse the inode with this nid, or say why its 32 or 64 bytes are wrong."""
    superblock = volume.superblock
    boxed = nid >= METABOX_NID
    if boxed:
        at = (nid - METABOX_NID) << 5
        space = volume.space(boxed=True)
    else:
        at = volume.inodes_at + (nid << 5)
        space = volume.image
    page = space.pages.get(at >> PAGE_BITS)
    position = at & PAGE_MASK
    if page is not None and position + 64 <= len(page):
        buffer: Buffer = page
    else:
        buffer, position = space.at(at, 32)
    if buffer[position] & 1:
        if position + 64 > len(buffer):
            buffer, position = space.at(at, 64)
        (form, xattr_count, mode, high, size, low, uid, gid, mtime, nanoseconds, nlink) = _EXTENDED(buffer, position)
        if nanoseconds >= 1_000_000_000:
            nanoseconds = 0
        xattrs_at = at + 64
    else:
        (form, xattr_count, mode, nlink, size, stamp, low, _ino, uid, gid) = _COMPACT(buffer, position)
        mtime = superblock.epoch + stamp
        nanoseconds = superblock.fixed_nanoseconds
        high = 0
        # bit 4 says "one link" (and frees the link field for address bits), except that of a directory
        if form & 0x10 and mode & 0o170000 != 0o040000:
            nlink, high = 1, nlink
        xattrs_at = at + 32
    layout = form >> 1 & 7
    kind = _TYPE_OF_MODE(mode & 0o170000)
    if kind is None or layout > 4 or form > 0x1F:
        raise FormatError(
            f"EROFS inode {nid}: impossible mode {mode:#o} or format {form:#x} in the {space.name}", offset=at
        )
    body = xattrs_at + (8 + 4 * xattr_count if xattr_count else 0)
    block = low | high << 32
    if low == 0xFFFFFFFF and (high == 0xFFFF or not superblock.incompat & INCOMPAT_48BIT):
        block = NULL_BLOCK
    rdev = None
    if kind is _CHARACTER or kind is _BLOCK:
        rdev = (low >> 8 & 0xFFF, low & 0xFF | low >> 12 & 0xFFF00)
    inode = _NEW(Inode, (nid, layout, size, block, at, xattrs_at, body, boxed))
    order = at
    if kind is _REGULAR and size and (layout != _INLINE or size >> superblock.block_bits):
        order = _order(superblock.block_bits, volume.image.size, inode, buffer, position)
    return _NEW(Node, (nid, kind, mode & 0o7777, uid, gid, size, mtime, nanoseconds, nlink, rdev, order, inode))


def _order(block_bits: int, image_size: int, inode: Inode, buffer: Buffer, position: int) -> int:
    """The byte of the first data block, as far as the neighbourhood of the inode tells; else the inode's own.

    A file that lies behind its inode altogether is not asked for.
    """
    layout = inode.layout
    if layout == _INLINE:
        return inode.block << block_bits
    if layout == _PLAIN:
        return inode.block << block_bits if inode.block != NULL_BLOCK else inode.at
    table = position + (inode.body + 7 & ~7) - inode.at
    if table + 24 > len(buffer):
        return inode.at
    if layout == _CHUNKED:
        hint = table + 4 if inode.block & 0x20 else position + (inode.body + 3 & ~3) - inode.at
        (block,) = _U32(buffer, hint)
    else:
        # a pack of a compact index ends with its first block; a full index holds it 12 bytes behind the header
        place, block = (_COMPACT_INDEX_HEAD if layout == _COMPACT_INDEX else _FULL_INDEX_HEAD)(buffer, table)
        if place >= _WHOLE_FRAGMENT:  # behind all others, in the order of the packed inode
            return int(place)
    return int(block) << block_bits if block << block_bits < image_size else inode.at
