"""One inode of ext2, ext3 or ext4. https://docs.kernel.org/filesystems/ext4/inodes.html"""

from __future__ import annotations

import struct
from typing import NamedTuple

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.ext4 import features
from rocketaudit.formats.ext4.volume import Volume
from rocketaudit.model.filesystem import TYPE_OF_MODE, FileType, Node

FLAG_ENCRYPTED = 0x800
FLAG_EXTENTS = 0x80000
FLAG_VALUE_OF_XATTR = 0x200000
FLAG_INLINE_DATA = 0x10000000

# mode uid size_lo atime ctime mtime dtime gid links blocks flags . block . acl_lo size_hi . . acl_hi uid_hi gid_hi
_INODE = struct.Struct("<HHIIIiIHHII4x60s4xII4xHHHH4x")
_TIMES = struct.Struct("<H2xII")  # extra_isize, ctime_extra, mtime_extra
_PAIR = struct.Struct("<II")
_EXTENT = struct.Struct("<IHHI")
_INDEX = struct.Struct("<IIHH")
_NO_DATA = 1 << 62
_WITH_DATA = (FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK)


class Inode(NamedTuple):
    """What reading a file's bytes needs: `block` is the 60 bytes that hold its map, or its inline data."""

    flags: int
    block: bytes
    xattr_block: int
    offset: int


def read_node(volume: Volume, number: int) -> Node:
    """The node of an inode number, or FormatError when it is out of range, not in use or unreadable."""
    buffer, position, offset = volume.inode_at(number)
    fields = _INODE.unpack_from(buffer, position)
    mode, uid, size, _, _, mtime, deleted, gid, links, _, flags, block, xattrs, size_high = fields[:14]
    xattrs_high, uid_high, gid_high = fields[15:]
    if not mode or (not links and deleted):
        raise FormatError(f"inode {number} is not in use", offset=offset)
    kind = TYPE_OF_MODE.get(mode & 0o170000, FileType.UNKNOWN)
    superblock = volume.superblock
    if kind is FileType.REGULAR or (kind is FileType.DIRECTORY and superblock.incompatible & features.LARGE_DIR):
        size |= size_high << 32
    mtime_ns = 0
    if superblock.inode_size > 128:
        extra, _, mtime_extra = _TIMES.unpack_from(buffer, position + 128)
        if extra >= 12:
            mtime += (mtime_extra & 3) << 32
            mtime_ns = mtime_extra >> 2
    rdev = None
    if kind not in _WITH_DATA:
        size = 0
        if kind is FileType.CHARACTER or kind is FileType.BLOCK:
            rdev = _device(block)
    return Node(
        number,
        kind,
        mode & 0o7777,
        uid | uid_high << 16,
        gid | gid_high << 16,
        size,
        mtime,
        mtime_ns if mtime_ns < 1_000_000_000 else 0,
        links,
        rdev,
        _order(flags, block, superblock.block_bits, offset) if size else _NO_DATA,
        Inode(flags, block, xattrs | xattrs_high << 32, offset),
    )


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
        if block[6:8] == b"\0\0":
            _, _, high, low = _EXTENT.unpack_from(block, 12)
        else:
            _, low, high, _ = _INDEX.unpack_from(block, 12)
        return int(low | high << 32) << block_bits
    if flags & FLAG_INLINE_DATA:
        return offset
    for direct in struct.unpack_from("<15I", block):
        if direct:
            return int(direct) << block_bits
    return offset
