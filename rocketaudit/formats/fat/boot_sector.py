"""The boot sector of FAT12, FAT16 and FAT32 (Microsoft's FAT specification 1.03, section 3)."""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

_BOOT = struct.Struct("<3x8sHBHBHHBHHHII")


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the parts of the file system lie, in bytes; `bits` is 12, 16 or 32."""

    bits: int
    cluster_size: int
    clusters: int
    fat_at: int
    fat_size: int
    fats: int
    root_at: int
    root_size: int
    root_cluster: int
    data_at: int
    size: int
    sector: int


def is_fat(head: bytes) -> bool:
    """Whether the first bytes (512 at least) are a FAT boot sector: signature, jump and a possible geometry."""
    if len(head) < 512 or head[510:512] != b"\x55\xaa" or head[0] not in (0xEB, 0xE9):
        return False
    _, sector, per_cluster, reserved, fats, _, _, media, *_ = _BOOT.unpack_from(head)
    return (
        sector in (512, 1024, 2048, 4096)
        and per_cluster > 0
        and per_cluster & (per_cluster - 1) == 0
        and reserved > 0
        and 1 <= fats <= 4
        and (media >= 0xF8 or media == 0xF0)
    )


def parse_boot_sector(raw: bytes) -> Geometry:
    """The geometry of a FAT boot sector of 512 bytes, or FormatError with the byte that is wrong."""
    _, sector, per_cluster, reserved, fats, entries, few, _, short, _, _, _, many = _BOOT.unpack_from(raw)
    if sector not in (512, 1024, 2048, 4096):
        raise FormatError(f"FAT sectors of {sector} bytes", offset=11)
    if per_cluster == 0 or per_cluster & (per_cluster - 1):
        raise FormatError(f"FAT clusters of {per_cluster} sectors", offset=13)
    if reserved == 0 or fats == 0:
        raise FormatError(f"FAT with {reserved} reserved sectors and {fats} tables", offset=14)
    is_wide = short == 0
    fat_sectors = struct.unpack_from("<I", raw, 36)[0] if is_wide else short
    root_cluster = struct.unpack_from("<I", raw, 44)[0] if is_wide else 0
    if is_wide and root_cluster < 2:
        raise FormatError(f"FAT32 root directory at cluster {root_cluster}", offset=44)
    total = few or many
    root_at = (reserved + fats * fat_sectors) * sector
    root_size = -(-entries * 32 // sector) * sector
    data_at = root_at + root_size
    cluster_size = sector * per_cluster
    if fat_sectors == 0 or data_at > total * sector:
        raise FormatError(f"FAT of {total} sectors has no room for its tables", offset=32)
    clusters = (total * sector - data_at) // cluster_size
    bits = 32 if is_wide else 12 if clusters < 4085 else 16
    clusters = min(clusters, fat_sectors * sector * 8 // bits - 2)
    return Geometry(
        bits=bits,
        cluster_size=cluster_size,
        clusters=max(0, clusters),
        fat_at=reserved * sector,
        fat_size=fat_sectors * sector,
        fats=fats,
        root_at=root_at,
        root_size=root_size,
        root_cluster=root_cluster,
        data_at=data_at,
        size=total * sector,
        sector=sector,
    )
