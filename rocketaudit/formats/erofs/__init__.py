"""EROFS, as mkfs.erofs writes it: plain, inline, chunked and compressed files, read only."""

from rocketaudit.formats.erofs.filesystem import Erofs, open_erofs
from rocketaudit.formats.erofs.superblock import is_erofs

__all__ = ["Erofs", "is_erofs", "open_erofs"]
