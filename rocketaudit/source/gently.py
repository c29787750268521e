"""Reading a busy node's disk without being felt: a byte rate, idle I/O priority, low CPU priority."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rocketaudit.errors import UsageError
from rocketaudit.source.raw import RawFile

MIB = 1 << 20
_NICE = 10
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}  # arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h
_WHO_PROCESS = 1
_CLASS_IDLE = 3 << 13  # include/uapi/linux/ioprio.h
_RATE = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[kKmMgG]?)(?:i?[bB])?(?:/s)?")
_UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30}


def parse_rate(text: str) -> int | None:
    """Bytes per second of "50M", "200k/s" or a plain number; None for "unlimited"; UsageError otherwise."""
    if text.strip().lower() in ("unlimited", "none"):
        return None
    match = _RATE.fullmatch(text.strip())
    rate = 0 if match is None else int(match["number"]) * _UNITS[match["unit"].lower()]
    if rate < 4096:
        raise UsageError(f"--io-budget {text!r} is no rate", hint="as in 50M, which means MiB per second; or unlimited")
    return rate


def step_back() -> tuple[str, ...]:
    """Take idle I/O priority and a low CPU priority for this process and its children; returns what was refused."""
    refused = []
    try:
        os.nice(_NICE)
    except OSError as error:
        refused.append(f"a lower CPU priority: {error.strerror}")
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        refused.append(f"idle I/O priority: not known for {platform.machine()}")
        return tuple(refused)
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE) != 0:
        refused.append(f"idle I/O priority: {os.strerror(ctypes.get_errno())}")
    return tuple(refused)


@dataclass(slots=True)
class PacedReader:
    """A disk of which at most `rate` bytes per second are read (None: as fast as it goes); counts what it read.

    The rate holds per process: with several workers it is to be divided among them.
    """

    raw: RawFile
    rate: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    read_bytes: int = 0
    _free_at: float = field(default=0.0)

    @property
    def size(self) -> int:
        return self.raw.size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes, after waiting for what was read before; TruncatedError as the disk itself."""
        if self.rate is not None:
            now = self.clock()
            if self._free_at > now:
                self.sleep(self._free_at - now)
                now = self._free_at
            self._free_at = max(now, self._free_at) + length / self.rate
        self.read_bytes += length
        return self.raw.read(offset, length)
