"""ext2, ext3 and ext4, read only: inodes, directories, block maps, extended attributes, metadata regions."""

from rocketaudit.formats.ext4.filesystem import Ext4, open_ext4
from rocketaudit.formats.ext4.superblock import is_ext

__all__ = ["Ext4", "is_ext", "open_ext4"]
