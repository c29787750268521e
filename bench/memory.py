"""How much memory a command takes for itself: what no file could give back, pages shared after a fork by share."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SECONDS = 0.01  # between looks


def private_peak(command: Sequence[str]) -> float:
    """The largest private (anonymous) memory of any single process of the command, in MiB; 0 without /proc.

    A run of its own, since looking at a process slows it down.
    """
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max((peak, *map(_private, _family(process.pid))))
            time.sleep(SECONDS)
    return peak / 1024


def _family(process: int) -> Iterator[int]:
    yield process
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            for child in Path(f"/proc/{process}/task/{thread}/children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return


def _private(process: int) -> int:
    """KiB, as Linux counts them since 5.6 (Documentation/ABI/testing/procfs-smaps_rollup)."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
