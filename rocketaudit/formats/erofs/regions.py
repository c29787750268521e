"""Which bytes of an EROFS volume hold metadata, and whose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.clusters import index_end
from rocketaudit.formats.erofs.data import Data
from rocketaudit.formats.erofs.inode import Inode, Layout
from rocketaudit.formats.erofs.pieces import chunk_table
from rocketaudit.formats.erofs.superblock import SUPERBLOCK_AT, SUPERBLOCK_SIZE
from rocketaudit.formats.erofs.volume import Volume
from rocketaudit.formats.erofs.xattr import read_attributes, shared_area
from rocketaudit.model import bytepath
from rocketaudit.model.filesystem import BadNode, FileType, Node, Region


class _Tree(Protocol):
    def root(self) -> Node: ...

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]: ...


def metadata_regions(tree: _Tree, volume: Volume, data: Data) -> Iterator[Region]:
    """Regions in the order of a walk; what cannot be read is left out."""
    yield Region(SUPERBLOCK_AT, SUPERBLOCK_SIZE, "superblock")
    shared: set[int] = set()
    seen: set[int] = set()
    if data.packed is not None and not data.packed.boxed:
        yield from _inode_regions(volume, data.packed, "packed inode", shared)
    try:
        pending = [(b"/", tree.root())]
    except FormatError:
        return
    while pending:
        path, node = pending.pop()
        if node.number in seen:
            continue
        seen.add(node.number)
        inode = cast(Inode, node.handle)
        if not inode.boxed:
            yield from _inode_regions(volume, inode, f"inode of {bytepath.encode(path)}", shared)
        if node.type is FileType.DIRECTORY:
            yield from _directory_regions(data, inode, path)
            pending.extend(_children(tree, node, path))


def _children(tree: _Tree, directory: Node, path: bytes) -> Iterator[tuple[bytes, Node]]:
    try:
        for name, node in tree.entries(directory):
            if isinstance(node, Node):
                yield path.rstrip(b"/") + b"/" + name, node
    except FormatError:
        return


def _directory_regions(data: Data, inode: Inode, path: bytes) -> Iterator[Region]:
    try:
        for extent in data.extents(inode):
            if extent.physical is not None:
                yield Region(extent.physical, extent.stored, f"directory {bytepath.encode(path)}")
    except FormatError:
        return


def _inode_regions(volume: Volume, inode: Inode, what: str, shared: set[int]) -> Iterator[Region]:
    end = inode.body
    try:
        if inode.layout == Layout.CHUNKED:
            table, count, size = chunk_table(volume, inode)
            end = table + count * size
        elif inode.layout in (Layout.COMPRESSED_FULL, Layout.COMPRESSED_COMPACT) and inode.size:
            end = index_end(volume, inode)
    except FormatError:
        end = inode.body
    yield Region(inode.at, end - inode.at, what)
    is_in_image = shared_area(volume)[0] is volume.image
    try:
        for attribute in read_attributes(volume, inode):
            if attribute.shared and is_in_image and attribute.at not in shared:
                shared.add(attribute.at)
                yield Region(attribute.at, attribute.size, "shared extended attribute")
    except FormatError:
        return
