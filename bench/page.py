"""The Markdown page of results; rows that could not be measured say why."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.measure import Comparison

HEAD = """\
# Benchmarks

Written by `make bench` (`python -m bench`); do not edit. Whole processes from start to exit, page cache warm, one
warm-up, then pairs that alternate (ours, reference; reference, ours; ...). Times are medians in seconds; a ratio is the
median over the pairs of ours divided by the reference, so below 1 is faster. CPU counts all child processes; memory is
the largest single process, file-mapped pages included.
"""
COLUMNS = (
    "case",
    "ours wall",
    "CPU",
    "MiB",
    "reference wall",
    "CPU",
    "MiB",
    "wall ratio",
    "CPU ratio",
    "pairs",
    "meaning",
)


@dataclass(frozen=True, slots=True)
class Row:
    case: Case
    result: Comparison | str  # or why there is none


def write(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("\n".join((HEAD, machine(), "", *table(rows))) + "\n")


def machine() -> str:
    """The machine in words that name no host."""
    model = "unknown processor"
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.partition(":")[2].strip() for line in information.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    python = f"Python {platform.python_version()}"
    return f"Machine: {os.cpu_count()} CPUs, {model}, Linux {platform.release().split('-')[0]}, {python}."


def table(rows: Sequence[Row]) -> list[str]:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * 9 + "|---|"]
    return lines + [line(row) for row in rows]


def line(row: Row) -> str:
    if isinstance(row.result, str):
        cells = [row.case.name, *[""] * 9, f"not measured: {row.result}".replace("|", "/")]
    else:
        ours, reference = row.result.ours, row.result.reference
        cells = [row.case.name]
        for cost in (ours, reference):
            cells += [f"{cost.wall:.3f}", f"{cost.cpu:.3f}", f"{cost.peak:.0f}"]
        cells += [f"{row.result.wall_ratio:.2f}", f"{row.result.cpu_ratio:.2f}", str(row.result.pairs), row.case.says]
    return "| " + " | ".join(cells) + " |"
