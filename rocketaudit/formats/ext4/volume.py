"""The numbered blocks and inodes of an ext4 file system, read in large spans and kept in a bounded cache."""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.ext4 import features
from rocketaudit.formats.ext4.superblock import Superblock
from rocketaudit.model.reader import Reader

_U32 = struct.Struct("<I")
_SPAN = 128 << 10
_MOST_SPANS = 64
_MOST_GROUPS = 4096


class Volume:
    """A superblock and its reader; every address is checked against both before it is read."""

    __slots__ = (
        "_descriptors",
        "_inodes",
        "_inodes_per_group",
        "_inodes_per_span",
        "_spans",
        "block_bits",
        "has_fine_times",
        "has_large_folders",
        "inode_size",
        "reader",
        "superblock",
        "window",
    )

    def __init__(self, reader: Reader, superblock: Superblock) -> None:
        self.reader = reader
        self.superblock = superblock
        per_span = max(1, max(_SPAN, superblock.block_size) // superblock.inode_size)
        self._inodes_per_span = per_span
        # copies of what every inode needs, since two look-ups per field would be felt in a listing
        self._inodes = superblock.inodes
        self._inodes_per_group = superblock.inodes_per_group
        self.inode_size = superblock.inode_size
        self.block_bits = superblock.block_bits
        self.has_fine_times = superblock.inode_size > 128
        self.has_large_folders = bool(superblock.incompatible & features.LARGE_DIR)
        self._spans: dict[tuple[int, int], tuple[bytes | memoryview, int]] = {}
        # the part of an inode table that was used last: a buffer, its first inode, the one behind it, its offset
        self.window: tuple[bytes | memoryview, int, int, int] = (b"", 0, 0, 0)
        self._descriptors: dict[int, bytes] = {}

    def block(self, number: int, what: str) -> bytes:
        """One block, or FormatError that says what it should have held."""
        superblock = self.superblock
        if not superblock.first_block <= number < superblock.blocks:
            raise FormatError(f"{what} at block {number} of {superblock.blocks}")
        at = number << superblock.block_bits
        if at + superblock.block_size > self.reader.size:
            raise TruncatedError(f"{what} lies after the end of the image", offset=at)
        return bytes(self.reader.read(at, superblock.block_size))

    def descriptor_address(self, group: int) -> int:
        """Where the descriptor of a group lies: in one table, or with meta_bg in the group's own meta group."""
        superblock = self.superblock
        per_block = superblock.block_size // superblock.descriptor_size
        table_block, within = divmod(group, per_block)
        # bigalloc with 1 KiB blocks counts from block 0 although the superblock is block 1
        shift = 1 if superblock.first_block == 0 and superblock.block_size == 1024 else 0
        if table_block < superblock.first_meta_group:
            block = superblock.first_block + 1 + shift + table_block
        else:
            first = table_block * per_block
            block = superblock.first_block + first * superblock.blocks_per_group
            block += 1 if superblock.has_backup(first) else 0
            block += shift if first == 0 else 0
        return (block << superblock.block_bits) + within * superblock.descriptor_size

    def descriptor(self, group: int) -> bytes:
        """The raw group descriptor."""
        found = self._descriptors.get(group)
        if found is None:
            at = self.descriptor_address(group)
            size = self.superblock.descriptor_size
            if at + size > self.reader.size:
                raise TruncatedError(f"descriptor of group {group} lies after the end of the image", offset=at)
            found = bytes(self.reader.read(at, size))
            if len(self._descriptors) >= _MOST_GROUPS:
                self._descriptors.clear()
            self._descriptors[group] = found
        return found

    def group_blocks(self, group: int) -> tuple[int, int, int]:
        """Block numbers of the group's block bitmap, inode bitmap and inode table."""
        raw = self.descriptor(group)
        blocks, inodes, table = struct.unpack_from("<III", raw)
        if self.superblock.descriptor_size >= 64:
            high = struct.unpack_from("<III", raw, 32)
            return blocks | high[0] << 32, inodes | high[1] << 32, table | high[2] << 32
        return blocks, inodes, table

    def inode_at(self, number: int) -> tuple[bytes | memoryview, int, int]:
        """A buffer, the position of the raw inode in it, and the inode's offset in the file system."""
        if not 1 <= number <= self._inodes:
            raise FormatError(f"inode {number} of {self._inodes}")
        group, index = divmod(number - 1, self._inodes_per_group)
        span, within = divmod(index, self._inodes_per_span)
        found = self._spans.get((group, span))
        if found is None:
            found = self._load_span(group, span)
        buffer, start = found
        size = self.inode_size
        position = within * size
        if position + size > len(buffer):
            raise TruncatedError(f"inode {number} lies after the end of the image", offset=start + position)
        first = number - within
        count = min(len(buffer) // size, self._inodes_per_group - span * self._inodes_per_span)
        self.window = buffer, first, min(first + count, self._inodes + 1), start
        return buffer, position, start + position

    def raw_inode(self, offset: int) -> tuple[bytes | memoryview, int]:
        """A buffer with the whole inode at an offset of the file system, and its position there."""
        buffer, first, end, start = self.window
        if start <= offset < start + (end - first) * self.inode_size:
            return buffer, offset - start
        return self.reader.read(offset, self.inode_size), 0

    def span(self, group: int, index: int) -> tuple[bytes | memoryview, int]:
        """The part of the group's inode table that starts with inode `index` of it, and its offset."""
        return self._load_span(group, index // self._inodes_per_span)

    @property
    def inodes_per_span(self) -> int:
        return self._inodes_per_span

    def _load_span(self, group: int, span: int) -> tuple[bytes | memoryview, int]:
        superblock = self.superblock
        table = self.group_blocks(group)[2]
        if not superblock.first_block < table < superblock.blocks:
            raise FormatError(
                f"inode table of group {group} at block {table}", offset=self.descriptor_address(group) + 8
            )
        first = span * self._inodes_per_span
        count = min(self._inodes_per_span, superblock.inodes_per_group - first)
        start = (table << superblock.block_bits) + first * superblock.inode_size
        length = min(count * superblock.inode_size, self.reader.size - start)
        if length <= 0:
            raise TruncatedError(f"inode table of group {group} lies after the end of the image", offset=start)
        found = (self.reader.read(start, length), start)
        if len(self._spans) >= _MOST_SPANS:
            del self._spans[next(iter(self._spans))]
        self._spans[group, span] = found
        return found

    def inode_is_unwritten(self, group: int) -> bool:
        """Whether the group says that its inode table was never initialised."""
        checks = features.GROUP_CHECKSUM | features.METADATA_CHECKSUM
        return bool(self.superblock.read_only & checks and self.descriptor(group)[18] & 1)

    def unused_inodes(self, group: int) -> int:
        """How many inodes at the end of the group's table were never used, as far as it says."""
        if not self.superblock.read_only & (features.GROUP_CHECKSUM | features.METADATA_CHECKSUM):
            return 0
        raw = self.descriptor(group)
        unused = int.from_bytes(raw[28:30], "little")
        if self.superblock.descriptor_size >= 64:
            unused |= int.from_bytes(raw[50:52], "little") << 16
        return min(unused, self.superblock.inodes_per_group)
