"""EROFS directories: blocks of 12-byte entries followed by their names (dir.c of Linux)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError

_ENTRY = struct.Struct("<QHxx")
_LONGEST_NAME = 255


def parse_directory(data: bytes | memoryview, block_size: int) -> Iterator[tuple[bytes, int]]:
    """(name, nid) of every entry but "." and ".."; what is readable first, then FormatError for the rest."""
    first_error: FormatError | None = None
    for start in range(0, len(data), block_size):
        try:
            yield from _parse_block(bytes(data[start : start + block_size]), start)
        except FormatError as error:
            first_error = first_error or error
    if first_error:
        raise first_error


def _parse_block(block: bytes, start: int) -> Iterator[tuple[bytes, int]]:
    size = len(block)
    names_at = _ENTRY.unpack_from(block, 0)[1] if size >= 12 else 0
    if names_at < 12 or names_at > size or names_at % 12:
        raise FormatError(f"EROFS directory block with names at {names_at} of {size}", offset=start)
    rows = list(_ENTRY.iter_unpack(block[:names_at]))
    ends = [row[1] for row in rows[1:]]
    ends.append(size)
    bad: FormatError | None = None
    for (nid, begin), end in zip(rows, ends, strict=True):
        name = block[begin:end]
        if end == size:
            name = name.split(b"\0", 1)[0]
        if name in (b".", b".."):
            continue
        if begin < names_at or not 0 < len(name) <= _LONGEST_NAME or b"/" in name or b"\0" in name:
            bad = bad or FormatError(f"EROFS directory entry for inode {nid} has no usable name", offset=start + begin)
            continue
        yield name, nid
    if bad:
        raise bad
