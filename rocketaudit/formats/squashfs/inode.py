"""Squashfs inodes: a common head of 16 bytes, then one of seven kinds, each basic or extended."""

from __future__ import annotations

import struct
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.squashfs.metadata import Metadata
from rocketaudit.model.filesystem import FileType

NONE = 0xFFFFFFFF

_HEAD = struct.Struct("<HHHHII")
_INDEX = struct.Struct("<I")


class _Kind(NamedTuple):
    """What follows the head: the layout, and the names of its fields; `late`: the attribute index comes last."""

    type: FileType
    layout: struct.Struct
    fields: tuple[str, ...]
    late: bool = False


_DIRECTORY = _Kind(FileType.DIRECTORY, struct.Struct("<IIHH4x"), ("start", "nlink", "size", "offset"))
_FILE = _Kind(FileType.REGULAR, struct.Struct("<IIII"), ("start", "fragment", "offset", "size"))
_DEVICE_LAYOUT = struct.Struct("<II")
_IPC_LAYOUT = struct.Struct("<I")
_REST = (
    _Kind(FileType.SYMLINK, _DEVICE_LAYOUT, ("nlink", "size")),
    _Kind(FileType.BLOCK, _DEVICE_LAYOUT, ("nlink", "device")),
    _Kind(FileType.CHARACTER, _DEVICE_LAYOUT, ("nlink", "device")),
    _Kind(FileType.FIFO, _IPC_LAYOUT, ("nlink",)),
    _Kind(FileType.SOCKET, _IPC_LAYOUT, ("nlink",)),
)
_DIRECTORY_EXTENDED = _Kind(
    FileType.DIRECTORY, struct.Struct("<III4x2xHI"), ("nlink", "size", "start", "offset", "xattr")
)
_FILE_EXTENDED = _Kind(
    FileType.REGULAR,
    struct.Struct("<QQ8xIIII"),
    ("start", "size", "nlink", "fragment", "offset", "xattr"),
)
# numbered from 1: seven basic kinds, then the same seven extended
_KINDS = (
    *(_DIRECTORY, _FILE, *_REST),
    *(_DIRECTORY_EXTENDED, _FILE_EXTENDED, *(kind._replace(late=True) for kind in _REST)),
)


class Inode(NamedTuple):
    """What an inode states. `start` is the first data block, or the directory's block in its table.

    `body` is the (metadata block, offset) behind the fixed part: a file's block list or a link's target.
    """

    type: FileType
    mode: int
    uid_row: int
    gid_row: int
    mtime: int
    nlink: int
    size: int
    start: int
    offset: int
    fragment: int
    xattr: int
    device: int
    body: tuple[int, int]


def read_inode(metadata: Metadata, table: int, reference: int) -> Inode:
    """Parse the inode at this reference (block in the inode table << 16 | offset in it)."""
    block, offset = table + (reference >> 16), reference & 0xFFFF
    buffer, position = metadata.at(block, offset, _HEAD.size)
    kind, mode, uid_row, gid_row, mtime, _number = _HEAD.unpack_from(buffer, position)
    if not 1 <= kind <= 14:
        raise FormatError(f"squashfs inode of type {kind}", offset=block)
    shape = _KINDS[kind - 1]
    raw, body = metadata.read(block, offset, _HEAD.size + shape.layout.size)
    found = dict(zip(shape.fields, shape.layout.unpack_from(raw, _HEAD.size), strict=True))
    size = found.get("size", 0)
    return Inode(
        type=shape.type,
        mode=mode & 0o7777,
        uid_row=uid_row,
        gid_row=gid_row,
        mtime=mtime,
        nlink=found.get("nlink", 1),
        size=size,
        start=found.get("start", 0),
        offset=found.get("offset", 0),
        fragment=found.get("fragment", NONE),
        xattr=_trailing_index(metadata, body, size) if shape.late else found.get("xattr", NONE),
        device=found.get("device", 0),
        body=body,
    )


def _trailing_index(metadata: Metadata, body: tuple[int, int], skip: int) -> int:
    """The attribute index that follows the rest of an extended inode."""
    if skip > 65536:
        raise FormatError(f"squashfs symbolic link of {skip} bytes", offset=body[0])
    raw, _ = metadata.read(*body, skip + _INDEX.size)
    return int(_INDEX.unpack_from(raw, skip)[0])
