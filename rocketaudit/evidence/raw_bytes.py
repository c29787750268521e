"""Digests of the bytes of a disk that no tree of hashes and perhaps no file covers: boot code, gaps, free blocks.

A drift asks for them: that all files of two images are the same does not say that the images are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from rocketaudit.errors import BudgetError, FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Content, DiskSummary, PartitionTable, TableKind
from rocketaudit.model.evidence import RAW, Coverage, Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.reader import Reader, stored_extents
from rocketaudit.model.target import TargetKind
from rocketaudit.source.protocol import Source

OUTSIDE = "outside"
PIECE = 1 << 20
MAX_BYTES = 16 << 30  # that are stored, of all regions; a table may claim far more than the file behind it has
_HEADER, _ENTRY, _ATTRIBUTES, _ENTRIES = 92, 128, (48, 56), 128  # UEFI 2.10, 5.3.2 and 5.3.3
_SUMS_AND_GUID = ((16, 20), (56, 72), (88, 92))  # checksums follow from the rest; the GUID is compared by itself
Range = tuple[int, int]


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    reader: Reader | None = getattr(source, "reader", None)
    disk = source.disk
    if not wants.signatures or reader is None or disk is None or source.target.kind is not TargetKind.IMAGE:
        return
    left = MAX_BYTES
    covered = _behind_trees(disk)
    regions: list[tuple[str, str, list[Range]]] = [
        (str(one.number), one.scope, [(one.start, min(one.start + one.length, reader.size))])  # what there is of it
        for one in disk.partitions
        if one.content is not Content.BLANK and one.number not in covered and one.start < reader.size
    ]
    if disk.table.kind is not TableKind.NONE:
        regions.append((OUTSIDE, "", list(_outside(disk, reader.size))))
    for name, scope, ranges in regions:
        first = ranges[0][0] if ranges else 0
        key, place = Key(RAW, (name,), "sha256"), Locator(source.target.name, scope, offset=first)
        try:
            value, count = _digest(reader, ranges, left, source.budget)
            left -= count
        except (SourceError, FormatError, BudgetError, OSError) as error:
            yield Fact(key, Plane.STATIC, State.UNREAD, place, reason=str(error), scope=source.judged)
        else:
            yield Fact(key, Plane.STATIC, State.PRESENT, place, value, scope=source.judged)
    yield Coverage(Plane.STATIC, source.judged, f"{RAW}:*")


def _behind_trees(disk: DiskSummary) -> frozenset[int | None]:
    """Roots and hash trees: every byte of them is checked, and what lies behind their ends is told with the tree."""
    whole = [bank for bank in disk.banks if bank.populated and bank.hash is not None]
    return frozenset(number for bank in whole for number in (bank.root, bank.hash))


def _outside(disk: DiskSummary, size: int) -> Iterator[Range]:
    """What lies in no partition, but for what of the partition table is compared field by field."""
    taken = sorted(
        [(one.start, one.start + one.length) for one in disk.partitions] + list(_told_of_table(disk.table, size))
    )
    at = 0
    for start, end in taken:
        if start > at:
            yield at, min(start, size)
        at = max(at, end)
        if at >= size:
            return
    yield at, max(at, size)


def _told_of_table(table: PartitionTable, size: int) -> Iterator[Range]:
    if table.kind is not TableKind.GPT:
        return
    sector = table.sector_size
    array = _ENTRIES * _ENTRY
    for header, entries in ((sector, 2 * sector), (size - sector, size - sector - array)):
        yield from ((header + start, header + end) for start, end in _SUMS_AND_GUID)
        for number in range(_ENTRIES):
            start, end = (entries + number * _ENTRY + part for part in _ATTRIBUTES)
            yield start, end


def _digest(reader: Reader, ranges: Iterable[Range], limit: int, budget: Budget) -> tuple[str, int]:
    """(digest, bytes read): over pieces that are not all zero and their places, whether a file stores zeros or not."""
    digest, count = sha256(), 0
    for start, end in ranges:
        done = -1
        for first, last in stored_extents(reader, start, end):
            for number in range(max(done + 1, (first - start) // PIECE), -(-(last - start) // PIECE)):
                budget.check_time()
                at = start + number * PIECE
                piece = bytes(reader.read(at, min(PIECE, end - at)))
                count += len(piece)
                if count > limit:
                    raise FormatError(f"more than {MAX_BYTES} bytes outside of hash trees are not read")
                if piece.count(0) != len(piece):
                    digest.update(at.to_bytes(8, "little") + piece)
                done = number
    return digest.hexdigest(), count


STATIC = Collector("raw_bytes", Plane.STATIC, (f"{RAW}:*",), _collect)
