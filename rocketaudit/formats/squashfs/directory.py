"""Squashfs directories: runs of entries whose inodes share a metadata block (dir.c of Linux)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError, TruncatedError

_HEADER = struct.Struct("<III")
_ENTRY = struct.Struct("<HhHH")
_LONGEST_RUN = 256
_LONGEST_NAME = 256


def parse_directory(data: bytes) -> Iterator[tuple[bytes, int]]:
    """(name, inode reference) of every entry; FormatError at the first that is wrong."""
    position = 0
    while position < len(data):
        if position + _HEADER.size > len(data):
            raise TruncatedError("squashfs directory ends inside a header", offset=position)
        count, block, _number = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if count >= _LONGEST_RUN:
            raise FormatError(f"squashfs directory run of {count + 1} entries", offset=position)
        for _ in range(count + 1):
            if position + _ENTRY.size > len(data):
                raise TruncatedError("squashfs directory ends inside an entry", offset=position)
            offset, _delta, _kind, size = _ENTRY.unpack_from(data, position)
            position += _ENTRY.size
            name = data[position : position + size + 1]
            position += size + 1
            if len(name) <= size or size >= _LONGEST_NAME:
                raise TruncatedError(f"squashfs directory entry with a name of {size + 1} bytes", offset=position)
            if b"/" in name or b"\0" in name or name in (b".", b".."):
                raise FormatError("squashfs directory entry without a usable name", offset=position)
            yield name, block << 16 | offset
