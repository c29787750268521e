"""A squashfs 4.0 volume as a FileSystem."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.squashfs.data import Data
from rocketaudit.formats.squashfs.decompress import decompressor
from rocketaudit.formats.squashfs.directory import parse_directory
from rocketaudit.formats.squashfs.inode import NONE, Inode, read_inode
from rocketaudit.formats.squashfs.metadata import Metadata
from rocketaudit.formats.squashfs.superblock import (
    NO_TABLE,
    SUPERBLOCK_SIZE,
    Superblock,
    parse_superblock,
)
from rocketaudit.formats.squashfs.xattr import Attributes
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.model.reader import Reader, stored_bytes

_ID = struct.Struct("<I")
_DEVICE_TYPES = (FileType.CHARACTER, FileType.BLOCK)
_LONGEST_DIRECTORY = 256 << 20
_LONGEST_TARGET = 65536
_DIRECTORY_EXTRA = 3  # "." and ".." count as three bytes of a directory's size


def open_squashfs(reader: Reader, budget: Budget) -> Squashfs:
    """Open the volume that starts at byte 0 of `reader`; FormatError if its superblock or ids cannot be used."""
    superblock = parse_superblock(reader)
    decompress = decompressor(superblock.compression)
    metadata = Metadata(reader, budget, decompress, superblock.bytes_used)
    ids = tuple(row[0] for row in metadata.rows(superblock.id_table, superblock.ids, _ID))
    warnings = []
    if superblock.bytes_used > reader.size:
        warnings.append(f"the image ends {superblock.bytes_used - reader.size} bytes early")
    try:
        attributes = Attributes(reader, metadata, superblock.xattr_table)
    except FormatError as error:
        warnings.append(error.message)
        attributes = Attributes(reader, metadata, NO_TABLE)
    budget.allow(stored_bytes(reader))
    data = Data(reader, budget, superblock, metadata, decompress)
    return Squashfs(superblock, budget, metadata, ids, attributes, data, tuple(warnings))


class Squashfs:
    """A read-only squashfs volume. A node's number is its inode's place, which hostile images cannot repeat."""

    kind = "squashfs"
    label = ""
    uuid = ""

    def __init__(
        self,
        superblock: Superblock,
        budget: Budget,
        metadata: Metadata,
        ids: tuple[int, ...],
        attributes: Attributes,
        data: Data,
        warnings: tuple[str, ...],
    ) -> None:
        self.features = superblock.features
        self.warnings = warnings
        self.superblock = superblock
        self._budget = budget
        self._metadata = metadata
        self._ids = ids
        self._attributes = attributes
        self._data = data

    def root(self) -> Node:
        node = self._node(self.superblock.root)
        if node.type is not FileType.DIRECTORY:
            raise FormatError(f"squashfs root inode is a {node.type}")
        return node

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """All entries up to the first that is damaged, then FormatError."""
        inode = _inode(directory)
        if inode.type is not FileType.DIRECTORY:
            raise ValueError(f"inode {directory.number} is no directory")
        if inode.size > _LONGEST_DIRECTORY:
            raise FormatError(f"squashfs directory claims {inode.size} bytes")
        self._budget.enter()
        length = max(0, inode.size - _DIRECTORY_EXTRA)
        self._budget.produce(length)
        raw, _ = self._metadata.read(self.superblock.directory_table + inode.start, inode.offset, length)
        for name, reference in parse_directory(raw):
            self._budget.enter()
            try:
                yield name, self._node(reference)
            except FormatError as error:
                yield name, BadNode(reference, error.message)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        self._budget.check_time()
        return self._data.chunks(_file(node))

    def read(self, node: Node, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError(f"{length} bytes from {offset}")
        if min(length, node.size - offset) > self._budget.entry_bytes:
            raise BudgetError(f"squashfs inode {node.number}: {length} bytes wanted at once")
        return self._data.read(_file(node), offset, length)

    def target(self, node: Node) -> bytes:
        inode = _inode(node)
        if inode.type is not FileType.SYMLINK:
            raise ValueError(f"inode {node.number} is no symbolic link")
        if inode.size > _LONGEST_TARGET:
            raise FormatError(f"squashfs symbolic link of {inode.size} bytes")
        return self._metadata.read(*inode.body, inode.size)[0]

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        """As the kernel finds them: the first of several with one name."""
        found: dict[bytes, bytes] = {}
        inode = _inode(node)
        if inode.xattr != NONE:
            for name, value in self._attributes.of(inode.xattr):
                self._budget.produce(len(name) + len(value))
                found.setdefault(name, value)
        return tuple(sorted(found.items()))

    def extents(self, node: Node) -> Iterator[Extent]:
        """Where the blocks lie; a fragment gives the whole shared block."""
        for block in self._data.blocks(_file(node)):
            physical: int | None = block.physical
            stored = block.stored
            if not stored:
                physical = None
            elif block.is_fragment and not block.is_compressed:
                physical, stored = block.physical + block.skip, block.length
            yield Extent(block.logical, block.length, physical, stored)

    def regions(self) -> Iterator[Region]:
        """The superblock and the tables, each up to the next."""
        superblock = self.superblock
        yield Region(0, SUPERBLOCK_SIZE, "superblock")
        tables = [
            (superblock.inode_table, "inode table"),
            (superblock.directory_table, "directory table"),
            (superblock.fragment_table, "fragment table"),
            (superblock.export_table, "export table"),
            (superblock.id_table, "id table"),
            (superblock.xattr_table, "extended attributes"),
        ]
        here = sorted((start, what) for start, what in tables if start < self._metadata.end)
        ends = [start for start, _ in here[1:]] + [self._metadata.end]
        for (start, what), end in zip(here, ends, strict=True):
            yield Region(start, end - start, what)

    def _node(self, reference: int) -> Node:
        inode = read_inode(self._metadata, self.superblock.inode_table, reference)
        rdev = None
        if inode.type in _DEVICE_TYPES:
            rdev = (inode.device >> 8 & 0xFFF, inode.device & 0xFF | inode.device >> 12 & 0xFFF00)
        return Node(
            reference, inode.type, inode.mode, self._id(inode.uid_row), self._id(inode.gid_row), inode.size,
            inode.mtime, 0, inode.nlink, rdev, self._order(reference, inode), inode,
        )  # fmt: skip

    def _id(self, row: int) -> int:
        if row >= len(self._ids):
            raise FormatError(f"squashfs owner {row} of {len(self._ids)}", offset=self.superblock.id_table)
        return self._ids[row]

    def _order(self, reference: int, inode: Inode) -> int:
        if inode.type is not FileType.REGULAR:
            return self.superblock.inode_table + (reference >> 16)
        if inode.fragment != NONE and inode.size < self.superblock.block_size:
            try:
                return self._data.fragment(inode.fragment)[0]
            except FormatError:
                return inode.start
        return inode.start


def _inode(node: Node) -> Inode:
    if not isinstance(node.handle, Inode):
        raise TypeError(f"node {node.number} does not come from a squashfs volume")
    return node.handle


def _file(node: Node) -> Inode:
    inode = _inode(node)
    if inode.type is not FileType.REGULAR:
        raise ValueError(f"inode {node.number} is a {inode.type}, not a file")
    return inode
