"""GUID partition tables (UEFI specification 2.10, chapter 5): both headers, both entry arrays, every CRC."""

from __future__ import annotations

import struct
import uuid

from rocketaudit.errors import FormatError
from rocketaudit.formats.gpt_table import SECTOR_SIZES, SIGNATURE, GptProblem, GptTable, find_tables
from rocketaudit.formats.mbr import Mbr, MbrKind, read_mbr
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

_ENTRY = struct.Struct("<16s16sQQQ72s")
MAX_PROBLEMS = 256
_ZERO = bytes(16)


@dataclass(frozen=True, slots=True)
class GptEntry:
    """`start` and `length` in bytes as the entry claims them (length 0 when it ends before it starts).

    `offset` is where the entry itself lies on the disk.
    """

    number: int
    type_guid: str
    unique_guid: str
    first_lba: int
    last_lba: int
    start: int
    length: int
    attributes: int
    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Gpt:
    """A usable table. `ghosts` have no type, so they do not exist for UEFI and Linux, yet hold something."""

    sector_size: int
    disk_guid: str
    first_usable_lba: int
    last_usable_lba: int
    used_backup: bool
    mbr: MbrKind
    entries: tuple[GptEntry, ...]
    ghosts: tuple[GptEntry, ...]
    problems: tuple[GptProblem, ...]


def looks_like_gpt(reader: Reader) -> bool:
    """Whether a GPT header, sound or not, is at a place where one belongs, or the MBR announces one."""
    places = list(SECTOR_SIZES) + [reader.size - size for size in SECTOR_SIZES]
    for place in places:
        if 0 < place <= reader.size - 8 and bytes(reader.read(place, 8)) == SIGNATURE:
            return True
    mbr = _mbr_of(reader)
    return mbr is not None and mbr.kind in (MbrKind.PROTECTIVE, MbrKind.HYBRID)


def read_gpt(reader: Reader) -> Gpt:
    """The table of a whole disk; the backup where the primary is damaged; FormatError when neither holds.

    Everything odd but survivable is in `problems`, each with the byte on the disk.
    """
    problems: list[GptProblem] = []
    primary, backup = find_tables(reader, problems)
    chosen = primary or backup
    if chosen is None:
        places = "; ".join(f"{problem.what} (byte {problem.offset})" for problem in problems)
        raise FormatError(f"no usable GPT: {places}" if places else "no GPT header")
    if primary is not None and backup is not None:
        problems += _compare(primary, backup)
    problems += _check_header(chosen, reader.size)
    entries, ghosts = _entries_of(chosen, problems)
    problems += _check_entries(entries, chosen, reader.size)
    problems += _check_slack(reader, chosen)
    mbr = _mbr_of(reader)
    problems += _check_mbr(mbr, reader.size, chosen.sector_size)
    return Gpt(
        chosen.sector_size,
        str(uuid.UUID(bytes_le=chosen.disk_guid)),
        chosen.first_usable,
        chosen.last_usable,
        primary is None,
        mbr.kind if mbr else MbrKind.NONE,
        entries,
        ghosts,
        tuple(problems[:MAX_PROBLEMS]),
    )


def _compare(primary: GptTable, backup: GptTable) -> list[GptProblem]:
    place = backup.lba * backup.sector_size
    problems = []
    if primary.disk_guid != backup.disk_guid:
        problems.append(GptProblem("primary and backup GPT name different disk GUIDs", place + 56))
    if primary.array != backup.array:
        problems.append(
            GptProblem("primary and backup GPT hold different entries", backup.array_lba * backup.sector_size)
        )
    if (primary.first_usable, primary.last_usable) != (backup.first_usable, backup.last_usable):
        problems.append(GptProblem("primary and backup GPT state different usable ranges", place + 40))
    return problems


def _check_header(table: GptTable, size: int) -> list[GptProblem]:
    place = table.lba * table.sector_size
    problems = []
    if table.revision != 0x10000:
        problems.append(GptProblem(f"GPT revision {table.revision:#010x} is not 1.0", place + 8))
    if table.first_usable > table.last_usable:
        problems.append(GptProblem("usable range ends before it starts", place + 40))
    if (table.last_usable + 1) * table.sector_size > size:
        problems.append(GptProblem("usable range ends beyond the disk; Linux refuses such a table", place + 48))
    if not table.entry_count:
        problems.append(GptProblem("GPT declares no entries", place + 80))
    if table.entry_size != 128:
        problems.append(GptProblem(f"entries of {table.entry_size} bytes; Linux reads only 128", place + 84))
    return problems


