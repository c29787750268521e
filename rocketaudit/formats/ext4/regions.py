"""Names for the blocks of ext4 that hold no file data, so that a bad block can be told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.ext4 import features
from rocketaudit.formats.ext4.extents import map_blocks
from rocketaudit.formats.ext4.inode import FLAG_INLINE_DATA, FLAG_VALUE_OF_XATTR, inode_of, read_node
from rocketaudit.formats.ext4.volume import Volume
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import Extent, FileType, Node, Region

_RESIZE_INODE = 7
_WITH_MAP = (FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK)


class HasExtents(Protocol):
    """Gives where a node's bytes lie."""

    def extents(self, node: Node) -> Iterator[Extent]: ...


def metadata_regions(volume: Volume, budget: Budget, files: HasExtents) -> Iterator[Region]:
    """Regions group by group; a group or inode that cannot be read is left out."""
    superblock = volume.superblock
    per_table = superblock.block_size // superblock.descriptor_size
    # a hostile superblock may count millions of groups: those that start after the image's end hold nothing
    there = (volume.reader.size >> superblock.block_bits) // superblock.blocks_per_group + 1
    groups = min(superblock.groups, there)
    table_blocks = -(-superblock.groups // per_table)
    for group in range(groups):
        if group & 0xFF == 0:
            budget.check_time()
        first = superblock.first_block + group * superblock.blocks_per_group
        if superblock.has_backup(group):
            yield from _backup(volume, group, first, table_blocks)
        elif _is_in_meta_group(volume, group):
            yield _blocks(volume, first, 1, f"group descriptors (group {group})")
        try:
            yield from _group(volume, group)
        except BudgetError:
            raise
        except FormatError:
            continue
    for group in range(groups):
        yield from _of_inodes(volume, group, budget, files)


def _is_in_meta_group(volume: Volume, group: int) -> bool:
    """Whether the group starts with the descriptors of its own meta group (its first, second or last group)."""
    superblock = volume.superblock
    per_table = superblock.block_size // superblock.descriptor_size
    return group // per_table >= superblock.first_meta_group and group % per_table in (0, 1, per_table - 1)


def _blocks(volume: Volume, block: int, count: int, what: str) -> Region:
    bits = volume.superblock.block_bits
    return Region(block << bits, count << bits, what)


def _backup(volume: Volume, group: int, first: int, table_blocks: int) -> Iterator[Region]:
    superblock = volume.superblock
    block_size = superblock.block_size
    if group == 0:
        yield Region(0, max(block_size, 2048) if superblock.first_block == 0 else 2048, "superblock")
    else:
        yield _blocks(volume, first, 1, f"superblock copy (group {group})")
    at = volume.descriptor_address(0) >> superblock.block_bits if group == 0 else first + 1
    if superblock.incompatible & features.META_BG:
        count = min(table_blocks, superblock.first_meta_group)
        if _is_in_meta_group(volume, group):
            count = 1
    else:
        count = table_blocks
    if count:
        yield _blocks(volume, at, count, f"group descriptors (group {group})")
    if superblock.reserved_descriptor_blocks and not superblock.incompatible & features.META_BG:
        reserved = superblock.reserved_descriptor_blocks
        yield _blocks(volume, at + count, reserved, f"reserved group descriptors (group {group})")


def _group(volume: Volume, group: int) -> Iterator[Region]:
    superblock = volume.superblock
    block_bitmap, inode_bitmap, table = volume.group_blocks(group)
    table_bytes = superblock.inodes_per_group * superblock.inode_size
    for block, count, what in (
        (block_bitmap, 1, "block bitmap"),
        (inode_bitmap, 1, "inode bitmap"),
        (table, -(-table_bytes // superblock.block_size), "inode table"),
    ):
        if superblock.first_block < block <= superblock.blocks - count:
            yield _blocks(volume, block, count, f"{what} (group {group})")


def _of_inodes(volume: Volume, group: int, budget: Budget, files: HasExtents) -> Iterator[Region]:
    superblock = volume.superblock
    try:
        if volume.inode_is_unwritten(group):
            return
        used = superblock.inodes_per_group - volume.unused_inodes(group)
    except FormatError:
        return
    size = superblock.inode_size
    for first in range(0, used, volume.inodes_per_span):
        budget.check_time()
        try:
            raw, _ = volume.span(group, first)
        except FormatError:
            continue
        raw = bytes(raw)
        for index in range(min(len(raw) // size, used - first)):
            if raw[index * size : index * size + 2] != b"\0\0":
                number = group * superblock.inodes_per_group + first + index + 1
                yield from _of_inode(volume, number, budget, files)


def _of_inode(volume: Volume, number: int, budget: Budget, files: HasExtents) -> Iterator[Region]:
    """What an inode owns besides file data; what of it cannot be read is left out."""
    try:
        node = read_node(volume, number)
        inode = inode_of(node)
        if inode.xattr_block:
            yield _blocks(volume, inode.xattr_block, 1, f"xattr block of inode {number}")
        if inode.flags & FLAG_INLINE_DATA or node.type not in _WITH_MAP or number == _RESIZE_INODE:
            return
        what = _whole_file_name(volume, node)
        if what:
            for extent in files.extents(node):
                if extent.physical is not None:
                    yield Region(extent.physical, extent.length, what)
        if node.type is FileType.SYMLINK and node.size < 60:
            return
        blocks = -(-node.size // volume.superblock.block_size)
        for block in map_blocks(volume, inode, blocks, budget):
            yield _blocks(volume, block, 1, f"block map of inode {number}")
    except BudgetError:
        budget.check_time()  # a file that claims too much is left out; a scan out of time ends
    except FormatError:
        return


def _whole_file_name(volume: Volume, node: Node) -> str | None:
    if node.type is FileType.DIRECTORY:
        return f"directory (inode {node.number})"
    if node.type is FileType.SYMLINK:
        return f"symbolic link (inode {node.number})" if node.size >= 60 else None
    if node.number == volume.superblock.journal_inode:
        return "journal"
    if inode_of(node).flags & FLAG_VALUE_OF_XATTR:
        return f"xattr value (inode {node.number})"
    if node.number < 11 and node.number != volume.superblock.journal_inode:
        return f"reserved inode {node.number}"
    return None
