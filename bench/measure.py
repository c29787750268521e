"""Run two commands in turns and say what each cost; nothing here knows what the commands are."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.memory import private_peak

ONE = Path(__file__).with_name("run_one.py")


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to exit: seconds on the wall and of CPU (children included), largest process in MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True)
class Cost:
    """The medians of several runs; `fastest` is the least wall time."""

    wall: float
    cpu: float
    peak: float
    fastest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours against the reference; the ratios are medians over the pairs, so a slow moment of the machine hits both."""

    ours: Cost
    reference: Cost
    wall_ratio: float
    cpu_ratio: float
    pairs: int
    private: float  # MiB of ours, bench/memory.py; 0 for a part that measures itself


class CommandFailedError(Exception):
    """A measured command did not end as the case says it must."""


def run_once(command: Sequence[str], *, accept: Sequence[int] = (0,), inside: bool = False) -> Run:
    """Run one command with its output thrown away; CommandFailedError when its exit code is not one of `accept`.

    `inside`: the command measures itself and prints "wall cpu" (bench/inside.py).
    """
    with tempfile.TemporaryDirectory() as folder:
        said, printed = Path(folder, "stderr"), Path(folder, "stdout")
        line = [sys.executable, "-I", "-S", str(ONE), str(said), str(printed) if inside else os.devnull, *command]
        # an installed package has its bytecode, so the warm-up may write it
        around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(line, capture_output=True, text=True, check=True, env=around)
        code, wall, cpu, peak = done.stdout.split()
        if int(code) not in accept:
            last = said.read_text(errors="replace").strip().splitlines()[-1:] or [""]
            raise CommandFailedError(f"{Path(command[0]).name} ended with {code}: {last[0][:160]}")
        if inside:
            wall, cpu = printed.read_text().split()
    return Run(float(wall), float(cpu), int(peak) / 1024)


def compare(
    ours: Sequence[str], reference: Sequence[str], *, pairs: int, accept: Sequence[int] = (0,), inside: bool = False
) -> Comparison:
    """One warm-up of each, then `pairs` alternating pairs; who goes first alternates too."""
    run_once(ours, accept=accept, inside=inside)
    run_once(reference, inside=inside)
    first: list[Run] = []
    second: list[Run] = []
    for number in range(pairs):
        if number % 2:
            second.append(run_once(reference, inside=inside))
            first.append(run_once(ours, accept=accept, inside=inside))
        else:
            first.append(run_once(ours, accept=accept, inside=inside))
            second.append(run_once(reference, inside=inside))
    return Comparison(
        cost(first),
        cost(second),
        statistics.median(mine.wall / other.wall for mine, other in zip(first, second, strict=True)),
        statistics.median(mine.cpu / max(other.cpu, 1e-4) for mine, other in zip(first, second, strict=True)),
        pairs,
        0.0 if inside else private_peak(ours),
    )


def cost(runs: Sequence[Run]) -> Cost:
    return Cost(
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        statistics.median(run.peak for run in runs),
        min(run.wall for run in runs),
    )
