"""An EROFS volume as a FileSystem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.data import Data
from rocketaudit.formats.erofs.directory import parse_directory
from rocketaudit.formats.erofs.inode import METABOX_NID, Inode, read_node
from rocketaudit.formats.erofs.regions import metadata_regions
from rocketaudit.formats.erofs.superblock import COMPAT_PLAIN_XATTR_PREFIXES, parse_superblock
from rocketaudit.formats.erofs.volume import Space, Volume
from rocketaudit.formats.erofs.xattr import attributes_of, read_attributes, read_prefixes
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.model.reader import Reader

_LONGEST_DIRECTORY = 256 << 20
_LONGEST_TARGET = 65536
_MOST_KNOWN = 4096  # different attributes of inodes, of at most _SMALL bytes each
_SMALL = 1024


def open_erofs(reader: Reader, budget: Budget) -> Erofs:
    """Open the volume that starts at byte 0 of `reader`; FormatError if its superblock cannot be used."""
    superblock = parse_superblock(reader)
    volume = Volume(reader, budget, superblock, Space("image", reader.size, reader.read))
    data = Data(volume)
    warnings = []
    if not superblock.checksum_holds:
        warnings.append("bad superblock checksum")
    missing = (superblock.blocks << superblock.block_bits) - reader.size
    if missing > 0:
        warnings.append(f"the image ends {missing} bytes early")
    warnings.extend(_open_metabox(volume, data))
    warnings.extend(_open_packed(volume, data))
    _open_prefixes(volume, data)
    if volume.prefixes_error:
        warnings.append(volume.prefixes_error)
    return Erofs(volume, data, tuple(warnings))


def _open_metabox(volume: Volume, data: Data) -> Iterator[str]:
    nid = volume.superblock.metabox_nid
    if not nid:
        return
    try:
        if nid >= METABOX_NID:
            raise FormatError("EROFS metabox inode lies in the metabox")
        inode = cast(Inode, read_node(volume, nid).handle)
    except FormatError as error:
        yield error.message
        return
    data.metabox_nid = nid
    volume.metabox = Space("metabox", inode.size, lambda offset, length: data.read(inode, offset, length))


def _open_packed(volume: Volume, data: Data) -> Iterator[str]:
    nid = volume.superblock.packed_nid
    if not nid:
        return
    try:
        data.packed = cast(Inode, read_node(volume, nid).handle)
    except FormatError as error:
        data.packed_error = error.message
        yield error.message


def _open_prefixes(volume: Volume, data: Data) -> None:
    superblock = volume.superblock
    if not superblock.xattr_prefixes:
        return
    space = volume.image
    packed = data.packed
    if not superblock.compat & COMPAT_PLAIN_XATTR_PREFIXES:
        if volume.metabox is not None:
            space = volume.metabox
        elif packed is not None:
            space = Space("packed inode", packed.size, lambda offset, length: data.read(packed, offset, length))
    try:
        volume.prefixes = read_prefixes(space, superblock.xattr_prefixes_at, superblock.xattr_prefixes)
    except FormatError as error:
        volume.prefixes_error = f"long attribute prefixes cannot be read: {error.message}"


class Erofs:
    """A read-only EROFS volume; data on extra devices is refused by name when it is read."""

    kind = "erofs"

    def __init__(self, volume: Volume, data: Data, warnings: tuple[str, ...]) -> None:
        self.label = volume.superblock.label
        self.uuid = volume.superblock.uuid
        self.features = volume.superblock.features
        self.warnings = warnings
        self.block_size = volume.superblock.block_size
        self.volume = volume
        self._data = data
        self._attributes: dict[bytes, tuple[int, tuple[tuple[bytes, bytes], ...]]] = {}

    def root(self) -> Node:
        node = read_node(self.volume, self.volume.superblock.root_nid)
        if node.type is not FileType.DIRECTORY:
            raise FormatError(f"EROFS root inode {node.number} is a {node.type}")
        return node

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """All readable entries, then FormatError if some were not."""
        if directory.type is not FileType.DIRECTORY:
            raise ValueError(f"inode {directory.number} is no directory")
        if directory.size > _LONGEST_DIRECTORY:
            raise FormatError(f"EROFS directory {directory.number} claims {directory.size} bytes")
        volume = self.volume
        volume.budget.produce(directory.size)
        data = self._data.read(_inode(directory), 0, directory.size)
        found, error = parse_directory(data, self.block_size)
        volume.budget.enter(len(found) + 1)
        for name, nid in found:
            try:
                yield name, read_node(volume, nid)
            except FormatError as reason:
                yield name, BadNode(nid, reason.message)
        if error:
            raise error

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        return self._data.chunks(_inode(node))

    def read(self, node: Node, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError(f"{length} bytes from {offset}")
        return self._data.read(_inode(node), offset, length)

    def target(self, node: Node) -> bytes:
        if node.type is not FileType.SYMLINK:
            raise ValueError(f"inode {node.number} is no symbolic link")
        if node.size > _LONGEST_TARGET:
            raise FormatError(f"EROFS symbolic link {node.number} of {node.size} bytes")
        self.volume.budget.produce(node.size)
        return self._data.read(_inode(node), 0, node.size)

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        """As the kernel finds them: the first of several with one name."""
        inode = _inode(node)
        if inode.xattrs_at == inode.body:
            return ()
        raw = attributes_of(self.volume, inode)
        size, pairs = self._attributes.get(raw) or self._parse_attributes(inode, raw)
        self.volume.budget.produce(size)
        return pairs

    def _parse_attributes(self, inode: Inode, raw: bytes) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
        """(bytes, attributes) of what an inode holds of them; most inodes hold the same, byte for byte."""
        found: dict[bytes, bytes] = {}
        size = 0
        for attribute in read_attributes(self.volume, inode, raw):
            size += attribute.size
            found.setdefault(attribute.name, attribute.value)
        made = size, tuple(sorted(found.items()))
        if len(self._attributes) < _MOST_KNOWN and size + len(raw) < _SMALL:
            self._attributes[raw] = made
        return made

    def extents(self, node: Node) -> Iterator[Extent]:
        return self._data.extents(_inode(node))

    def regions(self) -> Iterator[Region]:
        """Superblock, inodes with their attributes and indexes, directories, shared attributes: by a walk."""
        return metadata_regions(self, self.volume, self._data)


def _inode(node: Node) -> Inode:
    if not isinstance(node.handle, Inode):
        raise TypeError(f"node {node.number} does not come from an EROFS volume")
    return node.handle
