"""One budget for all processes of a scan: what each has counted stands in memory that all of them see."""

from __future__ import annotations

import mmap
import os
import struct

from rocketaudit.errors import BudgetError
from rocketaudit.model.budget import COLUMNS, Budget

_ROWS = 1024  # processes: more are never forked for one job, those that died included
_NUMBER = struct.Struct("<H")


class SharedBudget:
    """The budget of this process and of those forked while it is open, which each `join` it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parent = os.getpid()
        self._table = memoryview(mmap.mmap(-1, _ROWS * COLUMNS * 8)).cast("Q")
        self._numbers, writing = os.pipe()
        os.write(writing, b"".join(_NUMBER.pack(number) for number in range(1, _ROWS)))
        os.close(writing)
        budget.share(self._table, 0, _ROWS)

    def join(self) -> None:
        """In a forked process: count from nothing in a row of its own."""
        if os.getpid() == self._parent:
            return
        number = os.read(self._numbers, _NUMBER.size)
        if not number:
            raise BudgetError(f"more than {_ROWS} processes in this scan")
        self._budget.share(self._table, _NUMBER.unpack(number)[0], _ROWS)

    def close(self) -> None:
        """Take in what all of them have counted."""
        self._budget.gather()
        os.close(self._numbers)
