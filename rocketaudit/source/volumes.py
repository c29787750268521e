"""Tells what a partition holds by its bytes and opens the file systems that we read."""

from __future__ import annotations

from collections.abc import Sequence

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.erofs import is_erofs
from rocketaudit.formats.ext4 import is_ext, open_ext4
from rocketaudit.formats.fat import is_fat, open_fat
from rocketaudit.formats.recognise import LONGEST_HEAD, name_foreign
from rocketaudit.formats.squashfs import is_squashfs
from rocketaudit.formats.verity import SUPERBLOCK_SIZE, parse_superblock
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import FILE_SYSTEMS, Content, Partition
from rocketaudit.model.filesystem import FileSystem
from rocketaudit.model.reader import Reader, Window, stored_extents
from rocketaudit.model.records import dataclass

MAX_PARTITIONS = 256
MAX_COVER = 4
_BLANK_HEAD = 1 << 20
_BLANK_PROBES = 64
_PROBE = 4096
_NAMED = {
    "LUKS1": Content.LUKS1,
    "LUKS2": Content.LUKS2,
    "XFS": Content.XFS,
    "swap": Content.SWAP,
    "dm-verity hash tree": Content.VERITY_HASH,
}


@dataclass(frozen=True, slots=True)
class Volume:
    """What was found; `fs` only for a file system that opened. `detail` explains FOREIGN, UNKNOWN and UNREAD."""

    content: Content
    detail: str = ""
    label: str = ""
    uuid: str = ""
    fs: FileSystem | None = None


def open_volumes(reader: Reader, partitions: Sequence[Partition], budget: Budget) -> list[Volume]:
    """What each partition holds; those past a number, or past a multiple of the disk that they cover, are UNREAD.

    Partitions may overlap, so a small disk could offer the same gigabyte again and again.
    """
    volumes = []
    covered = 0
    for index, partition in enumerate(partitions):
        if partition.start + partition.length > reader.size:
            volumes.append(Volume(Content.UNREAD, "the partition ends beyond the disk"))
            continue
        covered += partition.length
        if not partition.length:
            volumes.append(Volume(Content.UNREAD, "the partition has no length"))
        elif index >= MAX_PARTITIONS:
            volumes.append(Volume(Content.UNREAD, f"not looked at: more than {MAX_PARTITIONS} partitions"))
        elif covered > MAX_COVER * reader.size:
            volumes.append(Volume(Content.UNREAD, f"not looked at: partitions cover the disk over {MAX_COVER} times"))
        else:
            volumes.append(open_volume(Window(reader, partition.start, partition.length), budget))
    return volumes


def open_volume(reader: Reader, budget: Budget) -> Volume:
    """Look at a partition; never raises for its bytes: damage gives UNREAD with the reason."""
    try:
        head = bytes(reader.read(0, min(LONGEST_HEAD, reader.size)))
        content, detail = _recognise(head, reader)
        if content in FILE_SYSTEMS:
            fs = _open(content, reader, budget)
            return Volume(content, "", fs.label, fs.uuid, fs)
    except FormatError as error:
        return Volume(Content.UNREAD, str(error))
    label, uuid = _names_of(content, head)
    return Volume(content, detail, label, uuid)


def _recognise(head: bytes, reader: Reader) -> tuple[Content, str]:
    if is_erofs(head):
        return Content.EROFS, ""
    if is_ext(head):
        return Content.EXT4, ""
    if is_squashfs(head):
        return Content.SQUASHFS, ""
    name = name_foreign(head)
    if name is not None:
        content = _NAMED.get(name, Content.FOREIGN)
        return content, name if content is Content.FOREIGN else ""
    if is_fat(head):
        return Content.FAT, ""
    if is_program(head):
        return Content.UKI, ""
    if head.lstrip()[:1] == b"{" and b'"rootHash"' in head:
        return Content.VERITY_SIGNATURE, ""
    if _is_blank(head, reader):
        return Content.BLANK, ""
    return Content.UNKNOWN, "no file system or other format that we know"


def is_program(head: bytes) -> bool:
    """Whether a PE program starts here; whether it is a unified kernel image is for its sections to say."""
    if head[:2] != b"MZ" or len(head) < 64:
        return False
    at = int.from_bytes(head[60:64], "little")
    return head[at : at + 4] == b"PE\0\0"


def _is_blank(head: bytes, reader: Reader) -> bool:
    """Zeros at the start, at the end and wherever we look in between."""
    if not _is_zero(head):
        return False
    if reader.size == 0:
        return True
    if next(stored_extents(reader, 0, reader.size), None) is None:  # a hole of a sparse file
        reader.read(reader.size - 1, 1)  # what a file that has become shorter lacks is no hole
        return True
    first = reader.read(0, min(_BLANK_HEAD, reader.size))
    step = max(_PROBE, reader.size // _BLANK_PROBES)
    places = [*range(0, max(1, reader.size - _PROBE), step), max(0, reader.size - _PROBE)]
    return _is_zero(first) and all(_is_zero(reader.read(place, min(_PROBE, reader.size - place))) for place in places)


def _is_zero(data: bytes | memoryview) -> bool:
    return bytes(data) == bytes(len(data))


def _open(content: Content, reader: Reader, budget: Budget) -> FileSystem:
    match content:
        case Content.EROFS:
            from rocketaudit.formats.erofs import open_erofs  # many modules, which most other images do not need

            return open_erofs(reader, budget)
        case Content.EXT4:
            return open_ext4(reader, budget)
        case Content.FAT:
            return open_fat(reader, budget)
        case Content.SQUASHFS:
            from rocketaudit.formats.squashfs import open_squashfs

            return open_squashfs(reader, budget)
        case _:
            raise ValueError(f"{content} is no file system that we read")


def _names_of(content: Content, head: bytes) -> tuple[str, str]:
    """(label, UUID) of volumes that we name but do not open."""
    if content is Content.LUKS2:
        return _text(head[24:72]), _text(head[168:208])
    if content is Content.LUKS1:
        return "", _text(head[168:208])
    if content is Content.XFS:
        return _text(head[108:120]), _uuid(head[32:48])
    if content is Content.VERITY_HASH:
        try:
            return "", parse_superblock(head[:SUPERBLOCK_SIZE]).uuid
        except (FormatError, TruncatedError):
            return "", ""
    return "", ""


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if any(raw) else ""
