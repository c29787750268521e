"""The squashfs 4.0 superblock: 96 bytes at byte 0, little endian (squashfs_fs.h of Linux)."""

from __future__ import annotations

import struct
from enum import IntEnum

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAGIC = b"hsqs"
SUPERBLOCK_SIZE = 96
NO_TABLE = 0xFFFF_FFFF_FFFF_FFFF

_LAYOUT = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")
_FLAGS = {
    0x001: "uncompressed_inodes",
    0x002: "uncompressed_data",
    0x008: "uncompressed_fragments",
    0x010: "no_fragments",
    0x020: "always_fragments",
    0x040: "duplicates",
    0x080: "exportable",
    0x100: "uncompressed_xattrs",
    0x200: "no_xattrs",
    0x400: "compressor_options",
    0x800: "uncompressed_ids",
}


class Compression(IntEnum):
    GZIP = 1
    LZMA = 2
    LZO = 3
    XZ = 4
    LZ4 = 5
    ZSTD = 6


@dataclass(frozen=True, slots=True)
class Superblock:
    """Where the tables lie (bytes from the start; NO_TABLE where there is none) and how data is compressed."""

    inodes: int
    mkfs_time: int
    block_size: int
    fragments: int
    compression: Compression
    flags: int
    ids: int
    root: int
    bytes_used: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int
    export_table: int

    @property
    def features(self) -> tuple[str, ...]:
        return (
            self.compression.name.lower(),
            *(name for bit, name in _FLAGS.items() if self.flags & bit),
        )


def is_squashfs(head: bytes) -> bool:
    """Whether these first bytes of a volume carry the squashfs magic and a major version of 4."""
    return head[:4] == MAGIC and head[28:30] == b"\x04\0"


def parse_superblock(reader: Reader) -> Superblock:
    """Read and check the superblock; UnsupportedError names a compression or version that we do not read."""
    if reader.size < SUPERBLOCK_SIZE:
        raise TruncatedError(f"a squashfs volume of {reader.size} bytes has no room for a superblock", offset=0)
    (magic, inodes, mkfs_time, block_size, fragments, compression, block_log, flags, ids, major, minor,
     root, bytes_used, id_table, xattr_table, inode_table, directory_table, fragment_table, export_table,
     ) = _LAYOUT.unpack(reader.read(0, SUPERBLOCK_SIZE))  # fmt: skip
    if magic != MAGIC:
        raise FormatError("no squashfs magic", offset=0)
    if (major, minor) != (4, 0):
        raise UnsupportedError(f"squashfs version {major}.{minor}", offset=28)
    if not 12 <= block_log <= 20 or block_size != 1 << block_log:
        raise FormatError(f"squashfs block size {block_size}, expected 4096 to 1048576", offset=12)
    if compression not in list(Compression):
        raise UnsupportedError(f"squashfs compression {compression}", offset=20)
    kind = Compression(compression)
    if kind in (Compression.LZMA, Compression.LZO):
        raise UnsupportedError(f"squashfs compressed by {kind.name.lower()}", offset=20)
    if not SUPERBLOCK_SIZE <= inode_table <= directory_table <= min(bytes_used, reader.size):
        raise FormatError(
            f"squashfs tables at {inode_table} and {directory_table} of {min(bytes_used, reader.size)} bytes",
            offset=64,
        )
    return Superblock(
        inodes, mkfs_time, block_size, fragments, kind, flags, ids, root, bytes_used, id_table,
        xattr_table, inode_table, directory_table, fragment_table, export_table,
    )  # fmt: skip
