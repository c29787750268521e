"""Where EROFS metadata is read from: the image itself, or the metabox inode, both through a bounded cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.erofs.superblock import Superblock
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Buffer, Reader

PAGE_BITS = 14
PAGE_MASK = (1 << PAGE_BITS) - 1
_PAGES = 256


class Space:
    """`size` bytes of metadata; keeps at most 4 MiB of them at hand, oldest out first."""

    __slots__ = ("_fetch", "name", "pages", "size")

    def __init__(self, name: str, size: int, fetch: Callable[[int, int], bytes | memoryview]) -> None:
        self.name = name
        self.size = size
        self._fetch = fetch
        self.pages: dict[int, bytes | memoryview] = {}

    def at(self, offset: int, length: int) -> tuple[Buffer, int]:
        """A buffer, and the position in it from which `length` bytes of `offset` can be unpacked."""
        start = offset & PAGE_MASK
        if start + length <= 1 << PAGE_BITS and offset >= 0:
            number = offset >> PAGE_BITS
            page = self.pages.get(number)
            if page is None:
                page = self._load(number, offset, length)
            if start + length <= len(page):
                return page, start
        return self.read(offset, length), 0

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes, or TruncatedError that names the space."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(f"EROFS {self.name} has {self.size} bytes, {length} more are wanted", offset=offset)
        return self._fetch(offset, length)

    def _load(self, number: int, offset: int, length: int) -> bytes | memoryview:
        start = number << PAGE_BITS
        if start >= self.size:
            raise TruncatedError(f"EROFS {self.name} has {self.size} bytes, {length} more are wanted", offset=offset)
        page = self._fetch(start, min(1 << PAGE_BITS, self.size - start))
        while len(self.pages) >= _PAGES:
            del self.pages[next(iter(self.pages))]
        self.pages[number] = page
        return page


@dataclass(slots=True)
class Volume:
    """What every part of the EROFS reader works on; `metabox` and `prefixes` are set while opening."""

    reader: Reader
    budget: Budget
    superblock: Superblock
    image: Space
    metabox: Space | None = None
    prefixes: tuple[bytes, ...] = ()
    prefixes_error: str = ""
    inodes_at: int = field(init=False)

    def __post_init__(self) -> None:
        self.inodes_at = self.superblock.meta_block << self.superblock.block_bits

    def space(self, *, boxed: bool) -> Space:
        if not boxed:
            return self.image
        if self.metabox is None:
            raise FormatError("an EROFS inode lies in the metabox, but there is no metabox")
        return self.metabox
