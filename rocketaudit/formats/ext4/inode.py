"""One inode of ext2, ext3 or ext4. https://docs.kernel.org/filesystems/ext4/inodes.html"""

from __future__ import annotations

import struct
from typing import NamedTuple

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.ext4.volume import Volume
from rocketaudit.model.filesystem import TYPE_OF_MODE, FileType, Node

FLAG_ENCRYPTED = 0x800
FLAG_EXTENTS = 0x80000
FLAG_VALUE_OF_XATTR = 0x200000
FLAG_INLINE_DATA = 0x10000000

# mode uid size_lo . mtime dtime gid links . flags . block . acl_lo size_hi . acl_hi uid_hi gid_hi
_FIELDS = "<HHI8xiIHH4xI4x60s4xII6xHHH4x"
_SMALL_INODE = struct.Struct(_FIELDS).unpack_from
_INODE = struct.Struct(_FIELDS + "H6xI").unpack_from  # and extra_isize, mtime_extra
_PAIR = struct.Struct("<II")
_FIRST_EXTENT = struct.Struct("<2xHI").unpack_from
_FIRST_INDEX = struct.Struct("<IH").unpack_from
_NO_DATA = 1 << 62
# looking a member up in its enum costs as much as decoding a field
_REGULAR, _DIRECTORY, _SYMLINK = FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK
_CHARACTER, _BLOCK, _UNKNOWN = FileType.CHARACTER, FileType.BLOCK, FileType.UNKNOWN
_NEW = tuple.__new__


class Inode(NamedTuple):
    """What reading a file's bytes needs: `block` is the 60 bytes that hold its map, or its inline data."""

    flags: int
    block: bytes
    xattr_block: int
    offset: int


def read_node(volume: Volume, number: int) -> Node:
    """The node of an inode number, or FormatError when it is out of range, not in use or unreadable."""
    buffer, first, end, start = volume.window
    if first <= number < end:  # neighbours in a directory are neighbours in the table, as a rule
        position = (number - first) * volume.inode_size
        offset = start + position
    else:
        buffer, position, offset = volume.inode_at(number)
    extra = mtime_extra = 0
    if volume.has_fine_times:
        (mode, uid, size, mtime, deleted, gid, links, flags, block, xattrs, size_high, xattrs_high, uid_high, gid_high,
         extra, mtime_extra) = _INODE(buffer, position)  # fmt: skip
    else:
        (mode, uid, size, mtime, deleted, gid, links, flags, block, xattrs, size_high, xattrs_high, uid_high,
         gid_high) = _SMALL_INODE(buffer, position)  # fmt: skip
    if not mode or (not links and deleted):
        raise FormatError(f"inode {number} is not in use", offset=offset)
    kind = TYPE_OF_MODE.get(mode & 0o170000, _UNKNOWN)
    rdev = None
    order = offset
    if kind is _REGULAR:
        size |= size_high << 32
        if flags & FLAG_EXTENTS and block[2:4] != b"\0\0" == block[6:8]:  # its map is in the inode, as a rule
            high, low = _FIRST_EXTENT(block, 16)
            order = (low | high << 32) << volume.block_bits if size else _NO_DATA
        else:
            order = _order(flags, block, volume.block_bits, offset) if size else _NO_DATA
    elif kind is _DIRECTORY:
        size |= size_high << 32 if volume.has_large_folders else 0
    elif kind is not _SYMLINK:
        size = 0
        if kind is _CHARACTER or kind is _BLOCK:
            rdev = _device(block)
    mtime_ns = 0
    if extra >= 12:
        mtime += (mtime_extra & 3) << 32
        mtime_ns = mtime_extra >> 2
        if mtime_ns >= 1_000_000_000:
            mtime_ns = 0
    return _NEW(
        Node,
        (number, kind, mode & 0o7777, uid | uid_high << 16, gid | gid_high << 16, size, mtime, mtime_ns, links, rdev,
         order, _NEW(Inode, (flags, block, xattrs | xattrs_high << 32, offset))),
    )  # fmt: skip


def inode_of(node: Node) -> Inode:
    """The reader's own part of a node; a node of another file system is a programming error."""
    if not isinstance(node.handle, Inode):
        raise TypeError(f"node {node.number} is not of an ext4 file system")
    return node.handle


def refuse_encrypted(node: Node) -> Inode:
    """The inode, or UnsupportedError when its bytes are ciphertext."""
    inode = inode_of(node)
    if inode.flags & FLAG_ENCRYPTED:
        raise UnsupportedError(f"inode {node.number} is encrypted (fscrypt)", offset=inode.offset)
    return inode


def _device(block: bytes) -> tuple[int, int]:
    """Major and minor from the old 16-bit or the new 32-bit form (fs/ext4/inode.c, include/linux/kdev_t.h)."""
    old, new = _PAIR.unpack_from(block)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00


def _order(flags: int, block: bytes, block_bits: int, offset: int) -> int:
    """Where the first byte lies; for a deep map where its first node lies, which is close enough to sort by."""
    if flags & FLAG_EXTENTS:
        if block[2:4] == b"\0\0":
            return offset
        high, low = _FIRST_EXTENT(block, 16) if block[6:8] == b"\0\0" else _FIRST_INDEX(block, 16)[::-1]
        return int(low | high << 32) << block_bits
    if flags & FLAG_INLINE_DATA:
        return offset
    for direct in struct.unpack_from("<15I", block):
        if direct:
            return int(direct) << block_bits
    return offset
