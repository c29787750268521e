"""Disk maps (qcow2, VMDK) to a sparse file: raw ranges are copied, compressed ones decoded in several processes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import zstandard

from rocketaudit.errors import FormatError
from rocketaudit.formats.containers.extents import Coding, DiskExtent, DiskMap
from rocketaudit.formats.containers.vmdk import PartFile, map_vmdk
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.source.processes import share
from rocketaudit.source.sparse import SparseFile

_PIECE = 4 << 20
_SHARE_FROM = 32 << 20
_CHUNK = 8 << 20  # neighbours stay in one process, which keeps reads in order


def expand_map(reader: Reader, disk: DiskMap, out: SparseFile, *, workers: int) -> int:
    """Write every extent; the size of the disk. FormatError for one that does not decode."""
    length = sum(extent.length for extent in disk.extents)
    out.need(length)
    out.count(length)
    chunks = list(_chunks(disk.extents))

    def work(mine: Sequence[Sequence[DiskExtent]]) -> None:
        for chunk in mine:
            for extent in chunk:
                _put(reader, extent, out)

    share(chunks, work, min(workers, 4) if length >= _SHARE_FROM else 1)
    out.finish(disk.size)
    return disk.size


def _chunks(extents: Sequence[DiskExtent]) -> Iterator[list[DiskExtent]]:
    chunk: list[DiskExtent] = []
    length = 0
    for extent in extents:
        chunk.append(extent)
        length += extent.length
        if length >= _CHUNK:
            yield chunk
            chunk, length = [], 0
    yield chunk


def _put(reader: Reader, extent: DiskExtent, out: SparseFile) -> None:
    if extent.coding is Coding.RAW:
        for at in range(0, extent.length, _PIECE):
            count = min(_PIECE, extent.length - at)
            out.put(extent.start + at, reader.read(extent.offset + at, count))
        return
    data = _decode(bytes(reader.read(extent.offset, extent.stored)), extent)
    if len(data) < extent.length:
        raise FormatError(f"{len(data)} bytes came out of {extent.length}", offset=extent.offset)
    out.put(extent.start, data[: extent.length])


def _decode(data: bytes, extent: DiskExtent) -> bytes:
    try:
        match extent.coding:
            case Coding.DEFLATE:
                return zlib.decompressobj(-12).decompress(data, extent.length)
            case Coding.ZLIB:
                return zlib.decompressobj().decompress(data, extent.length)
            case Coding.ZSTD:
                decoder = zstandard.ZstdDecompressor(max_window_size=1 << 23)
                with decoder.stream_reader(data) as stream:
                    return stream.read(extent.length)
            case Coding.RAW:
                return data
    except (zlib.error, zstandard.ZstdError) as error:
        raise FormatError(f"a compressed cluster does not decode: {error}", offset=extent.offset) from error


def expand_parts(parts: Sequence[tuple[PartFile, Reader | None]], out: SparseFile, budget: Budget) -> int:
    """The extents of several files, one after the other; an extent without a file is zeros."""
    at = 0
    for part, reader in parts:
        if reader is not None:
            found = _of_part(part, reader, at, budget)
            length = sum(extent.length for extent in found)
            out.need(length)
            out.count(length)
            for extent in found:
                _put(reader, extent, out)
        at += part.length
    out.finish(at)
    return at


def _of_part(part: PartFile, reader: Reader, at: int, budget: Budget) -> Sequence[DiskExtent]:
    """Where the bytes of a part lie in its file, which begin at byte `at` of the disk."""
    if not part.is_sparse:
        return (DiskExtent(at, part.length, Coding.RAW, part.offset, part.length),)
    disk = map_vmdk(reader, budget)
    if disk.size != part.length:
        raise FormatError(f"{part.name} is a part of {disk.size} bytes, its descriptor says {part.length}")
    return [replace(extent, start=extent.start + at) for extent in disk.extents]
