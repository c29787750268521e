"""Collectors. The list of all of them is in `collectors`, and loaded when it is asked for: most commands need none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rocketaudit.evidence.collectors import COLLECTORS as COLLECTORS


def __getattr__(name: str) -> object:
    if name == "COLLECTORS":
        from rocketaudit.evidence.collectors import COLLECTORS

        return COLLECTORS
    raise AttributeError(name)
