"""Extended attributes of squashfs: a table of lists, values in line or by reference (xattr.c of Linux)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.formats.squashfs.metadata import Metadata
from rocketaudit.formats.squashfs.superblock import NO_TABLE
from rocketaudit.model.reader import Reader

_TABLE = struct.Struct("<QI4x")
_ROW = struct.Struct("<QII")
_ENTRY = struct.Struct("<HH")
_SIZE = struct.Struct("<I")
_REFERENCE = struct.Struct("<Q")
_BY_REFERENCE = 0x100
_PREFIXES = (b"user.", b"trusted.", b"security.")
_LONGEST_VALUE = 65536
_MOST_ATTRIBUTES = 1024


class Attributes:
    """The attribute table; `metadata` gives the blocks, `table` is where the table's 16-byte head lies."""

    def __init__(self, reader: Reader, metadata: Metadata, table: int) -> None:
        self._metadata = metadata
        self._rows_at = table + _TABLE.size
        self.start, self.count = 0, 0
        if table != NO_TABLE:
            if table + _TABLE.size > metadata.end:
                raise FormatError("squashfs attribute table lies past the end", offset=table)
            self.start, self.count = _TABLE.unpack(reader.read(table, _TABLE.size))

    def of(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Names and values of list `number`, in the order of the image."""
        reference, count, _size = self._metadata.row(self._rows_at, self.count, number, _ROW)
        if count > _MOST_ATTRIBUTES:
            raise FormatError(f"squashfs inode with {count} attributes", offset=self._rows_at)
        place = (self.start + (reference >> 16), reference & 0xFFFF)
        for _ in range(count):
            raw, place = self._metadata.read(*place, _ENTRY.size)
            kind, length = _ENTRY.unpack(raw)
            name, place = self._metadata.read(*place, length)
            if kind & 0xFF >= len(_PREFIXES):
                raise FormatError(f"squashfs attribute of type {kind:#x}", offset=place[0])
            value, place = self._value(place)
            if kind & _BY_REFERENCE:
                if len(value) != _REFERENCE.size:
                    raise FormatError(f"squashfs attribute reference of {len(value)} bytes", offset=place[0])
                (target,) = _REFERENCE.unpack(value)
                value, _ = self._value((self.start + (target >> 16), target & 0xFFFF))
            yield _PREFIXES[kind & 0xFF] + name, value

    def _value(self, place: tuple[int, int]) -> tuple[bytes, tuple[int, int]]:
        raw, place = self._metadata.read(*place, _SIZE.size)
        (size,) = _SIZE.unpack(raw)
        if size > _LONGEST_VALUE:
            raise FormatError(f"squashfs attribute value of {size} bytes", offset=place[0])
        return self._metadata.read(*place, size)
