"""FAT12, FAT16 and FAT32 with long names, read only."""

from rocketaudit.formats.fat.boot_sector import is_fat
from rocketaudit.formats.fat.filesystem import Fat, open_fat

__all__ = ["Fat", "is_fat", "open_fat"]
