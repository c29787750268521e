"""The two headers of a GPT and their entry arrays, each found, checked by every CRC, and read as bytes."""

from __future__ import annotations

import struct
import zlib

from rocketaudit.errors import FormatError
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

SIGNATURE = b"EFI PART"
SECTOR_SIZES = (512, 4096)
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_MAX_ARRAY = 4 << 20  # what Linux would allocate for an entry array


@dataclass(frozen=True, slots=True)
class GptProblem:
    what: str
    offset: int


@dataclass(frozen=True, slots=True)
class GptTable:
    """One header that holds, with its entry array."""

    sector_size: int
    lba: int
    alternate_lba: int
    first_usable: int
    last_usable: int
    disk_guid: bytes
    array_lba: int
    entry_count: int
    entry_size: int
    array: bytes
    revision: int


def find_tables(reader: Reader, problems: list[GptProblem]) -> tuple[GptTable | None, GptTable | None]:
    """(primary, backup), None for one that does not hold; why it does not goes to `problems`."""
    primary = None
    said: list[GptProblem] = []
    for sector in SECTOR_SIZES:
        found = _try(reader, sector, 1, "primary", said)
        if found and primary:
            said.append(GptProblem(f"a second GPT for {sector}-byte sectors is there too", sector))
        primary = primary or found
    backup = None
    for sector in (primary.sector_size,) if primary else SECTOR_SIZES:
        places = {reader.size // sector - 1: None}
        if primary and primary.alternate_lba not in places:
            place = primary.alternate_lba * sector
            said.append(GptProblem("the backup header is not said to be in the last sector", primary.lba * sector + 32))
            if place + sector <= reader.size:
                places[primary.alternate_lba] = None
        for lba in places:
            if backup is None and lba > 1:
                backup = _try(reader, sector, lba, "backup", said)
    if primary is None and not any("primary" in problem.what for problem in said):
        said.append(GptProblem("primary GPT header is missing", SECTOR_SIZES[0]))
    if backup is None and not any("backup GPT" in problem.what for problem in said):
        said.append(GptProblem("backup GPT header is missing", max(0, reader.size - SECTOR_SIZES[0])))
    problems += said
    return primary, backup


def _try(reader: Reader, sector: int, lba: int, name: str, said: list[GptProblem]) -> GptTable | None:
    """The table whose header lies at `lba`; None (with a problem when something was there) if it does not hold."""
    place = lba * sector
    if place + sector > reader.size:
        return None
    head = bytes(reader.read(place, sector))
    if head[:8] != SIGNATURE:
        return None
    try:
        return _read(reader, head, sector, lba)
    except FormatError as error:
        what = error.message.removesuffix(f" (byte {error.offset})")
        said.append(GptProblem(f"{name} GPT: {what}", place if error.offset is None else error.offset))
        return None


def _read(reader: Reader, head: bytes, sector: int, lba: int) -> GptTable:
    place = lba * sector
    (_, revision, header_size, crc, _, my_lba, alternate, first, last, guid, array_lba, count, size, array_crc) = (
        _HEADER.unpack_from(head)
    )
    if not 92 <= header_size <= sector:
        raise FormatError(f"header size {header_size} is not within 92 to {sector}", offset=place + 12)
    if zlib.crc32(head[:16] + bytes(4) + head[20:header_size]) != crc:
        raise FormatError("header CRC does not match", offset=place + 16)
    if my_lba != lba:
        raise FormatError(f"header says that it lies at LBA {my_lba}, it is at {lba}", offset=place + 24)
    if size < 128 or size & (size - 1):
        raise FormatError(f"entry size {size} is not 128 times a power of two", offset=place + 84)
    if count * size > _MAX_ARRAY:
        raise FormatError(f"{count} entries of {size} bytes are more than we read", offset=place + 80)
    if array_lba < (2 if lba == 1 else 1):
        raise FormatError(f"entry array at LBA {array_lba} lies over the header", offset=place + 72)
    if array_lba * sector + count * size > reader.size:
        raise FormatError("entry array lies beyond the disk", offset=place + 72)
    array = bytes(reader.read(array_lba * sector, count * size))
    if zlib.crc32(array) != array_crc:
        raise FormatError("entry array CRC does not match", offset=array_lba * sector)
    return GptTable(sector, lba, alternate, first, last, guid, array_lba, count, size, array, revision)
