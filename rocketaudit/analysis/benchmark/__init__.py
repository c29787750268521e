"""Benchmarks: rules as data, judged over evidence."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.judge import judge, judge_rule, needs
from rocketaudit.analysis.benchmark.loader import load_benchmarks, parse_check

__all__ = ["judge", "judge_rule", "load_benchmarks", "needs", "parse_check"]
