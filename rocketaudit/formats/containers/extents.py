"""The common answer of disk formats that are maps: which bytes of the file are which bytes of the disk."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import islice

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_EXTENTS = 1 << 20


class Coding(StrEnum):
    RAW = "raw"
    DEFLATE = "deflate"
    ZLIB = "zlib"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class DiskExtent:
    """`length` bytes of the disk from `start` are the `stored` bytes at `offset` of the file, decoded."""

    start: int
    length: int
    coding: Coding
    offset: int
    stored: int


@dataclass(frozen=True, slots=True)
class DiskMap:
    """What is not in `extents` reads as zeros; `notes` say what was seen on the way."""

    size: int
    extents: tuple[DiskExtent, ...]
    notes: tuple[str, ...] = ()


def collect_extents(extents: Iterable[DiskExtent]) -> tuple[DiskExtent, ...]:
    """All extents; FormatError for more than a million, which no image needs and which memory would feel."""
    found = tuple(islice(extents, MAX_EXTENTS + 1))
    if len(found) > MAX_EXTENTS:
        raise FormatError(f"more than {MAX_EXTENTS} stored ranges in the image")
    return found
