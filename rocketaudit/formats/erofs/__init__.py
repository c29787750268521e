"""EROFS, as mkfs.erofs writes it: plain, inline, chunked and compressed files, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rocketaudit.formats.erofs.superblock import is_erofs

if TYPE_CHECKING:
    from rocketaudit.formats.erofs.filesystem import Erofs, open_erofs

__all__ = ["Erofs", "is_erofs", "open_erofs"]


def __getattr__(name: str) -> object:
    """What opens one is loaded when there is one to open."""
    if name in ("Erofs", "open_erofs"):
        from rocketaudit.formats.erofs import filesystem

        return getattr(filesystem, name)
    raise AttributeError(name)
