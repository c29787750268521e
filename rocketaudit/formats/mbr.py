"""Master boot records: protective, hybrid, and plain DOS partition tables with their logical partitions."""

from __future__ import annotations

import struct
from enum import StrEnum

from rocketaudit.errors import FormatError
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

_ENTRY = struct.Struct("<B3sB3sII")  # boot flag, CHS, type, CHS, first LBA, sectors
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE = 0xEE
_MAX_LOGICAL = 128
SECTOR = 512


class MbrKind(StrEnum):
    NONE = "none"
    PROTECTIVE = "protective"
    HYBRID = "hybrid"
    DOS = "dos"


@dataclass(frozen=True, slots=True)
class MbrEntry:
    """`number` is 1 to 4 for primary and from 5 on for logical partitions; `start` and `length` in bytes."""

    number: int
    type: int
    is_active: bool
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class MbrProblem:
    what: str
    offset: int


@dataclass(frozen=True, slots=True)
class Mbr:
    kind: MbrKind
    disk_signature: int
    entries: tuple[MbrEntry, ...]
    problems: tuple[MbrProblem, ...]


def read_mbr(reader: Reader) -> Mbr:
    """The partition table in the first 512 bytes (LBA in units of 512); FormatError when it cannot be one."""
    sector = bytes(reader.read(0, SECTOR))
    if sector[510:512] != b"\x55\xaa":
        raise FormatError("no boot signature 55 AA", offset=510)
    if _is_boot_sector_of_fat(sector):
        raise FormatError("a FAT boot sector, not a partition table", offset=0)
    rows = [_ENTRY.unpack_from(sector, 446 + 16 * index) for index in range(4)]
    for index, row in enumerate(rows):
        if row[0] & 0x7F:
            raise FormatError(f"partition status {row[0]:#04x} is neither 00 nor 80", offset=446 + 16 * index)
    entries = [
        MbrEntry(index + 1, row[2], row[0] == 0x80, row[4] * SECTOR, row[5] * SECTOR)
        for index, row in enumerate(rows)
        if row[2] and row[5]
    ]
    problems: list[MbrProblem] = []
    for entry in [entry for entry in entries if entry.type in _EXTENDED]:
        _follow_logical(reader, entry, entries, problems)
    kept = tuple(entry for entry in entries if entry.type not in _EXTENDED)
    problems += _bounds(kept, reader.size)
    signature = int.from_bytes(sector[440:444], "little")
    return Mbr(_kind_of(kept), signature, kept, tuple(problems))


def _kind_of(entries: tuple[MbrEntry, ...]) -> MbrKind:
    if any(entry.type == _PROTECTIVE for entry in entries):
        return MbrKind.PROTECTIVE if len(entries) == 1 else MbrKind.HYBRID
    return MbrKind.DOS if entries else MbrKind.NONE


def _is_boot_sector_of_fat(sector: bytes) -> bool:
    """A FAT volume also ends its first sector in 55 AA; its parameter block tells it apart."""
    bytes_per_sector, sectors_per_cluster = struct.unpack_from("<HB", sector, 11)
    return (
        sector[0] in (0xEB, 0xE9)
        and bytes_per_sector in (512, 1024, 2048, 4096)
        and sectors_per_cluster.bit_count() == 1
        and sector[16] in (1, 2)
        and (sector[54:57] == b"FAT" or sector[82:85] == b"FAT")
    )


def _follow_logical(reader: Reader, extended: MbrEntry, entries: list[MbrEntry], problems: list[MbrProblem]) -> None:
    """Walk the chain of extended boot records; a loop or a broken link ends it with a problem."""
    at, seen, number = extended.start, set[int](), max(4, max(e.number for e in entries)) + 1
    while at not in seen and len(seen) < _MAX_LOGICAL:
        seen.add(at)
        try:
            sector = bytes(reader.read(at, SECTOR))
        except FormatError as error:
            problems.append(MbrProblem(f"extended boot record cannot be read: {error.message}", at))
            return
        if sector[510:512] != b"\x55\xaa":
            problems.append(MbrProblem("extended boot record has no signature", at + 510))
            return
        here, following = _ENTRY.unpack_from(sector, 446), _ENTRY.unpack_from(sector, 462)
        if here[2] and here[5]:
            start = at + here[4] * SECTOR
            entries.append(MbrEntry(number, here[2], here[0] == 0x80, start, here[5] * SECTOR))
            number += 1
        if following[2] not in _EXTENDED or not following[4]:
            return
        at = extended.start + following[4] * SECTOR
    problems.append(MbrProblem("the chain of extended boot records does not end", at))


def _bounds(entries: tuple[MbrEntry, ...], size: int) -> list[MbrProblem]:
    problems = []
    end_before = 0
    for entry in sorted(entries, key=lambda item: (item.start, item.number)):
        if entry.type == _PROTECTIVE:
            continue
        if entry.start + entry.length > size:
            problems.append(MbrProblem(f"partition {entry.number} ends beyond the disk", entry.start))
        if entry.start < end_before:
            problems.append(MbrProblem(f"partition {entry.number} overlaps the one before it", entry.start))
        end_before = max(end_before, entry.start + entry.length)
    return problems
