"""The EROFS superblock: 128 bytes at byte 1024, little endian (erofs_fs.h of Linux and erofs-utils)."""

from __future__ import annotations

import struct
import uuid

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.crc32c import crc32c
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAGIC = b"\xe2\xe1\xf5\xe0"
SUPERBLOCK_AT = 1024
SUPERBLOCK_SIZE = 128

COMPAT_NAMES = {
    0x01: "sb_csum",
    0x02: "mtime",
    0x04: "xattr_filter",
    0x08: "shared_ea_in_metabox",
    0x10: "plain_xattr_pfx",
    0x20: "ishare_xattrs",
}
INCOMPAT_NAMES = {
    0x001: "0padding",
    0x002: "big_pcluster",
    0x004: "chunked_file",
    0x008: "device_table",
    0x010: "ztailpacking",
    0x020: "fragments",
    0x040: "xattr_prefixes",
    0x080: "48bit",
    0x100: "metabox",
}
COMPAT_CHECKSUM = 0x01
COMPAT_SHARED_XATTRS_IN_METABOX = 0x08
COMPAT_PLAIN_XATTR_PREFIXES = 0x10
INCOMPAT_ZERO_PADDING = 0x001
INCOMPAT_DEVICE_TABLE = 0x008
INCOMPAT_48BIT = 0x080
INCOMPAT_METABOX = 0x100

_LAYOUT = struct.Struct("<4sIIBBHQqIIII16s16sIHHHBBIQ4xIQ8xQ8x")
_DEVICE = struct.Struct("<64xIIHH52x")
_LONGEST_DEVICE_TABLE = 4096


@dataclass(frozen=True, slots=True)
class Device:
    """An extra device: its blocks start at `first_block` of the unified address space (0: not mapped there)."""

    first_block: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock states; block numbers count `block_size` bytes, times are seconds since 1970."""

    compat: int
    incompat: int
    block_bits: int
    blocks: int
    root_nid: int
    packed_nid: int
    metabox_nid: int
    inodes: int
    epoch: int
    fixed_nanoseconds: int
    meta_block: int
    xattr_block: int
    uuid: str
    label: str
    xattr_prefixes: int
    xattr_prefixes_at: int
    devices: tuple[Device, ...]
    checksum_holds: bool

    @property
    def block_size(self) -> int:
        return 1 << self.block_bits

    @property
    def features(self) -> tuple[str, ...]:
        compat = (name for bit, name in COMPAT_NAMES.items() if self.compat & bit)
        incompat = (name for bit, name in INCOMPAT_NAMES.items() if self.incompat & bit)
        return (*compat, *incompat)


def is_erofs(head: bytes) -> bool:
    """Whether these first bytes (at least 1028) of a volume carry the EROFS magic."""
    return head[SUPERBLOCK_AT : SUPERBLOCK_AT + 4] == MAGIC


def parse_superblock(reader: Reader) -> Superblock:
    """Read the superblock and device table, or say which byte is wrong or which feature is unknown."""
    if reader.size < SUPERBLOCK_AT + _LAYOUT.size:
        raise TruncatedError(f"an EROFS volume of {reader.size} bytes has no room for a superblock", offset=0)
    (magic, checksum, compat, bits, _slots, root_or_high, inodes, epoch, nanoseconds, blocks, meta, xattr,
     identity, label, incompat, _algorithms, device_count, device_slot, directory_bits, prefixes, prefixes_at,
     packed, _build_time, root_wide, metabox) = _LAYOUT.unpack(
        reader.read(SUPERBLOCK_AT, _LAYOUT.size)
    )  # fmt: skip
    if magic != MAGIC:
        raise FormatError("no EROFS magic", offset=SUPERBLOCK_AT)
    unknown = incompat & ~sum(INCOMPAT_NAMES)
    if unknown:
        raise UnsupportedError(f"EROFS incompatible features {unknown:#x}", offset=SUPERBLOCK_AT + 80)
    if not 9 <= bits <= 16:
        raise FormatError(f"EROFS block size of 2^{bits} bytes, expected 2^9 to 2^16", offset=SUPERBLOCK_AT + 12)
    if directory_bits:
        raise UnsupportedError(f"EROFS directory blocks of 2^{directory_bits} blocks", offset=SUPERBLOCK_AT + 90)
    is_wide = bool(incompat & INCOMPAT_48BIT and root_wide)
    return Superblock(
        compat=compat,
        incompat=incompat,
        block_bits=bits,
        blocks=blocks | (root_or_high << 32 if is_wide else 0),
        root_nid=root_wide if is_wide else root_or_high,
        packed_nid=packed,
        metabox_nid=metabox if incompat & INCOMPAT_METABOX else 0,
        inodes=inodes,
        epoch=epoch,
        fixed_nanoseconds=nanoseconds if nanoseconds < 1_000_000_000 else 0,
        meta_block=meta,
        xattr_block=xattr,
        uuid=str(uuid.UUID(bytes=identity)),
        label=label.split(b"\0", 1)[0].decode("utf-8", "backslashreplace"),
        xattr_prefixes=prefixes,
        xattr_prefixes_at=prefixes_at << 2,
        devices=_devices(reader, device_slot, device_count) if incompat & INCOMPAT_DEVICE_TABLE else (),
        checksum_holds=not compat & COMPAT_CHECKSUM or _checksum(reader, 1 << bits) == checksum,
    )


def _devices(reader: Reader, slot: int, count: int) -> tuple[Device, ...]:
    if count > _LONGEST_DEVICE_TABLE:
        raise FormatError(f"EROFS device table of {count} entries", offset=SUPERBLOCK_AT + 86)
    table = reader.read(slot * _DEVICE.size, count * _DEVICE.size)
    return tuple(
        Device(first_block=first | first_high << 32, blocks=blocks | blocks_high << 32)
        for blocks, first, blocks_high, first_high in _DEVICE.iter_unpack(table)
    )


def _checksum(reader: Reader, block_size: int) -> int | None:
    """CRC-32C from the superblock to the end of its block, its own field taken as zero; None past the end."""
    length = block_size - SUPERBLOCK_AT if block_size > SUPERBLOCK_AT else block_size
    if SUPERBLOCK_AT + length > reader.size:
        return None
    block = bytearray(reader.read(SUPERBLOCK_AT, length))
    block[4:8] = bytes(4)
    return crc32c(block)
