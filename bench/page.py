"""The Markdown page of results; rows that could not be measured say why."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.measure import Comparison

HEAD = """\
# Benchmarks

Written by `make bench` (`python -m bench`); do not edit. Whole processes from start to exit, page cache warm, one
warm-up, then pairs that alternate (ours, reference; reference, ours; ...). Times are medians in seconds; a ratio is the
median over the pairs of ours divided by the reference, so below 1 is faster. CPU counts all child processes; memory is
the largest single process, file-mapped pages included; private memory (that no file backs) is that of the largest
process of ours, in a run of its own. `python -m bench WORD...` measures the cases that hold the words again and keeps
the other rows; each row says when, and on which commit (`+`: with changes that were not committed).
"""
COLUMNS = (
    "case",
    "ours wall",
    "CPU",
    "MiB",
    "private MiB",
    "reference wall",
    "CPU",
    "MiB",
    "wall ratio",
    "CPU ratio",
    "pairs",
    "meaning",
    "measured",
)


@dataclass(frozen=True, slots=True)
class Row:
    case: Case
    result: Comparison | str  # or why there is none


def write(path: Path, rows: Iterable[str]) -> None:
    """The whole page: a line per row, as `line` makes it."""
    head = ["| " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * (len(COLUMNS) - 3) + "|---|---|"]
    path.write_text("\n".join((HEAD, machine(), "", *head, *rows)) + "\n")


def read(path: Path) -> dict[str, str]:
    """The lines of an earlier page by the name of their case; empty where there is none."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    cells = {line: line.strip("|").split("|") for line in lines if line.startswith("| ")}
    return {row[0].strip(): line for line, row in cells.items() if len(row) == len(COLUMNS) and row[0] != " case "}


def commit() -> str:
    """The short name of the commit that is checked out, with `+` when files differ from it."""
    git = ("git", "-C", str(Path(__file__).resolve().parent))
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "-uno", "../rocketaudit"], capture_output=True).stdout
    return (name or "no commit") + ("+" if changed else "")


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


def line(row: Row, measured: str) -> str:
    """One line of the table; `measured` is its day and commit."""
    if isinstance(row.result, str):
        cells = [row.case.name, *[""] * (len(COLUMNS) - 3), f"not measured: {row.result}".replace("|", "/")]
    else:
        ours, reference = row.result.ours, row.result.reference
        cells = [row.case.name]
        cells += [f"{ours.wall:.3f}", f"{ours.cpu:.3f}", f"{ours.peak:.0f}"]
        cells += [f"{row.result.private:.0f}" if row.result.private else ""]
        cells += [f"{reference.wall:.3f}", f"{reference.cpu:.3f}", f"{reference.peak:.0f}"]
        cells += [f"{row.result.wall_ratio:.2f}", f"{row.result.cpu_ratio:.2f}", str(row.result.pairs), row.case.says]
    return "| " + " | ".join([*cells, measured]) + " |"
