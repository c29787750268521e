"""The whole difference of two evidence values, before anyone judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rocketaudit.analysis.drift.disks import compare_disks, compare_identity
from rocketaudit.analysis.drift.facts import compare_facts
from rocketaudit.analysis.drift.files import compare_files
from rocketaudit.analysis.drift.identities import compare_identities
from rocketaudit.analysis.drift.packages import compare_packages
from rocketaudit.analysis.drift.programs import compare_binaries
from rocketaudit.analysis.drift.raw import compare_raw
from rocketaudit.analysis.drift.running import compare_running
from rocketaudit.analysis.drift.sides import Sides, line_up
from rocketaudit.analysis.drift.texts import compare_blobs
from rocketaudit.analysis.drift.trees import compare_verity
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence

COMPARISONS: tuple[Callable[[Sides], Iterator[Change]], ...] = (
    compare_identities,
    compare_identity,
    compare_verity,
    compare_disks,
    compare_blobs,
    compare_packages,
    compare_files,
    compare_binaries,
    compare_facts,
    compare_running,
)


def compare(before: Evidence, after: Evidence) -> tuple[Change, ...]:
    """All changes in a fixed order; empty when the two are equal and fully read."""
    sides = line_up(before, after)
    found = [change for comparison in COMPARISONS for change in comparison(sides)]
    return (*found, *compare_raw(sides, found))
