"""Extended attributes of ext4: after the inode, in a block of their own, or with values in inodes of their own.

https://docs.kernel.org/filesystems/ext4/attributes.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import MappingProxyType

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.ext4.inode import Inode
from rocketaudit.formats.ext4.volume import Volume

INLINE_DATA = b"system.data"
_PREFIXES = MappingProxyType(
    {
        0: b"",
        1: b"user.",
        2: b"system.posix_acl_access",
        3: b"system.posix_acl_default",
        4: b"trusted.",
        5: b"lustre.",
        6: b"security.",
        7: b"system.",
        8: b"system.richacl",
        9: b"encryption.",
        10: b"gnu.",
    }
)
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")
_MAGIC = b"\x00\x00\x02\xea"
_ENTRY = struct.Struct("<BBHIII")
_BLOCK_HEADER = 32
_MOST_VALUE_BYTES = 1 << 24  # EXT4_XATTR_SIZE_MAX of the kernel; here for all values of a file together

ReadValue = Callable[[int, int], bytes]


def read_all(volume: Volume, inode: Inode, read_value: ReadValue) -> dict[bytes, bytes]:
    """Every attribute by its full name, inline data included; the inode's own win over those of its block.

    `read_value(inode number, length)` gives the value that an inode holds.
    """
    found = in_inode(volume, inode, read_value)
    if inode.xattr_block:
        at = inode.xattr_block << volume.superblock.block_bits
        block = volume.block(inode.xattr_block, "xattr block")
        if block[:4] != _MAGIC:
            raise FormatError("xattr block without magic", offset=at)
        for name, value in _entries(block, _BLOCK_HEADER, at, read_value).items():
            found.setdefault(name, value)
    return found


def in_inode(volume: Volume, inode: Inode, read_value: ReadValue) -> dict[bytes, bytes]:
    """The attributes between the inode's fields and the next inode."""
    raw, at = inode_room(volume, inode)
    return _entries(raw, 0, at, read_value) if raw else {}


def inode_room(volume: Volume, inode: Inode) -> tuple[bytes, int]:
    """The bytes that hold attributes behind an inode's fields, empty where there are none, and their offset."""
    size = volume.inode_size
    if size <= 128:
        return b"", inode.offset
    buffer, position = volume.raw_inode(inode.offset)
    extra = buffer[position + 128] | buffer[position + 129] << 8
    start = 128 + extra
    if extra & 3 or start + 4 > size:
        if extra & 3 or start > size:
            raise FormatError(f"inode with {extra} bytes of extra fields", offset=inode.offset + 128)
        return b"", inode.offset
    if buffer[position + start : position + start + 4] != _MAGIC:
        return b"", inode.offset
    return bytes(buffer[position + start + 4 : position + size]), inode.offset + start + 4


def are_plain(raw: bytes) -> bool:
    """Whether the bytes behind an inode say all of its attributes there: no value lies in another inode."""
    position = 0
    while position + _ENTRY.size <= len(raw) and raw[position : position + 4] != b"\0\0\0\0":
        name_length, _, _, value_inode, _, _ = _ENTRY.unpack_from(raw, position)
        if value_inode:
            return False
        position += _ENTRY.size + (name_length + 3 & ~3)
    return True


def _entries(raw: bytes, start: int, at: int, read_value: ReadValue) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    position, total = start, 0
    while position + 4 <= len(raw) and raw[position : position + 4] != b"\0\0\0\0":
        if position + _ENTRY.size > len(raw):
            raise FormatError("xattr entry is cut off", offset=at + position)
        name_length, index, value_at, value_inode, value_size, _ = _ENTRY.unpack_from(raw, position)
        name_at = position + _ENTRY.size
        if name_at + name_length > len(raw):
            raise FormatError(f"xattr name of {name_length} bytes does not fit", offset=at + position)
        name = _PREFIXES.get(index, b"unknown-%d." % index) + raw[name_at : name_at + name_length]
        total += value_size
        if total > _MOST_VALUE_BYTES:
            raise BudgetError(f"xattr values of {total} bytes", offset=at + position)
        if value_inode:
            value = read_value(value_inode, value_size)
        elif value_size and value_at + value_size > len(raw):
            raise FormatError(f"xattr value of {value_size} bytes does not fit", offset=at + position)
        else:
            value = raw[value_at : value_at + value_size]
        found[name] = _portable_acl(value) if name in _ACLS else value
        position = name_at + (name_length + 3 & ~3)
    return found


def _portable_acl(stored: bytes) -> bytes:
    """The access control list as getxattr gives it (version 2), from ext4's compact version 1; else unchanged."""
    if stored[:4] != b"\1\0\0\0":
        return stored
    out = [b"\2\0\0\0"]
    position = 4
    while position + 4 <= len(stored):
        tag = int.from_bytes(stored[position : position + 2], "little")
        names_someone = tag in (2, 8)  # ACL_USER, ACL_GROUP
        if names_someone and position + 8 > len(stored):
            return stored
        identity = stored[position + 4 : position + 8] if names_someone else b"\xff\xff\xff\xff"
        out.append(stored[position : position + 4] + identity)
        position += 8 if names_someone else 4
    return b"".join(out) if position == len(stored) else stored
