"""A small EROFS writer for tests: layouts that the installed mkfs.erofs cannot write, and ones that lie.

Every field is the caller's, so that images can be wrong on purpose. Block 0 holds the superblock, then come
the metadata (inode n at 32 * n from the start of block 1), then data blocks in the order in which they were added.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from dataclasses import dataclass, field

import lz4.block
import zstandard

BLOCK = 4096
META_BLOCKS = 8
LZ4, LZMA, DEFLATE, ZSTD = range(4)
PLAIN, FULL, INLINE, COMPACT, CHUNKED = range(5)


def compress(algorithm: int, data: bytes) -> bytes:
    """`data` as one pcluster of that algorithm, without padding."""
    if algorithm == LZ4:
        return lz4.block.compress(data, store_size=False, mode="high_compression")
    if algorithm == LZMA:
        filters = [{"id": lzma.FILTER_LZMA1, "preset": 6, "lc": 3, "lp": 0, "pb": 2, "dict_size": 1 << 20}]
        raw = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
        assert raw[0] == 0
        return bytes((~(2 * 45 + 3) & 0xFF,)) + raw[1:]
    if algorithm == DEFLATE:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()
    return zstandard.ZstdCompressor(level=6).compress(data)


def padded(data: bytes) -> bytes:
    """Whole blocks with the zeros in front, as 0padding has it."""
    return bytes(-len(data) % BLOCK) + data


def map_header(low: int = 0, advise: int = 0, algorithms: int = 0, cluster_bits: int = 0) -> bytes:
    return struct.pack("<IHBB", low, advise, algorithms, cluster_bits)


def full_index(header: bytes, *entries: tuple[int, int, int]) -> bytes:
    """(type and flags, byte of the lcluster, block or distances) per lcluster."""
    return header + bytes(8) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@dataclass
class Builder:
    """Collects inodes and data blocks; `image()` gives the bytes."""

    incompat: int = 1
    compat: int = 0
    metadata: bytearray = field(default_factory=lambda: bytearray(32))
    data: bytearray = field(default_factory=bytearray)
    names: dict[bytes, int] = field(default_factory=dict)
    packed: int = 0
    metabox: int = 0
    root_wide: int = 0

    def block(self, data: bytes) -> int:
        """Store `data` in whole blocks, zeros behind, and give its first block."""
        number = 1 + META_BLOCKS + len(self.data) // BLOCK
        self.data += data + bytes(-len(data) % BLOCK)
        return number

    def place(self, inode: bytes) -> int:
        """Put raw inode bytes into the metadata and give their nid."""
        self.metadata += bytes(-len(self.metadata) % 32)
        nid = len(self.metadata) // 32
        self.metadata += inode
        return nid

    def inode(
        self,
        layout: int,
        size: int,
        body: bytes = b"",
        *,
        union: int = 0,
        mode: int = 0o100644,
        name: bytes | None = None,
        high: int = 0,
    ) -> int:
        """An extended inode without attributes, its body behind it; listed in the root if it has a name."""
        raw = struct.pack("<HHHHQIIIIqII16x", layout << 1 | 1, 0, mode, high, size, union, 0, 0, 0, 1_700_000_000, 0, 1)
        nid = self.place(raw + body)
        if name is not None:
            self.names[name] = nid
        return nid

    def image(self) -> bytes:
        root = self._directory()
        assert len(self.metadata) <= META_BLOCKS * BLOCK
        blocks = 1 + META_BLOCKS + len(self.data) // BLOCK
        superblock = struct.pack(
            "<4sIIBBHQqIIII16s16sIHHHBBIQ4xIQ8xQ8x",
            b"\xe2\xe1\xf5\xe0", 0, self.compat, 12, 0, 0 if self.root_wide else root, 9, 0, 0, blocks, 1, 0,
            bytes(16), b"built\0", self.incompat, 0, 0, 0, 0, 0, 0, self.packed, 0,
            root if self.root_wide else 0, self.metabox,
        )  # fmt: skip
        head = bytes(1024) + superblock
        metadata = bytes(self.metadata) + bytes(META_BLOCKS * BLOCK - len(self.metadata))
        return head + bytes(BLOCK - len(head)) + metadata + bytes(self.data)

    def _directory(self) -> int:
        names = sorted(self.names.items())
        offset = 12 * len(names)
        entries = b""
        for name, nid in names:
            entries += struct.pack("<QHBB", nid, offset, 0, 0)
            offset += len(name)
        data = entries + b"".join(name for name, _nid in names)
        return self.inode(PLAIN, len(data), union=self.block(data), mode=0o040755)
