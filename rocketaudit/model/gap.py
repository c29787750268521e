"""What could not be read, so that its absence is never taken for an answer."""

from __future__ import annotations

from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that could not be read, so that nothing below `path` may be called absent. "" is all of the scope."""

    scope: str
    path: str
    reason: str
