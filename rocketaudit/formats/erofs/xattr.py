"""Extended attributes of EROFS: behind the inode, or shared by reference (xattr.c of Linux)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.inode import Inode
from rocketaudit.formats.erofs.superblock import COMPAT_SHARED_XATTRS_IN_METABOX
from rocketaudit.formats.erofs.volume import Space, Volume

_ENTRY = struct.Struct("<BBH")
_ID = struct.Struct("<I")
_HEADER_SIZE = 12
_LONG_PREFIX = 0x80
PREFIXES = {
    1: b"user.",
    2: b"system.posix_acl_access",
    3: b"system.posix_acl_default",
    4: b"trusted.",
    5: b"lustre.",
    6: b"security.",
}


class Attribute(NamedTuple):
    """An attribute, and where its entry lies: `at` and `size` in the metadata, `shared` by several inodes or not."""

    name: bytes
    value: bytes
    at: int
    size: int
    shared: bool


def attributes_of(volume: Volume, inode: Inode) -> bytes:
    """The bytes behind an inode that hold its attributes or name shared ones."""
    length = inode.body - inode.xattrs_at
    buffer, position = volume.space(boxed=inode.boxed).at(inode.xattrs_at, length)
    return bytes(buffer[position : position + length])


def read_attributes(volume: Volume, inode: Inode, raw: bytes | None = None) -> Iterator[Attribute]:
    """The inode's own attributes, then the shared ones; `raw` is what `attributes_of` gave."""
    if inode.xattrs_at == inode.body:
        return
    if raw is None:
        raw = attributes_of(volume, inode)
    shared_count = raw[4] if len(raw) >= _HEADER_SIZE else 0
    position = _HEADER_SIZE + 4 * shared_count
    if position > len(raw):
        raise FormatError(
            f"EROFS inode {inode.nid}: {shared_count} shared attributes do not fit", offset=inode.xattrs_at
        )
    while position + _ENTRY.size <= len(raw):
        attribute = _attribute(volume, raw, position, inode.xattrs_at, shared=False)
        yield attribute
        position += attribute.size + 3 & ~3
    shared_space, base = shared_area(volume)
    for (number,) in _ID.iter_unpack(raw[_HEADER_SIZE : _HEADER_SIZE + 4 * shared_count]):
        at = base + 4 * number
        head = bytes(shared_space.read(at, _ENTRY.size))
        name_length, _index, value_length = _ENTRY.unpack(head)
        entry = bytes(shared_space.read(at, _ENTRY.size + name_length + value_length))
        yield _attribute(volume, entry, 0, at, shared=True)


def shared_area(volume: Volume) -> tuple[Space, int]:
    """The space that holds shared attributes, and the byte from which their numbers count."""
    if volume.metabox is not None and volume.superblock.compat & COMPAT_SHARED_XATTRS_IN_METABOX:
        return volume.metabox, 0
    return volume.image, volume.superblock.xattr_block << volume.superblock.block_bits


def _attribute(volume: Volume, raw: bytes, position: int, base: int, *, shared: bool) -> Attribute:
    name_length, index, value_length = _ENTRY.unpack_from(raw, position)
    start = position + _ENTRY.size
    size = _ENTRY.size + name_length + value_length
    if position + size > len(raw):
        raise FormatError(f"EROFS attribute of {size} bytes does not fit", offset=base + position)
    if not index & _LONG_PREFIX:
        prefix = PREFIXES.get(index, b"prefix-%d." % index)
    elif index & 0x7F < len(volume.prefixes):
        prefix = volume.prefixes[index & 0x7F]
    else:
        reason = volume.prefixes_error or f"there are {len(volume.prefixes)}"
        raise FormatError(f"EROFS attribute with long prefix {index & 0x7F}: {reason}", offset=base + position)
    name = prefix + raw[start : start + name_length]
    return Attribute(name, raw[start + name_length : position + size], base + position, size, shared)


def read_prefixes(space: Space, at: int, count: int) -> tuple[bytes, ...]:
    """The table of long attribute name prefixes: length, base prefix, infix."""
    prefixes = []
    for _ in range(count):
        length = int.from_bytes(space.read(at, 2), "little")
        if not length:
            raise FormatError("EROFS attribute prefix without a base", offset=at)
        raw = bytes(space.read(at + 2, length))
        prefixes.append(PREFIXES.get(raw[0], b"prefix-%d." % raw[0]) + raw[1:])
        at += 2 + length + 3 & ~3
    return tuple(prefixes)
