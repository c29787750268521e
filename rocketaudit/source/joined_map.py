"""Parts of a file mapped one behind the other, so that a file in several extents is one buffer and nothing is copied.

mmap(2) with MAP_FIXED, which Python's module does not offer, over memory that it has reserved and will give back.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

from rocketaudit.model.reader import MOST_JOINED, Part

_PAGE = mmap.PAGESIZE
_MAP_FIXED = 0x10  # include/uapi/asm-generic/mman-common.h, the same on every architecture that we run on
_FAILED = ctypes.c_void_p(-1).value


def join(descriptor: int, size: int, parts: Sequence[Part]) -> memoryview | None:
    """Parts of a file of `size` bytes as one read-only view; None where they cannot be mapped so.

    All but the end of the last one must be whole pages. As with any map, a file that shrinks ends its reader.
    """
    stored = [(offset, length) for offset, length in parts if offset is not None]
    is_inside = all(offset >= 0 and offset % _PAGE == 0 and length <= size - offset for offset, length in stored)
    are_pages = all(length > 0 and length % _PAGE == 0 for _, length in parts[:-1])
    map_pages = _mmap()
    if map_pages is None or not (stored and is_inside and are_pages) or len(parts) > MOST_JOINED:
        return None
    try:
        memory = mmap.mmap(-1, sum([length for _, length in parts]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, ValueError, OverflowError):
        return None
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for offset, length in parts:
        shared = mmap.MAP_SHARED | _MAP_FIXED
        if offset is not None and map_pages(at, length, mmap.PROT_READ, shared, descriptor, offset) == _FAILED:
            return None
        at += length
    return memoryview(memory).toreadonly()


@cache
def _mmap() -> Callable[..., int | None] | None:
    """The C library's function; None where an offset has fewer than 64 bits."""
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    function = ctypes.CDLL(None).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    return cast("Callable[..., int | None]", function)
