"""The feature bits of ext2, ext3 and ext4 by the names that e2fsprogs prints (fs/ext4/ext4.h)."""

from __future__ import annotations

from types import MappingProxyType

from rocketaudit.errors import UnsupportedError

COMPATIBLE = MappingProxyType(
    {
        0x1: "dir_prealloc",
        0x2: "imagic_inodes",
        0x4: "has_journal",
        0x8: "ext_attr",
        0x10: "resize_inode",
        0x20: "dir_index",
        0x40: "lazy_bg",
        0x80: "exclude_inode",
        0x100: "exclude_bitmap",
        0x200: "sparse_super2",
        0x400: "fast_commit",
        0x800: "stable_inodes",
        0x1000: "orphan_file",
    }
)
INCOMPATIBLE = MappingProxyType(
    {
        0x1: "compression",
        0x2: "filetype",
        0x4: "needs_recovery",
        0x8: "journal_dev",
        0x10: "meta_bg",
        0x40: "extent",
        0x80: "64bit",
        0x100: "mmp",
        0x200: "flex_bg",
        0x400: "ea_inode",
        0x1000: "dirdata",
        0x2000: "metadata_csum_seed",
        0x4000: "large_dir",
        0x8000: "inline_data",
        0x10000: "encrypt",
        0x20000: "casefold",
    }
)
READ_ONLY = MappingProxyType(
    {
        0x1: "sparse_super",
        0x2: "large_file",
        0x4: "btree_dir",
        0x8: "huge_file",
        0x10: "uninit_bg",
        0x20: "dir_nlink",
        0x40: "extra_isize",
        0x80: "snapshot",
        0x100: "quota",
        0x200: "bigalloc",
        0x400: "metadata_csum",
        0x800: "replica",
        0x1000: "read-only",
        0x2000: "project",
        0x4000: "shared_blocks",
        0x8000: "verity",
        0x10000: "orphan_present",
    }
)
_UNREADABLE = 0x1 | 0x8 | 0x1000  # compression, journal_dev, dirdata: they change how bytes are found

SPARSE_SUPER2 = 0x200
NEEDS_RECOVERY = 0x4
META_BG = 0x10
SIXTY_FOUR_BIT = 0x80
LARGE_DIR = 0x4000
ENCRYPT = 0x10000
FILETYPE = 0x2
SPARSE_SUPER = 0x1
GROUP_CHECKSUM = 0x10
BIGALLOC = 0x200
METADATA_CHECKSUM = 0x400
ORPHAN_PRESENT = 0x10000


def names(bits: int, table: MappingProxyType[int, str], kind: str) -> tuple[str, ...]:
    """One name per set bit, lowest first; a bit without a name is `<kind>_bit_<n>`."""
    return tuple(table.get(1 << position, f"{kind}_bit_{position}") for position in range(32) if bits >> position & 1)


def refuse_unreadable(incompatible: int) -> None:
    """Raise UnsupportedError that names every feature without which the bytes cannot be understood."""
    known = 0
    for bit in INCOMPATIBLE:
        known |= bit
    refused = incompatible & (_UNREADABLE | ~known)
    if refused:
        listed = ", ".join(names(refused, INCOMPATIBLE, "incompat"))
        raise UnsupportedError(f"ext4 feature not supported: {listed}", offset=1024 + 96)
