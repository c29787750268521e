"""EROFS directories: blocks of 12-byte entries followed by their names (dir.c of Linux)."""

from __future__ import annotations

import struct
from itertools import pairwise

from rocketaudit.errors import FormatError

_ENTRY = struct.Struct("<QHxx")
_LONGEST_NAME = 255


def parse_directory(data: bytes, block_size: int) -> tuple[list[tuple[bytes, int]], FormatError | None]:
    """(name, nid) of every entry but "." and "..", and the first error if some could not be read."""
    entries: list[tuple[bytes, int]] = []
    first_error: FormatError | None = None
    for start in range(0, len(data), block_size):
        error = _parse_block(data[start : start + block_size], start, entries)
        first_error = first_error or error
    if not first_error and not all(before[0] < after[0] for before, after in pairwise(entries)):
        first_error = FormatError("EROFS directory names are not in order, so the kernel would not find them all")
    return entries, first_error


def _parse_block(block: bytes, start: int, entries: list[tuple[bytes, int]]) -> FormatError | None:
    size = len(block)
    names_at = _ENTRY.unpack_from(block, 0)[1] if size >= 12 else 0
    if names_at < 12 or names_at > size or names_at % 12:
        return FormatError(f"EROFS directory block with names at {names_at} of {size}", offset=start)
    rows = list(_ENTRY.iter_unpack(block[:names_at]))
    ends = [row[1] for row in rows[1:]]
    ends.append(size)
    first_error: FormatError | None = None
    for (nid, begin), end in zip(rows, ends, strict=True):
        name = block[begin:end]
        if end == size:
            name = name.split(b"\0", 1)[0]
        if begin >= names_at and 0 < len(name) <= _LONGEST_NAME and b"/" not in name and b"\0" not in name:
            if name != b"." and name != b"..":
                entries.append((name, nid))
        else:
            first_error = first_error or FormatError(
                f"EROFS directory entry for inode {nid} has no usable name", offset=start + begin
            )
    return first_error
