"""Recomputes one dm-verity tree over two processes and says which blocks are bad."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rocketaudit.errors import FormatError, RocketauditError, TruncatedError
from rocketaudit.evidence.schedule import WorkerFailure, run_tasks
from rocketaudit.formats.verity import SUPERBLOCK_SIZE, Layout, Superblock, parse_superblock
from rocketaudit.formats.verity_judge import TreeCheckBuilder, check_one_block, find_slack
from rocketaudit.formats.verity_tree import MAX_LISTED, RangeCheck, check_range, range_size
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader
from rocketaudit.model.verity import Slack, TreeCheck
from rocketaudit.source.span import FileSpan, MappedSpan

TASK_SECONDS = 120.0  # for 8 MiB: a disk that gives less than 70 KB/s counts as unreadable
_RETRIED_RANGES = 8
WINDOW = 256  # ranges that may be done before an earlier one is; they wait in memory


_Readers = tuple[FileSpan | MappedSpan, FileSpan | MappedSpan]


def check_tree(
    layout: Layout,
    data: FileSpan,
    hashes: FileSpan,
    *,
    workers: int = 2,
    limit: int = MAX_LISTED,
    slack: bool = True,
    superblock_at: int | None = None,
    progress: Progress | None = None,
) -> TreeCheck:
    """Check all data and hash blocks of the tree that `layout` describes.

    `data` and `hashes` may be spans of one file, also the same span. `superblock_at` is where in `hashes` a
    superblock lies, so that its bytes do not count as slack. `progress` is told how many ranges are done.
    Raises TruncatedError when a device is too small, and FormatError or OSError when the upper levels of the
    tree cannot be read; a range that cannot be read is in `unread`.
    """
    layout.check_sizes(data.size, hashes.size)
    header = _header_start(layout, superblock_at)
    if data == hashes and layout.data_end > header:
        raise FormatError(f"the data ends at byte {layout.data_end}, inside its own hash tree at {header}")
    found = tuple(_slack_of(layout, data, hashes, superblock_at)) if slack else ()
    if not layout.levels:
        return check_one_block(data, layout, found)
    step = range_size(layout)
    total = layout.levels[0].blocks
    starts = range(0, total, step)
    builder = TreeCheckBuilder(layout, hashes, limit)
    retried = 0
    parent = os.getpid()

    def open_readers() -> _Readers:
        """Maps in a worker; plain reading when the work stays in this process, which must not die of a map."""
        return (data, hashes) if os.getpid() == parent else (data.map(), hashes.map())

    if progress is not None:
        progress.phase("Checking verity", len(starts))
    for number, outcome in run_tasks(
        starts,
        lambda readers, first: _check_and_release(layout, readers, first, min(first + step, total), limit),
        start=open_readers,
        workers=workers,
        deadline=TASK_SECONDS,
        window=WINDOW,
        progress=None if progress is None else progress.advance,
    ):
        first, last = starts[number], min(starts[number] + step, total)
        if not isinstance(outcome, WorkerFailure):
            builder.add(outcome)
        elif retried < _RETRIED_RANGES:
            retried += 1
            _check_piecewise(builder, data, hashes, first, last)
        else:
            builder.add_unread(first, last, outcome.reason)
    return builder.finish(found)


def read_superblock(hashes: Reader, offset: int = 0) -> Superblock:
    """The superblock at a byte of the hash device, or FormatError."""
    if offset + SUPERBLOCK_SIZE > hashes.size:
        raise TruncatedError(f"no verity superblock there: the hash device has {hashes.size} bytes", offset=offset)
    return parse_superblock(hashes.read(offset, SUPERBLOCK_SIZE))


def _check_and_release(layout: Layout, readers: _Readers, first: int, last: int, limit: int) -> RangeCheck:
    data, hashes = readers
    result = check_range(data, hashes, layout, first, last, limit)
    for span, size in (
        (data, layout.per_block * layout.parameters.data_block_size),
        (hashes, layout.parameters.hash_block_size),
    ):
        if isinstance(span, MappedSpan):
            span.release((last - first) * size)
    return result


def _check_piecewise(builder: TreeCheckBuilder, data: FileSpan, hashes: FileSpan, first: int, last: int) -> None:
    """Again, hash block by hash block and without a map, so that one bad sector does not hide its neighbours."""
    for block in range(first, last):
        try:
            builder.add(check_range(data, hashes, builder.layout, block, block + 1, builder.limit))
        except (OSError, RocketauditError) as error:
            builder.add_unread(block, block + 1, str(error))


def _header_start(layout: Layout, superblock_at: int | None) -> int:
    if superblock_at is not None:
        return superblock_at
    return layout.parameters.hash_start_block * layout.parameters.hash_block_size


def _slack_of(layout: Layout, data: FileSpan, hashes: FileSpan, superblock_at: int | None) -> Iterator[Slack]:
    """Bytes other than zero in places that no digest covers."""
    data_end = _header_start(layout, superblock_at) if data == hashes else data.size
    places = [
        (data, layout.data_end, data_end, "data device after the last data block"),
        (hashes, layout.tree_end, hashes.size, "hash device after the tree"),
    ]
    if superblock_at is not None:
        tree_start = _header_start(layout, None)
        gap = "hash device between superblock and tree"
        places.append((hashes, superblock_at + SUPERBLOCK_SIZE, tree_start, gap))
    for device, start, end, what in places:
        for begin, finish in device.stored_extents(start, end):
            slack = find_slack(device, begin, finish, what)
            if slack is not None:
                yield slack
