"""VMware disks: hosted sparse extents, streamOptimized among them, and the text descriptor of flat ones.

Source: "Virtual Disk Format 5.0" (VMware technical note).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.extents import Coding, DiskExtent, DiskMap, collect_extents
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

SECTOR = 512
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_AT_END = 0xFFFFFFFFFFFFFFFF
_COMPRESSED, _MARKERS = 1 << 16, 1 << 17
_MAX_TABLES = 1 << 20
MAX_DESCRIPTOR = 64 << 10
_EXTENT_LINE = re.compile(r'^(RW|RDONLY|NOACCESS)\s+(\d{1,18})\s+([A-Z0-9]+)(?:\s+"([^"]*)"(?:\s+(\d{1,18}))?)?\s*$')
_FLAT_KINDS = frozenset({"FLAT", "VMFS", "VMFSRAW"})


@dataclass(frozen=True, slots=True)
class PartFile:
    """`length` bytes of the disk: at `offset` of the file `name`, or zeros when there is no name.

    `is_sparse`: the file is a sparse extent of its own, whose map says where they are.
    """

    name: str
    offset: int
    length: int
    is_sparse: bool = False


def map_vmdk(reader: Reader, budget: Budget) -> DiskMap:
    """The map of a sparse extent (monolithicSparse or streamOptimized); UnsupportedError for a delta disk."""
    fields = _header(reader, 0)
    if fields[9] == _AT_END:  # streamOptimized: the footer before the last marker knows where the directory is
        if reader.size < 2 * SECTOR + SECTOR:
            raise TruncatedError("the VMDK ends before its footer", offset=reader.size)
        fields = _header(reader, reader.size - 2 * SECTOR)
    (_, _, flags, capacity, grain, text_at, text_size, per_table, _, directory, _, _, _, compression) = fields
    _refuse_delta(_embedded_descriptor(reader, text_at, text_size))
    if not 8 <= grain <= 128 << 10 or grain & (grain - 1):
        raise FormatError(f"VMDK grains of {grain} sectors", offset=20)
    if not 1 <= per_table <= 4096:
        raise FormatError(f"VMDK grain tables of {per_table} entries", offset=44)
    if flags & _COMPRESSED and compression != 1:
        raise UnsupportedError(f"VMDK compression {compression}", offset=77)
    tables = -(-capacity // (grain * per_table))
    if tables > _MAX_TABLES or directory * SECTOR + tables * 4 > reader.size:
        raise FormatError("the VMDK grain directory lies beyond the file", offset=56)
    grains = _grains(reader, directory * SECTOR, tables, per_table, grain * SECTOR, capacity * SECTOR, flags, budget)
    return DiskMap(capacity * SECTOR, collect_extents(grains))


def _header(reader: Reader, at: int) -> tuple[Any, ...]:
    if at + SECTOR > reader.size:
        raise TruncatedError("the VMDK ends inside its header", offset=at)
    fields = _HEADER.unpack_from(reader.read(at, SECTOR))
    if fields[0] != b"KDMV":
        raise FormatError("no VMDK header", offset=at)
    if fields[1] not in (1, 2, 3):
        raise UnsupportedError(f"VMDK version {fields[1]}", offset=at + 4)
    return fields


def _embedded_descriptor(reader: Reader, sector: int, count: int) -> str:
    length = min(count * SECTOR, MAX_DESCRIPTOR)
    if not count or sector * SECTOR + length > reader.size:
        return ""
    return bytes(reader.read(sector * SECTOR, length)).split(b"\0", 1)[0].decode("utf-8", "replace")


def _refuse_delta(descriptor: str) -> None:
    match = re.search(r"^\s*parentCID\s*=\s*([0-9a-fA-F]+)", descriptor, re.MULTILINE)
    if match and int(match[1], 16) & 0xFFFFFFFF != 0xFFFFFFFF:
        raise UnsupportedError("the VMDK is a delta of another disk")


def _grains(
    reader: Reader,
    directory: int,
    tables: int,
    per_table: int,
    grain: int,
    capacity: int,
    flags: int,
    budget: Budget,
) -> Iterator[DiskExtent]:
    seen: set[int] = set()
    for number, table in enumerate(struct.unpack(f"<{tables}I", reader.read(directory, tables * 4))):
        if not table:
            continue
        if table in seen:
            raise FormatError("a VMDK grain table is used twice", offset=directory + number * 4)
        seen.add(table)
        at = table * SECTOR
        if at + per_table * 4 > reader.size:
            raise FormatError("a VMDK grain table lies beyond the file", offset=directory + number * 4)
        budget.enter()
        for index, sector in enumerate(struct.unpack(f"<{per_table}I", reader.read(at, per_table * 4))):
            start = (number * per_table + index) * grain
            if sector > 1 and start < capacity:
                yield _grain(reader, sector * SECTOR, start, min(grain, capacity - start), flags)


def _grain(reader: Reader, at: int, start: int, length: int, flags: int) -> DiskExtent:
    if not flags & _COMPRESSED:
        if at + length > reader.size:
            raise TruncatedError("a VMDK grain lies beyond the file", offset=at)
        return DiskExtent(start, length, Coding.RAW, at, length)
    if at + 12 > reader.size:
        raise TruncatedError("a VMDK grain lies beyond the file", offset=at)
    sector, stored = struct.unpack("<QI", reader.read(at, 12))
    if sector * SECTOR != start:
        raise FormatError(f"a VMDK grain of sector {sector} is listed for sector {start // SECTOR}", offset=at)
    if not stored or stored > 2 * length + 4096 or at + 12 + stored > reader.size:
        raise FormatError(f"a VMDK grain of {stored} stored bytes", offset=at + 8)
    return DiskExtent(start, length, Coding.ZLIB, at + 12, stored)


def parse_descriptor(data: bytes) -> tuple[PartFile, ...]:
    """The extents of a text descriptor, in order; UnsupportedError for kinds that only ESX writes, or a delta.

    Names are what the descriptor says: whoever opens them must keep to the descriptor's own folder.
    """
    if len(data) > MAX_DESCRIPTOR:
        raise FormatError(f"a VMDK descriptor of {len(data)} bytes")
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace")
    _refuse_delta(text)
    extents = []
    for line in text.splitlines():
        match = _EXTENT_LINE.match(line.strip())
        if match is None:
            continue
        access, sectors, kind, name, offset = match.groups()
        if kind == "ZERO":
            extents.append(PartFile("", 0, int(sectors) * SECTOR))
        elif kind in _FLAT_KINDS and name and access != "NOACCESS":
            extents.append(PartFile(name, int(offset or 0) * SECTOR, int(sectors) * SECTOR))
        elif kind == "SPARSE" and name and access != "NOACCESS":
            extents.append(PartFile(name, 0, int(sectors) * SECTOR, is_sparse=True))
        else:
            raise UnsupportedError(f"a VMDK extent of kind {kind} ({access})")
    if not extents:
        raise FormatError("the VMDK descriptor lists no extent")
    return tuple(extents)
