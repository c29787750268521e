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
    begins = [begin for _nid, begin in rows]
    if min(begins) < names_at or max(begins) > size:
        return FormatError("EROFS directory entry without a name", offset=start)
    last = block[begins[-1] :].split(b"\0", 1)[0]  # zeros may fill the block behind the last name
    names = [block[begin:end] for begin, end in pairwise(begins)]
    names.append(last)
    is_clean = not (b"/" in block[names_at:] or b"\0" in block[names_at : begins[-1]])
    bad = 0
    for name, (nid, _begin) in zip(names, rows, strict=True):
        if not name or len(name) > _LONGEST_NAME or not (is_clean or (b"/" not in name and b"\0" not in name)):
            bad += 1
        elif name != b"." and name != b"..":
            entries.append((name, nid))
    return FormatError(f"{bad} EROFS directory entries have no usable name", offset=start) if bad else None
