"""An ext2, ext3 or ext4 file system, read only and without replaying its journal."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.ext4 import directory as directories
from rocketaudit.formats.ext4 import features, xattr
from rocketaudit.formats.ext4.extents import only_extent, runs
from rocketaudit.formats.ext4.inode import (
    FLAG_EXTENTS,
    FLAG_INLINE_DATA,
    FLAG_VALUE_OF_XATTR,
    inode_of,
    read_node,
    refuse_encrypted,
)
from rocketaudit.formats.ext4.regions import metadata_regions
from rocketaudit.formats.ext4.superblock import parse_superblock, uuid_text
from rocketaudit.formats.ext4.volume import Volume
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.model.reader import MOST_JOINED, Part, Reader, joined, stored_bytes

_ROOT_INODE = 2
_DIRECTORY = FileType.DIRECTORY
_PIECE = 4 << 20
_ZEROS = bytes(_PIECE)
_MOST_KNOWN = 4096  # different attributes behind inodes
_SHORT_TARGET = 60
_LONGEST_TARGET = 65536


def open_ext4(reader: Reader, budget: Budget) -> Ext4:
    """Open the file system that starts at byte 0 of the reader, or raise FormatError / UnsupportedError."""
    return Ext4(reader, budget)


class Ext4:
    """The FileSystem of ext2, ext3 and ext4; `kind` is "ext4" for all three, `features` tell them apart."""

    kind = "ext4"

    def __init__(self, reader: Reader, budget: Budget) -> None:
        superblock = parse_superblock(reader)
        self._budget = budget
        self._reader = reader
        self._volume = Volume(reader, superblock)
        self._bits = superblock.block_bits
        self._has_type = bool(superblock.incompatible & features.FILETYPE)
        budget.allow(stored_bytes(reader))
        self._attributes: dict[bytes, tuple[tuple[bytes, bytes], ...]] = {}
        self.label = superblock.label
        self.uuid = uuid_text(superblock)
        self.features = superblock.feature_names
        self.block_size = superblock.block_size
        missing = (superblock.blocks << self._bits) - reader.size
        self.warnings = superblock.warnings + (
            (f"truncated: {missing} bytes of the file system are missing",) if missing > 0 else ()
        )

    def root(self) -> Node:
        node = read_node(self._volume, _ROOT_INODE)
        if node.type is not FileType.DIRECTORY:
            raise FormatError(f"the root inode is a {node.type}", offset=inode_of(node).offset)
        return node

    def node(self, number: int) -> Node:
        """The node of an inode number."""
        return read_node(self._volume, number)

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """Names and nodes in on-disk order; what is damaged is passed over and raised after the last entry."""
        if directory.type is not _DIRECTORY:
            raise FormatError(f"inode {directory.number} is a {directory.type}, not a directory")
        refuse_encrypted(directory)
        damage: FormatError | None = None
        volume, budget, has_type = self._volume, self._budget, self._has_type
        for block in self._directory_blocks(directory):
            if isinstance(block, FormatError):
                damage = damage or block
                continue
            raw, at = block
            budget.enter(len(raw) >> 8 or 1)
            found, error = directories.parse_block(raw, at=at, has_type=has_type)
            for name, number in found:
                try:
                    yield name, read_node(volume, number)
                except FormatError as reason:
                    yield name, BadNode(number, str(reason))
            damage = damage or error
        if damage:
            raise FormatError(f"directory inode {directory.number}: {damage}") from damage

    def _directory_blocks(self, directory: Node) -> Iterator[tuple[bytes, int] | FormatError]:
        """Each block that the directory's size covers, and where it lies; for a hole the error that it is."""
        inode = inode_of(directory)
        if inode.flags & FLAG_INLINE_DATA:
            yield inode.block[4:], inode.offset + 44  # the first word is the parent's inode number
            rest = xattr.in_inode(self._volume, inode, self._value).get(xattr.INLINE_DATA, b"")
            if rest:
                yield rest, inode.offset + 128
            return
        size = self.block_size
        only = only_extent(self._volume, inode, directory.size)
        if only is not None and directory.size == size and only + size <= self._reader.size:
            yield bytes(self._reader.read(only, size)), only
            return
        for extent in self.extents(directory):
            if extent.physical is None:
                yield FormatError(f"a hole of {extent.length} bytes at {extent.logical}")
                continue
            for at in range(0, extent.length, size):
                try:
                    block = self._reader.read(extent.physical + at, min(size, extent.length - at))
                except FormatError as error:
                    yield error
                else:
                    yield bytes(block), extent.physical + at

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        """The file's bytes in pieces of at most 4 MiB; views of the image where the reader gives views."""
        return self._pieces(node, 0, node.size)

    def in_one_piece(self, node: Node) -> memoryview | None:
        """All bytes of a file that lies in one piece, where the reader gives views; else None."""
        inode = refuse_encrypted(node)
        if inode.flags & FLAG_INLINE_DATA or not isinstance(self._reader.read(0, 0), memoryview):
            return None
        pieces = self._parts(node, 1)
        if pieces is None or pieces[0][0] is None:
            return None
        self._budget.give(node.size)
        view = self._reader.read(pieces[0][0], node.size)
        return view if isinstance(view, memoryview) else None

    def joined(self, node: Node) -> memoryview | None:
        """As `in_one_piece`, of several parts that can be mapped one behind the other; `chunks` counts its bytes."""
        if refuse_encrypted(node).flags & FLAG_INLINE_DATA:
            return None
        parts = self._parts(node, MOST_JOINED)
        return None if parts is None else joined(self._reader, parts)

    def _parts(self, node: Node, most: int) -> list[Part] | None:
        """A file's parts, those that follow each other on the disk as one; None where there are more than `most`."""
        found: list[Part] = []
        for extent in self._extents_from(node, 0):
            offset, length = found[-1] if found else (None, 0)
            if offset is not None and offset + length == extent.physical:
                found[-1] = offset, length + extent.length
            elif len(found) < most:
                found.append((extent.physical, extent.length))
            else:
                return None
        return found if node.size and sum([length for _, length in found]) == node.size else None

    def read(self, node: Node, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; BudgetError when that is more than one read may hold."""
        if offset < 0 or length < 0:
            raise ValueError(f"read of {length} bytes at {offset}")
        length = max(0, min(length, node.size - offset))
        if length > self._budget.entry_bytes:
            raise BudgetError(f"inode {node.number}: a read of {length} bytes")
        pieces = list(self._pieces(node, offset, offset + length))
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def _pieces(self, node: Node, start: int, end: int) -> Iterator[bytes | memoryview]:
        if start >= end:
            return
        inode = refuse_encrypted(node)
        if inode.flags & FLAG_INLINE_DATA:
            yield from self._inline(node, start, end)
            return
        read, budget = self._reader.read, self._budget
        only = only_extent(self._volume, inode, node.size)
        if only is not None and end - start <= _PIECE:
            budget.give(end - start)
            yield read(only + start, end - start)
            return
        for extent in self._extents_from(node, start):
            at = max(start, extent.logical)
            stop = min(end, extent.logical + extent.length)
            if extent.physical is None:
                yield from self._zeros(stop - at)
            else:
                shift = extent.physical - extent.logical
                budget.give(stop - at)
                while stop - at > _PIECE:
                    budget.check_time()
                    yield read(at + shift, _PIECE)
                    at += _PIECE
                yield read(at + shift, stop - at)
            if stop >= end:
                return

    def _inline(self, node: Node, start: int, end: int) -> Iterator[bytes]:
        inode = inode_of(node)
        if end > _SHORT_TARGET:
            held = xattr.in_inode(self._volume, inode, self._value).get(xattr.INLINE_DATA, b"")
        else:
            held = b""
        piece = (inode.block + held)[start:end]
        if piece:
            yield piece
        # mke2fs -d leaves files of zeros inline and short: what is not stored is zero
        yield from self._zeros(end - start - len(piece))

    def _zeros(self, count: int) -> Iterator[bytes]:
        if count > 0:
            self._budget.skip(count)
        while count > 0:
            piece = min(count, _PIECE)
            self._budget.check_time()
            yield _ZEROS if piece == _PIECE else bytes(piece)
            count -= piece

    def extents(self, node: Node) -> Iterator[Extent]:
        """Where the file's bytes lie; allocated but unwritten blocks count as holes."""
        if inode_of(node).flags & FLAG_INLINE_DATA or self._target_is_inline(node):
            yield from (Extent(0, node.size, None, 0),) if node.size else ()
            return
        yield from self._extents_from(node, 0)

    def _extents_from(self, node: Node, start: int) -> Iterator[Extent]:
        """The extents of a file with a block map that end after byte `start`, holes included."""
        size, bits = node.size, self._bits
        if not size:
            return
        blocks = (size + self.block_size - 1) >> bits
        position = start >> bits << bits
        for logical, count, physical in runs(self._volume, inode_of(node), blocks, self._budget, first=start >> bits):
            at = logical << bits
            if at >= size:
                break
            if at + (count << bits) <= start:
                position = at + (count << bits)
                continue
            if position < at:
                yield Extent(position, at - position, None, 0)
            stop = min(size, (logical + count) << bits)
            if physical:
                yield Extent(at, stop - at, physical << bits, stop - at)
            else:
                yield Extent(at, stop - at, None, 0)
            position = stop
        if position < size:
            yield Extent(position, size - position, None, 0)

    def _target_is_inline(self, node: Node) -> bool:
        return (
            node.type is FileType.SYMLINK
            and node.size < _SHORT_TARGET
            and not inode_of(node).flags & (FLAG_EXTENTS | FLAG_INLINE_DATA)
        )

    def target(self, node: Node) -> bytes:
        if node.type is not FileType.SYMLINK:
            raise FormatError(f"inode {node.number} is a {node.type}, not a symbolic link")
        inode = refuse_encrypted(node)
        if node.size > _LONGEST_TARGET:
            raise FormatError(f"symbolic link of {node.size} bytes", offset=inode.offset)
        if self._target_is_inline(node):
            return inode.block[: node.size]
        return self.read(node, 0, node.size)

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        inode = inode_of(node)
        raw = b"" if inode.xattr_block else xattr.inode_room(self._volume, inode)[0]
        known = self._attributes.get(raw)  # most inodes have the same ones, byte for byte
        if known is not None and not inode.xattr_block:
            return known
        found = xattr.read_all(self._volume, inode, self._value)
        found.pop(xattr.INLINE_DATA, None)
        pairs = tuple(sorted(found.items()))
        if not inode.xattr_block and len(self._attributes) < _MOST_KNOWN and len(raw) < 1024 and xattr.are_plain(raw):
            self._attributes[raw] = pairs
        return pairs

    def _value(self, number: int, length: int) -> bytes:
        """The xattr value that an inode holds."""
        node = read_node(self._volume, number)
        inode = inode_of(node)
        if not inode.flags & FLAG_VALUE_OF_XATTR or inode.flags & FLAG_INLINE_DATA or node.size != length:
            raise FormatError(f"inode {number} does not hold an xattr value of {length} bytes")
        self._budget.produce(length)
        return self.read(node, 0, length)

    def regions(self) -> Iterator[Region]:
        """Superblocks, descriptors, bitmaps, inode tables, journal, directories, xattr blocks, block maps."""
        return metadata_regions(self._volume, self._budget, self)
