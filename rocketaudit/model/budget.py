"""One bound on what a scan may cost, handed to every reader: hostile input ends here, not in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field

from rocketaudit.errors import BudgetError
from rocketaudit.model.records import dataclass

GIB = 1 << 30
COLUMNS = 3  # numbers that processes share: bytes produced, given, and of holes
_SHARERS = 8  # processes that usually read at the same time, at most
_PACKED = 64  # times what it stores a file system may decode to: more than systems shrink by
_SHARED = 4  # times what it stores a file system may give out as it lies: some share blocks
_LEAST = 4096  # bytes that a piece counts as, since many small ones take their time too
_SMALL = 16  # the part of `max_bytes` that a file system of any size may give


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one scan may cost at most: bytes that decoders give out, entries, levels of folders, seconds, bytes held.

    `held` bounds the names, targets and attributes that are kept: a path may be thousands of bytes long in an image
    that holds each of its parts once. `holes` bounds the zeros of sparse files, which cost their maker nothing.
    """

    most_bytes: int = 64 * GIB
    entries: int = 2_000_000
    depth: int = 128
    seconds: float = 3600.0
    held: int = 512 << 20
    holes: int = 8 * GIB

    def budget(self) -> Budget:
        """A budget that nothing was spent of, and whose time starts now."""
        return Budget(self.most_bytes, self.entries, self.depth, self.seconds, self.held, self.holes)


@dataclass(slots=True)
class Budget:
    """Counts bytes produced, entries seen and seconds spent; raises BudgetError past a limit.

    `entry_bytes` bounds what one read of a whole file may hold in memory. Bytes are one count for all processes that
    read at the same time: each keeps its own three numbers where all can see them (`share`). How much file systems may
    give grows with what they store (`allow`), so that a small image cannot take the time of a large one.
    """

    max_bytes: int = 64 * GIB
    max_entries: int = 2_000_000
    max_depth: int = 128
    max_seconds: float = 3600.0
    max_held: int = 512 << 20
    max_holes: int = 8 * GIB
    entry_bytes: int = GIB
    clock: Callable[[], float] = time.monotonic
    spent_bytes: int = 0
    spent_entries: int = 0
    held: int = 0
    started: float = field(default=-1.0)
    stored: int = 0  # bytes of files given out as they lie on the disk
    holes: int = 0  # bytes of files that are not stored
    opened: int = 0  # bytes that file systems store, those that were opened
    before: int = 0  # bytes produced before the first of them was
    _table: memoryview | None = None
    _row: int = 0
    _look_at: int = 0
    _look_at_stored: int = 0
    _look_at_holes: int = 0

    def __post_init__(self) -> None:
        if self.started < 0:
            self.started = self.clock()

    def produce(self, count: int) -> None:
        """Account for `count` bytes that a decoder gives out (not for bytes merely mapped)."""
        self.spent_bytes += count
        if self.spent_bytes >= self._look_at:
            total, most = self._total(0, self.spent_bytes), self._most_produced()
            if total > most:
                raise BudgetError(f"more than {most} bytes produced in this scan", hint=self._hint(most))
            self._look_at = self.spent_bytes + self._step(most - total)

    def allow(self, size: int) -> None:
        """A file system that stores `size` bytes was opened: what its files may give grows with it."""
        if not self.opened:
            self.before = self.spent_bytes
        self.opened += size
        self._look_at = self._look_at_stored = 0

    def _most_produced(self) -> int:
        if not self.opened:
            return self.max_bytes
        return min(self.max_bytes, self.before + max(self.max_bytes // _SMALL, _PACKED * self.opened))

    def _hint(self, most: int) -> str:
        if most >= self.max_bytes:
            return ""
        return f"if that is right, --limit bytes=N allows more: N // {_SMALL} at least"

    def give(self, count: int) -> None:
        """Account for `count` bytes of a file given out as they lie on the disk, which many files may share.

        What does not fit is refused and not counted, so that others can still be read.
        """
        cost = max(count, _LEAST)
        self.stored += cost
        if self.stored >= self._look_at_stored:
            total, most = self._total(1, self.stored), max(self.max_bytes // _SMALL, _SHARED * self.opened)
            if total > most:
                self.stored -= cost
                self._total(1, self.stored)
                what = f"{count} bytes of a file, more than {most} bytes of files in this scan"
                raise BudgetError(what, hint=self._hint(most))
            self._look_at_stored = self.stored + self._step(most - total)

    def skip(self, count: int) -> None:
        """Account for `count` zeros of a file that are not stored; what does not fit is refused and not counted."""
        cost = max(count, _LEAST)
        self.holes += cost
        if self.holes >= self._look_at_holes:
            total = self._total(2, self.holes)
            if total > self.max_holes:
                self.holes -= cost
                self._total(2, self.holes)
                raise BudgetError(
                    f"a hole of {count} bytes, more than {self.max_holes} bytes of holes in this scan",
                    hint="if a sparse file may be that large, allow it with --limit holes=N",
                )
            self._look_at_holes = self.holes + self._step(self.max_holes - total)

    def share(self, table: memoryview, row: int, rows: int) -> None:
        """From now on count together with others: `table` holds three numbers of 8 bytes for each of `rows` processes.

        Row 0 is that of the process which keeps the budget; the others begin at nothing.
        """
        self._table, self._row = table[: COLUMNS * rows], row
        if row:
            self.spent_bytes = self.stored = self.holes = 0
        self._look_at = self._look_at_stored = self._look_at_holes = 0
        self._total(0, self.spent_bytes)
        self._total(1, self.stored)
        self._total(2, self.holes)

    def gather(self) -> None:
        """Take in what the others have counted (to 64 MiB each, far from a limit), and count alone again."""
        if self._table is not None:
            self.spent_bytes, self.stored = self._total(0, self.spent_bytes), self._total(1, self.stored)
            self.holes = self._total(2, self.holes)
            self._table = None

    def _total(self, column: int, own: int) -> int:
        if self._table is None:
            return own
        self._table[COLUMNS * self._row + column] = own
        return sum(self._table[column::COLUMNS])

    def _step(self, left: int) -> int:
        """How many more bytes may be counted before the others are asked: less and less as the end comes near."""
        return left + 1 if self._table is None else min(64 << 20, left // _SHARERS) + 1

    def enter(self, count: int = 1) -> None:
        """Account for directory entries, table rows, records; also looks at the clock now and then."""
        before = self.spent_entries
        self.spent_entries = before + count
        if self.spent_entries > self.max_entries:
            raise BudgetError(f"more than {self.max_entries} entries in this scan")
        if before >> 10 != self.spent_entries >> 10:
            self.check_time()

    def hold(self, count: int) -> None:
        """Account for bytes of names and attributes that are kept until the end of the scan."""
        self.held += count
        if self.held > self.max_held:
            raise BudgetError(f"more than {self.max_held} bytes of names and attributes in this scan")

    def check(self) -> None:
        """BudgetError when a limit of the whole scan is passed already."""
        self._look_at = 0
        self.produce(0)
        self.enter(0)
        self.hold(0)
        self.check_time()

    def check_depth(self, depth: int) -> None:
        if depth > self.max_depth:
            raise BudgetError(f"nested deeper than {self.max_depth} levels")

    def check_time(self) -> None:
        if self.clock() - self.started > self.max_seconds:
            raise BudgetError(f"longer than {self.max_seconds:g} seconds")
