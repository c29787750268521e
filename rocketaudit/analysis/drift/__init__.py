"""Drift: the difference of two evidence values, placed, classed and judged."""

from rocketaudit.analysis.drift.compare import compare
from rocketaudit.analysis.drift.judge import decide, judge_drift

__all__ = ["compare", "decide", "judge_drift"]
