"""Which packing some bytes are, by their magic alone; names of files say nothing."""

from __future__ import annotations

import struct
from enum import StrEnum

from rocketaudit.model.reader import Reader


class Packing(StrEnum):
    RAW = "raw"
    LZ4 = "lz4"
    ZSTD = "zst"
    GZIP = "gz"
    XZ = "xz"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VMDK_DESCRIPTOR = "vmdk-descriptor"
    TAR = "tar"


_MAGIC = (
    (0, b"\x04\x22\x4d\x18", Packing.LZ4),
    (0, b"\x28\xb5\x2f\xfd", Packing.ZSTD),
    (0, b"\x1f\x8b\x08", Packing.GZIP),
    (0, b"\xfd7zXZ\0", Packing.XZ),
    (0, b"QFI\xfb", Packing.QCOW2),
    (0, b"KDMV", Packing.VMDK),
    (0, b"# Disk DescriptorFile", Packing.VMDK_DESCRIPTOR),
    (257, b"ustar", Packing.TAR),
)

_FOREIGN = (
    (0, b"\x02\x21\x4c\x18", "an LZ4 legacy frame"),
    (0, b"BZh", "bzip2"),
    (0, b"vhdxfile", "a VHDX disk"),
    (0, b"conectix", "a dynamic VHD disk"),
    (64, b"\x7f\x10\xda\xbe", "a VirtualBox VDI disk"),
    (0, b"COWD", "a VMware ESX sparse disk"),
    (0, b"QED\0", "a QEMU QED disk"),
    (0, b"WithoutFreeSpace", "a Parallels disk"),
    (0, b"WithouFreSpacExt", "a Parallels disk"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b".eif", "an Enclave Image File (scan the disk image that was built beside it)"),
    (0, b"\x3a\xff\x26\xed", "an Android sparse image"),
    (32769, b"CD001", "an ISO 9660 image"),
)


def sniff(reader: Reader) -> Packing:
    """The packing; RAW for whatever has no magic of a packing."""
    head = bytes(reader.read(0, min(512, reader.size)))
    for offset, magic, packing in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return packing
    if len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:
        return Packing.ZSTD if _after_skippable(reader, head) == b"\x28\xb5\x2f\xfd" else Packing.LZ4
    return Packing.RAW


def _after_skippable(reader: Reader, head: bytes) -> bytes:
    """The magic after a skippable frame, which lz4 and zstd share."""
    if len(head) < 8:
        return b""
    at = 8 + int.from_bytes(head[4:8], "little")
    return bytes(reader.read(at, 4)) if at + 4 <= reader.size else b""


def name_foreign_packing(reader: Reader) -> str:
    """What a packing that we do not read is called, or ""."""
    for offset, magic, name in _FOREIGN:
        if offset + len(magic) <= reader.size and bytes(reader.read(offset, len(magic))) == magic:
            return name
    return ""


_VHD_FOOTER = struct.Struct(">8s40xQ4xI448x")
_FIXED = 2


def size_before_vhd_footer(reader: Reader) -> int | None:
    """The size of the disk that a fixed VHD holds before its footer; None for whatever else."""
    size = reader.size - _VHD_FOOTER.size
    if size <= 0:
        return None
    magic, stated, kind = _VHD_FOOTER.unpack(reader.read(size, _VHD_FOOTER.size))
    return size if magic == b"conectix" and kind == _FIXED and stated == size else None


EMBEDDED_FROM = 1 << 20
_EMBEDDED_PACKED_FROM = 8 << 20


def name_embedded_image(head: bytes, size: int) -> str:
    """What disk image a file inside a host's root seems to be, by its first 8192 bytes and its size; "" if none.

    Such guests are named, not scanned; packed files count only when they are large.
    """
    if size < EMBEDDED_FROM:
        return ""
    for place in (512, 4096):
        if head[place : place + 8] == b"EFI PART":
            return "a disk with a GPT"
    for offset, magic, packing in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            if packing in (Packing.QCOW2, Packing.VMDK):
                return f"a {packing.value} disk"
            if packing in (Packing.LZ4, Packing.ZSTD, Packing.GZIP, Packing.XZ) and size >= _EMBEDDED_PACKED_FROM:
                return f"a large {packing.value} file, perhaps a packed disk"
    if head[1024:1028] == b"\xe2\xe1\xf5\xe0":
        return "an EROFS image"
    if head[1080:1082] == b"\x53\xef" and size % 1024 == 0:
        return "an ext2/3/4 image"
    return "an Enclave Image File" if head[:4] == b".eif" else ""
