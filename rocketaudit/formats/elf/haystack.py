"""Byte search over a file that may be bytes, a map or a view of either; where that can be, it is searched in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rocketaudit.model.reader import Buffer

Ranges = tuple[tuple[int, int], ...]


class Haystack:
    """Finds needles in a buffer; a view of a whole map or bytes object is searched in place.

    A memoryview has no `find`, but the object behind it does: when the view covers all of it, or when the caller says
    that it is the beginning of `memory`. Otherwise each range is copied when it is first asked for, and kept for the
    next needle.
    """

    __slots__ = ("_buffer", "_copies", "_whole")

    def __init__(self, buffer: Buffer, memory: bytearray | None = None) -> None:
        self._buffer = buffer
        self._copies: list[tuple[int, int, bytes]] = []
        behind: Any = buffer if hasattr(buffer, "find") else getattr(buffer, "obj", None)
        covered = hasattr(behind, "find") and len(behind) == len(buffer)
        self._whole: Any = behind if covered or (memory is not None and behind is memory) else None

    def _text(self, start: int, end: int) -> tuple[Any, int]:
        """An object with bytes' `find` that holds that range, and the offset of its first byte."""
        if self._whole is not None:
            return self._whole, 0
        for first, last, copy in self._copies:
            if first <= start and end <= last:
                return copy, first
        copy = bytes(self._buffer[start:end])
        self._copies.append((start, end, copy))
        return copy, start

    def find(self, needle: bytes, ranges: Ranges) -> int:
        """The offset of the first hit inside one of the ranges, or -1."""
        for start, end in ranges:
            text, base = self._text(start, end)
            at: int = text.find(needle, start - base, end - base)
            if at >= 0:
                return base + at
        return -1

    def find_all(self, needle: bytes, ranges: Ranges, limit: int) -> Iterator[int]:
        """Up to `limit` offsets, in order."""
        for start, end in ranges:
            text, base = self._text(start, end)
            at = text.find(needle, start - base, end - base)
            while at >= 0 and limit > 0:
                yield base + at
                limit -= 1
                at = text.find(needle, at + 1, end - base)

    def matches(self, pattern: re.Pattern[bytes], ranges: Ranges) -> Iterator[tuple[int, re.Match[bytes]]]:
        """Every match of a pattern inside the ranges with its offset; slower than `find`."""
        for start, end in ranges:
            text, base = self._text(start, end)
            for found in pattern.finditer(text, start - base, end - base):
                yield base + found.start(), found

    def window(self, start: int, end: int) -> bytes:
        """A copy of a small range, cut to the file."""
        return bytes(self._buffer[max(0, start) : max(0, end)])
