"""QEMU's qcow2, versions 2 and 3 (docs/interop/qcow2.rst of QEMU): header, L1 and L2 tables to a map."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.extents import Coding, DiskExtent, DiskMap, collect_extents
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_MAX_L1_BYTES = 32 << 20  # QEMU's own bound
_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_ZERO = 1
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION_TYPE, _EXTENDED_L2 = 1, 2, 4, 8, 16
_MAX_SIZE = 1 << 56


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    cluster_bits: int
    size: int
    l1_entries: int
    l1_offset: int
    coding: Coding
    notes: tuple[str, ...]


def map_qcow2(reader: Reader, budget: Budget) -> DiskMap:
    """The map of the active state; UnsupportedError for backing files, encryption, external data files."""
    header = _read_header(reader)
    extents = collect_extents(_merged(_clusters(reader, header, budget)))
    return DiskMap(header.size, extents, header.notes)


def _read_header(reader: Reader) -> _Header:
    if reader.size < _HEADER.size:
        raise TruncatedError("a qcow2 header needs 72 bytes", offset=reader.size)
    (magic, version, backing, _, bits, size, crypt, l1_entries, l1_offset, _, _, snapshots, _) = _HEADER.unpack(
        reader.read(0, _HEADER.size)
    )
    if magic != b"QFI\xfb" or version not in (2, 3):
        raise FormatError(f"qcow2 version {version} is neither 2 nor 3", offset=4)
    if backing:
        raise UnsupportedError("the qcow2 image needs a backing file; convert it with qemu-img first", offset=8)
    if crypt:
        raise UnsupportedError(f"the qcow2 image is encrypted (method {crypt})", offset=32)
    if not 9 <= bits <= 21:
        raise FormatError(f"qcow2 cluster of 2^{bits} bytes", offset=20)
    if size > _MAX_SIZE:
        raise FormatError(f"a qcow2 disk of {size} bytes", offset=24)
    coding, notes = _features(reader) if version == 3 else (Coding.DEFLATE, [])
    if snapshots:
        notes.append(f"{snapshots} internal snapshots are not looked at")
    needed = -(-size // ((1 << bits) * (1 << bits) // 8))
    if l1_entries < needed or l1_entries * 8 > _MAX_L1_BYTES:
        raise FormatError(f"qcow2 L1 table of {l1_entries} entries, {needed} are needed", offset=36)
    if l1_offset + needed * 8 > reader.size or l1_offset % 8:
        raise FormatError("qcow2 L1 table lies beyond the file", offset=40)
    return _Header(version, bits, size, needed, l1_offset, coding, tuple(notes))


def _features(reader: Reader) -> tuple[Coding, list[str]]:
    if reader.size < 112:
        raise TruncatedError("a qcow2 version 3 header needs 112 bytes", offset=reader.size)
    (incompatible,) = struct.unpack(">Q", reader.read(72, 8))
    (length,) = struct.unpack(">I", reader.read(100, 4))
    if incompatible & _DATA_FILE:
        raise UnsupportedError("the qcow2 image keeps its data in another file", offset=72)
    if incompatible & _EXTENDED_L2:
        raise UnsupportedError("the qcow2 image uses extended L2 entries (subclusters)", offset=72)
    unknown = incompatible & ~(_DIRTY | _CORRUPT | _COMPRESSION_TYPE)
    if unknown:
        raise UnsupportedError(f"qcow2 features {unknown:#x} are not known", offset=72)
    notes = []
    if incompatible & _CORRUPT:
        notes.append("the qcow2 image is marked corrupt")
    if incompatible & _DIRTY:
        notes.append("the qcow2 image was not closed cleanly")
    kind = bytes(reader.read(104, 1))[0] if incompatible & _COMPRESSION_TYPE and length > 104 else 0
    if kind not in (0, 1):
        raise UnsupportedError(f"qcow2 compression type {kind}", offset=104)
    return (Coding.ZSTD if kind else Coding.DEFLATE), notes


def _clusters(reader: Reader, header: _Header, budget: Budget) -> Iterator[DiskExtent]:
    cluster = 1 << header.cluster_bits
    per_table = cluster // 8
    table_format = struct.Struct(f">{per_table}Q")
    l1 = struct.iter_unpack(">Q", reader.read(header.l1_offset, header.l1_entries * 8))
    seen: set[int] = set()
    for number, (entry,) in enumerate(l1):
        table = entry & _OFFSET
        if not table:
            continue
        if table in seen:
            raise FormatError("a qcow2 L2 table is used twice", offset=header.l1_offset + number * 8)
        seen.add(table)
        if table % cluster or table + cluster > reader.size:
            raise FormatError("a qcow2 L2 table lies beyond the file", offset=header.l1_offset + number * 8)
        budget.enter()
        raw = bytes(reader.read(table, cluster))
        if raw == bytes(cluster):
            continue
        base = number * per_table * cluster
        for index, descriptor in enumerate(table_format.unpack(raw)):
            if descriptor and base + index * cluster < header.size:
                extent = _extent(descriptor, base + index * cluster, table + index * 8, header, reader.size)
                if extent is not None:
                    yield extent


def _extent(descriptor: int, start: int, place: int, header: _Header, file_size: int) -> DiskExtent | None:
    cluster = 1 << header.cluster_bits
    length = min(cluster, header.size - start)
    if descriptor & _COMPRESSED:
        shift = 62 - (header.cluster_bits - 8)
        offset = descriptor & ((1 << shift) - 1)
        sectors = (descriptor >> shift) & ((1 << (header.cluster_bits - 8)) - 1)
        stored = (sectors + 1) * 512 - (offset & 511)
        if offset >= file_size:
            raise TruncatedError("a qcow2 cluster lies beyond the file", offset=place)
        # the last sector may be shorter than announced
        return DiskExtent(start, length, header.coding, offset, min(stored, file_size - offset))
    offset = descriptor & _OFFSET
    if not offset or (descriptor & _ZERO and header.version == 3):
        return None
    if offset % cluster or offset + length > file_size:
        raise TruncatedError("a qcow2 cluster lies beyond the file", offset=place)
    return DiskExtent(start, length, Coding.RAW, offset, length)


def _merged(extents: Iterator[DiskExtent]) -> Iterator[DiskExtent]:
    """Raw neighbours as one, up to 16 MiB."""
    held: DiskExtent | None = None
    for extent in extents:
        if (
            held is not None
            and held.coding is Coding.RAW is extent.coding
            and held.start + held.length == extent.start
            and held.offset + held.stored == extent.offset
            and held.length < 16 << 20
        ):
            total = held.length + extent.length
            held = DiskExtent(held.start, total, Coding.RAW, held.offset, total)
            continue
        if held is not None:
            yield held
        held = extent
    if held is not None:
        yield held
