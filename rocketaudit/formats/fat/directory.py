"""Directory entries of FAT with their long names (Microsoft's FAT specification 1.03, sections 6 and 7)."""

from __future__ import annotations

import calendar
import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

ENTRY_SIZE = 32
ATTRIBUTE_READ_ONLY = 0x01
ATTRIBUTE_LABEL = 0x08
ATTRIBUTE_DIRECTORY = 0x10
_ATTRIBUTE_LONG_NAME = 0x0F
_ENTRY = struct.Struct("<11sBB7xHHHHI")
_LONG_NAME = struct.Struct("<B10sBBB12sH4s")
_LAST_PIECE = 0x40
_MOST_PIECES = 20
_DELETED = 0xE5
_LOWER_BASE = 0x08
_LOWER_EXTENSION = 0x10


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One file or folder: `name` in UTF-8, `cluster` where it starts (0: nowhere), `at` where the entry lies."""

    name: bytes
    attributes: int
    cluster: int
    size: int
    mtime: int
    at: int


def parse_entries(raw: bytes, start: int, *, wide: bool, earlier: LongName) -> Iterator[DirectoryEntry | None]:
    """The entries of one piece of a directory that lies at byte `start`; None once where the directory ends.

    `earlier` carries a long name that began in the piece before; `wide` says that clusters have 32 bits (FAT32).
    """
    for position in range(0, len(raw) - ENTRY_SIZE + 1, ENTRY_SIZE):
        first = raw[position]
        if first == 0:
            yield None
            return
        if first == _DELETED:
            earlier.forget()
            continue
        attributes = raw[position + 11]
        if attributes & 0x3F == _ATTRIBUTE_LONG_NAME:
            earlier.add(raw[position : position + ENTRY_SIZE])
            continue
        short, _, case, high, time, date, low, size = _ENTRY.unpack_from(raw, position)
        name = earlier.take(short) or _short_name(short, case)
        yield DirectoryEntry(
            name=name,
            attributes=attributes,
            cluster=low | (high << 16 if wide else 0),
            size=size,
            mtime=_seconds(date, time),
            at=start + position,
        )


class LongName:
    """Collects the pieces of a long name, which stand before their short entry, last piece first."""

    __slots__ = ("_checksum", "_expected", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._expected = 0
        self._checksum = -1

    def forget(self) -> None:
        self._pieces = []
        self._expected = 0
        self._checksum = -1

    def add(self, raw: bytes) -> None:
        order, first, _, _, checksum, second, _, third = _LONG_NAME.unpack(raw)
        number = order & ~_LAST_PIECE
        if order & _LAST_PIECE:
            self.forget()
            if not 0 < number <= _MOST_PIECES:
                return
            self._checksum = checksum
        elif number != self._expected or number == 0 or checksum != self._checksum:
            self.forget()
            return
        self._pieces.append(first + second + third)
        self._expected = number - 1

    def take(self, short: bytes) -> bytes:
        """The name that belongs to this short entry, or nothing when the pieces are incomplete or of another."""
        whole = bool(self._pieces) and self._expected == 0 and self._checksum == _checksum_of(short)
        units = b"".join(reversed(self._pieces)) if whole else b""
        self.forget()
        end = next((at for at in range(0, len(units), 2) if units[at : at + 2] == b"\0\0"), len(units))
        return units[:end].decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")


def check_name(entry: DirectoryEntry) -> None:
    """Raise FormatError for a name that no path can hold."""
    if not entry.name or b"/" in entry.name or b"\0" in entry.name:
        raise FormatError(f"directory entry name {entry.name!r}", offset=entry.at)


def _short_name(short: bytes, case: int) -> bytes:
    base, extension = short[:8].rstrip(b" "), short[8:].rstrip(b" ")
    if base[:1] == b"\x05":
        base = b"\xe5" + base[1:]
    base_text, extension_text = base.decode("cp437"), extension.decode("cp437")
    if case & _LOWER_BASE:
        base_text = base_text.lower()
    if case & _LOWER_EXTENSION:
        extension_text = extension_text.lower()
    return (f"{base_text}.{extension_text}" if extension_text else base_text).encode()


def _checksum_of(short: bytes) -> int:
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return total


def _seconds(date: int, time: int) -> int:
    """Seconds since 1970 of a FAT date and time, taken as UTC since FAT stores no zone; 0 when impossible."""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return 0
    return calendar.timegm((year, month, day, time >> 11, time >> 5 & 63, (time & 31) * 2))
