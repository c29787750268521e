"""EROFS directories: blocks of 12-byte entries followed by their names (dir.c of Linux)."""

from __future__ import annotations

import struct
from itertools import pairwise

from rocketaudit.errors import FormatError

_ENTRY = struct.Struct("<QHxx")
_LONGEST_NAME = 255
_DOTS = frozenset((b".", b".."))


def parse_directory(data: bytes, block_size: int) -> tuple[list[tuple[bytes, int]], FormatError | None]:
    """(name, nid) of every entry but "." and "..", and the first error if some could not be read."""
    entries: list[tuple[bytes, int]] = []
    first_error: FormatError | None = None
    for start in range(0, len(data), block_size):
        error = _parse_block(data[start : start + block_size], start, entries)
        first_error = first_error or error
    names = [name for name, _nid in entries]
    if not first_error and names != sorted(set(names)):
        first_error = FormatError("EROFS directory names are not in order, so the kernel would not find them all")
    return entries, first_error


def _parse_block(block: bytes, start: int, entries: list[tuple[bytes, int]]) -> FormatError | None:
    size = len(block)
    names_at = _ENTRY.unpack_from(block, 0)[1] if size >= 12 else 0
    if names_at < 12 or names_at > size or names_at % 12:
        return FormatError(f"EROFS directory block with names at {names_at} of {size}", offset=start)
    nids, begins = zip(*_ENTRY.iter_unpack(block[:names_at]), strict=True)
    if min(begins) < names_at or max(begins) > size:
        return FormatError("EROFS directory entry without a name", offset=start)
    names = [block[begin:end] for begin, end in pairwise(begins)]
    names.append(block[begins[-1] :].split(b"\0", 1)[0])  # zeros may fill the block behind the last name
    text = block[names_at : begins[-1] + len(names[-1])]
    bad = 0
    is_long = len(text) > _LONGEST_NAME and len(max(names, key=len)) > _LONGEST_NAME
    if is_long or b"/" in text or b"\0" in text or b"" in names:
        usable = [(name, nid) for name, nid in zip(names, nids, strict=True) if _is_usable(name)]
        bad = len(names) - len(usable)
    else:
        usable = list(zip(names, nids, strict=True))
    entries += [entry for entry in usable if entry[0] not in _DOTS]
    return FormatError(f"{bad} EROFS directory entries have no usable name", offset=start) if bad else None


def _is_usable(name: bytes) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and b"/" not in name and b"\0" not in name
