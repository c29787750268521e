"""Squashfs 4.0, as mksquashfs writes it with gzip, xz, lz4 or zstd, read only."""

from rocketaudit.formats.squashfs.filesystem import Squashfs, open_squashfs
from rocketaudit.formats.squashfs.superblock import is_squashfs

__all__ = ["Squashfs", "is_squashfs", "open_squashfs"]