def _entries_of(table: GptTable, problems: list[GptProblem]) -> tuple[tuple[GptEntry, ...], tuple[GptEntry, ...]]:
    used: list[GptEntry] = []
    ghosts: list[GptEntry] = []
    for index in range(table.entry_count):
        raw = table.array[index * table.entry_size :][: table.entry_size]
        if not any(raw):
            continue
        entry = _entry(raw, index, table, problems)
        if raw[:16] == _ZERO:
            problems.append(GptProblem(f"entry {entry.number} has no type but is not empty", entry.offset))
            ghosts.append(entry)
        else:
            used.append(entry)
    return tuple(used), tuple(ghosts)


def _entry(raw: bytes, index: int, table: GptTable, problems: list[GptProblem]) -> GptEntry:
    type_guid, unique_guid, first, last, attributes, name = _ENTRY.unpack_from(raw)
    offset = table.array_lba * table.sector_size + index * table.entry_size
    text, is_clean = _name_of(name)
    if not is_clean:
        problems.append(GptProblem(f"name of partition {index + 1} is not valid UTF-16", offset + 56))
    return GptEntry(
        index + 1,
        str(uuid.UUID(bytes_le=type_guid)),
        str(uuid.UUID(bytes_le=unique_guid)),
        first,
        last,
        first * table.sector_size,
        max(0, last + 1 - first) * table.sector_size,
        attributes,
        text,
        offset,
    )


def _name_of(raw: bytes) -> tuple[str, bool]:
    """The name up to its first NUL; whether it was valid UTF-16."""
    units = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    end = units.index(b"\0\0") if b"\0\0" in units else len(units)
    data = raw[: end * 2]
    try:
        return data.decode("utf-16-le"), True
    except UnicodeDecodeError:
        return data.decode("utf-16-le", "replace"), False


def _check_entries(entries: tuple[GptEntry, ...], table: GptTable, size: int) -> list[GptProblem]:
    problems = []
    names: dict[str, int] = {}
    guids: dict[str, int] = {}
    for entry in entries:
        what = f"partition {entry.number}"
        if entry.last_lba < entry.first_lba:
            problems.append(GptProblem(f"{what} ends before it starts", entry.offset + 32))
        elif entry.start + entry.length > size:
            problems.append(GptProblem(f"{what} ends beyond the disk", entry.offset + 40))
        if entry.first_lba < table.first_usable:
            problems.append(GptProblem(f"{what} starts before the usable range", entry.offset + 32))
        elif entry.last_lba > table.last_usable >= table.first_usable:
            problems.append(GptProblem(f"{what} ends after the usable range", entry.offset + 40))
        if entry.name and names.setdefault(entry.name, entry.number) != entry.number:
            problems.append(GptProblem(f"{what} has the name of partition {names[entry.name]}", entry.offset + 56))
        if guids.setdefault(entry.unique_guid, entry.number) != entry.number:
            other = guids[entry.unique_guid]
            problems.append(GptProblem(f"{what} has the unique GUID of partition {other}", entry.offset + 16))
    return problems + _overlaps(entries)


def _overlaps(entries: tuple[GptEntry, ...]) -> list[GptProblem]:
    problems = []
    widest: GptEntry | None = None
    for entry in sorted(entries, key=lambda item: (item.start, item.number)):
        if not entry.length:
            continue
        if widest is not None and entry.start < widest.start + widest.length:
            what = f"partition {entry.number} overlaps partition {widest.number}"
            problems.append(GptProblem(what, entry.offset + 32))
        if widest is None or entry.start + entry.length > widest.start + widest.length:
            widest = entry
    return problems


def _check_slack(reader: Reader, table: GptTable) -> list[GptProblem]:
    """Linux and UEFI read `entry_count` entries; what follows within the usual 128 should be empty."""
    begin = table.array_lba * table.sector_size + len(table.array)
    end = table.array_lba * table.sector_size + 128 * 128
    if begin >= end or end > reader.size:
        return []
    if any(bytes(reader.read(begin, end - begin))):
        return [GptProblem("bytes after the last declared entry are not empty", begin)]
    return []


def _mbr_of(reader: Reader) -> Mbr | None:
    try:
        return read_mbr(reader)
    except FormatError:
        return None


def _check_mbr(mbr: Mbr | None, size: int, sector: int) -> list[GptProblem]:
    if mbr is None or mbr.kind not in (MbrKind.PROTECTIVE, MbrKind.HYBRID):
        return [GptProblem("no protective MBR; Linux ignores the GPT unless told otherwise", 446)]
    if mbr.kind is MbrKind.HYBRID:
        return [GptProblem("the MBR is hybrid: it lists partitions beside the GPT", 446)]
    protective = mbr.entries[0]
    whole = min(size // sector - 1, 0xFFFFFFFF)
    if protective.length // 512 not in (whole, 0xFFFFFFFF):
        return [GptProblem(f"the protective MBR covers {protective.length // 512} of {whole} sectors", 458)]
    return []
