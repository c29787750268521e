"""One part of judging by itself: `python -m bench.inside_evidence PART FILE [FILE]` prints "wall cpu".

PART is one of
  rules  every shipped rule over the evidence of a file that was loaded before
  judge  loading the file and the rules, and judging
  drift  loading two files, judging both, and comparing them
  json   the standard library's json.loads of all files, for comparison
Nothing but the part itself is in the figures: no start of Python, no imports.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from bench.inside import Measured, timed
from rocketaudit.analysis.benchmark import judge
from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.cli import drift, drift_compare, drift_sides
from rocketaudit.cli.running import SHIPPED, Run, read_benchmarks
from rocketaudit.formats.evidence_file import load_evidence
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.policy import Policy
from rocketaudit.model.rule import Benchmark, BenchmarkResult

TODAY = date(2026, 1, 1)
_LOADED = (drift_compare, drift_sides)  # what `drift` imports when it is called


def judged(benchmarks: tuple[Benchmark, ...], evidence: Evidence) -> tuple[BenchmarkResult, ...]:
    return judge(benchmarks, evidence, judge_integrity(evidence), level=2, today=TODAY, policy=Policy())


def rules(files: list[Path]) -> Measured:
    evidence, benchmarks = load_evidence(files[0].read_bytes()), read_benchmarks(SHIPPED)
    return timed(lambda: judged(benchmarks, evidence))


def load_and_judge(files: list[Path]) -> Measured:
    return timed(lambda: judged(read_benchmarks(SHIPPED), load_evidence(files[0].read_bytes())))


def compared(files: list[Path]) -> Measured:
    return timed(lambda: drift.compare_sides(str(files[0]), str(files[1]), Run(target=files[1])))


def plain(files: list[Path]) -> Measured:
    return timed(lambda: [json.loads(file.read_bytes()) for file in files])


PARTS: dict[str, Callable[[list[Path]], Measured]] = {
    "rules": rules,
    "judge": load_and_judge,
    "drift": compared,
    "json": plain,
}

if __name__ == "__main__":
    gc.set_threshold(100_000, 20, 20)  # as cli/main.py does
    print(*(f"{seconds:.6f}" for seconds in PARTS[sys.argv[1]]([Path(word) for word in sys.argv[2:]])))
