"""Squashfs 4.0, as mksquashfs writes it with gzip, xz, lz4 or zstd, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rocketaudit.formats.squashfs.superblock import is_squashfs

if TYPE_CHECKING:
    from rocketaudit.formats.squashfs.filesystem import Squashfs, open_squashfs

__all__ = ["Squashfs", "is_squashfs", "open_squashfs"]


def __getattr__(name: str) -> object:
    """What opens one is loaded when there is one to open."""
    if name in ("Squashfs", "open_squashfs"):
        from rocketaudit.formats.squashfs import filesystem

        return getattr(filesystem, name)
    raise AttributeError(name)
