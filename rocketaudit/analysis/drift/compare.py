"""The whole difference of two evidence values, before anyone judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rocketaudit.analysis.drift.disks import compare_blobs, compare_disks, compare_identity, compare_verity
from rocketaudit.analysis.drift.facts import compare_facts
from rocketaudit.analysis.drift.files import compare_files
from rocketaudit.analysis.drift.programs import compare_binaries, compare_packages
from rocketaudit.analysis.drift.sides import Sides, line_up
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence

AREAS: tuple[Callable[[Sides], Iterator[Change]], ...] = (
    compare_identity,
    compare_verity,
    compare_disks,
    compare_blobs,
    compare_packages,
    compare_files,
    compare_binaries,
    compare_facts,
)


def compare(before: Evidence, after: Evidence) -> tuple[Change, ...]:
    """All changes in a fixed order; empty when the two are equal and fully read."""
    sides = line_up(before, after)
    return tuple(change for area in AREAS for change in area(sides))
