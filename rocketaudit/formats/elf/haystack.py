"""Byte search over a file that may be bytes, a map or a view of one, copied at most once and only when asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rocketaudit.model.reader import Buffer

Ranges = tuple[tuple[int, int], ...]


class Haystack:
    """Finds needles in a buffer; a view of a whole map or bytes object is searched in place.

    A memoryview has no `find`, but the object behind it does when the view covers all of it.
    """

    __slots__ = ("_buffer", "_found")

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._found: Any = buffer if hasattr(buffer, "find") else None

    @property
    def searchable(self) -> Any:
        """An object with bytes' `find` and the buffer protocol over the same bytes."""
        if self._found is None:
            whole: Any = getattr(self._buffer, "obj", None)
            if hasattr(whole, "find") and len(whole) == len(self._buffer):
                self._found = whole
            else:
                self._found = bytes(self._buffer)
        return self._found

    def find(self, needle: bytes, ranges: Ranges) -> int:
        """The offset of the first hit inside one of the ranges, or -1."""
        find = self.searchable.find
        for start, end in ranges:
            at: int = find(needle, start, end)
            if at >= 0:
                return at
        return -1

    def find_all(self, needle: bytes, ranges: Ranges, limit: int) -> Iterator[int]:
        """Up to `limit` offsets, in order."""
        find = self.searchable.find
        for start, end in ranges:
            at = find(needle, start, end)
            while at >= 0 and limit > 0:
                yield at
                limit -= 1
                at = find(needle, at + 1, end)

    def match(self, pattern: re.Pattern[bytes], ranges: Ranges) -> re.Match[bytes] | None:
        """The first match of a pattern inside one of the ranges; slower than `find`."""
        for start, end in ranges:
            if found := pattern.search(self.searchable, start, end):
                return found
        return None

    def window(self, start: int, end: int) -> bytes:
        """A copy of a small range, cut to the file."""
        return bytes(self.searchable[max(0, start) : max(0, end)])
