"""Drift: the difference of two evidence values, placed, classed and judged."""

from rocketaudit.analysis.drift.compare import compare

__all__ = ["compare"]
