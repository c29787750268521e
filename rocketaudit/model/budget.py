"""One bound on what a scan may cost, handed to every reader: hostile input ends here, not in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rocketaudit.errors import BudgetError

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one scan may cost at most: bytes that decoders give out, entries, levels of folders, seconds, bytes held.

    `held` bounds the names, targets and attributes that are kept: a path may be thousands of bytes long in an image
    that holds each of its parts once.
    """

    most_bytes: int = 64 * GIB
    entries: int = 2_000_000
    depth: int = 128
    seconds: float = 3600.0
    held: int = 512 << 20

    def budget(self) -> Budget:
        """A budget that nothing was spent of, and whose time starts now."""
        return Budget(self.most_bytes, self.entries, self.depth, self.seconds, self.held)


@dataclass(slots=True)
class Budget:
    """Counts bytes produced, entries seen and seconds spent; raises BudgetError past a limit.

    `entry_bytes` bounds what one read of a whole file may hold in memory.
    """

    max_bytes: int = 64 * GIB
    max_entries: int = 2_000_000
    max_depth: int = 128
    max_seconds: float = 3600.0
    max_held: int = 512 << 20
    entry_bytes: int = GIB
    clock: Callable[[], float] = time.monotonic
    spent_bytes: int = 0
    spent_entries: int = 0
    held: int = 0
    started: float = field(default=-1.0)

    def __post_init__(self) -> None:
        if self.started < 0:
            self.started = self.clock()

    def produce(self, count: int) -> None:
        """Account for `count` bytes that a decoder gives out (not for bytes merely mapped)."""
        self.spent_bytes += count
        if self.spent_bytes > self.max_bytes:
            raise BudgetError(f"more than {self.max_bytes} bytes produced in this scan")

    def enter(self, count: int = 1) -> None:
        """Account for directory entries, table rows, records; also looks at the clock now and then."""
        before = self.spent_entries
        self.spent_entries = before + count
        if self.spent_entries > self.max_entries:
            raise BudgetError(f"more than {self.max_entries} entries in this scan")
        if before >> 10 != self.spent_entries >> 10:
            self.check_time()

    def most_read(self, size: int) -> int:
        """How many bytes of files a file system of `size` bytes may give out, as files may share blocks."""
        return max(self.max_bytes, 4 * size)

    def hold(self, count: int) -> None:
        """Account for bytes of names and attributes that are kept until the end of the scan."""
        self.held += count
        if self.held > self.max_held:
            raise BudgetError(f"more than {self.max_held} bytes of names and attributes in this scan")

    def check(self) -> None:
        """BudgetError when a limit of the whole scan is passed already."""
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
