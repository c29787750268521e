"""Names for volumes that are recognised but not read."""

from __future__ import annotations

_LABEL_SECTORS = (0, 512, 1024, 1536)

# (offset, magic, name), the more specific first; sources: the headers of Linux, cryptsetup, util-linux's notes
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"LUKS\xba\xbe\x00\x01", "LUKS1"),
    (0, b"LUKS\xba\xbe\x00\x02", "LUKS2"),
    (0, b"LUKS\xba\xbe", "LUKS"),
    (0, b"XFSB", "XFS"),
    (0, b"verity\0\0", "dm-verity hash tree"),
    (0, b"integrt\0", "dm-integrity"),
    (0, b"\xfc\x4e\x2b\xa9\x01\0\0\0", "Linux software RAID"),
    (0, b"UBI#", "UBI"),
    (0, b"\x45\x3d\xcd\x28", "cramfs"),
    (0, b"-rom1fs-", "romfs"),
    (0, b"hsqs", "squashfs of an unknown version"),
    (0, b"sqsh", "squashfs of the other byte order"),
    (3, b"NTFS    ", "NTFS"),
    (3, b"EXFAT   ", "exFAT"),
    (3, b"-FVE-FS-", "BitLocker"),
    (32, b"NXSB", "APFS"),
    (1024, b"\x10\x20\xf5\xf2", "F2FS"),
    (1024, b"H+\x00\x04", "HFS+"),
    (1024, b"HX\x00\x05", "HFSX"),
    (4086, b"SWAPSPACE2", "swap"),
    (4086, b"SWAP-SPACE", "swap"),
    # behind the first 4096 bytes: found where the caller read that far
    (4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0", "Linux software RAID"),
    (4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache"),
    (4120, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    (32769, b"CD001", "ISO 9660"),
    (65588, b"ReIsEr", "ReiserFS"),
    (65600, b"_BHRfS_M", "btrfs"),
)
LONGEST_HEAD = 65608


def name_foreign(head: bytes) -> str | None:
    """What a volume that starts with these bytes is, if it is of a kind that we name but do not read.

    4096 bytes tell LUKS, XFS, LVM2, swap and most others; btrfs and ISO 9660 need LONGEST_HEAD bytes.
    """
    for sector in _LABEL_SECTORS:
        if head[sector : sector + 8] == b"LABELONE" and head[sector + 24 : sector + 32] == b"LVM2 001":
            return "LVM2 physical volume"
    for offset, magic, name in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return name
    return None
