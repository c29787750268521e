"""Collectors, loaded when they are asked for: most commands need none, and an image none of those for a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rocketaudit.evidence.collector import Collector
    from rocketaudit.model.target import TargetKind

    COLLECTORS: tuple[Collector, ...]


def collectors_for(kind: TargetKind) -> Iterator[Collector]:
    """Those that a target of that kind can answer, in the order in which they run; loaded with the first step."""
    from rocketaudit.evidence.collectors import STATIC

    yield from STATIC
    if kind == "node":
        from rocketaudit.evidence.running_collectors import RUNTIME

        yield from RUNTIME


def __getattr__(name: str) -> object:
    if name == "COLLECTORS":
        from rocketaudit.evidence.collectors import STATIC
        from rocketaudit.evidence.running_collectors import RUNTIME

        return STATIC + RUNTIME
    raise AttributeError(name)
