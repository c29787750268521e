"""Bytes of the disk that differ where nothing else does: boot code, gaps between partitions, blocks of no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rocketaudit.analysis.drift.facts import NOT_ASKED
from rocketaudit.analysis.drift.sides import JUDGED, NOT_LOOKED_AT, Sides, difference, not_comparable, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import RAW, Evidence
from rocketaudit.model.fact import Fact, State

AREA, ATTRIBUTE = "partitions", "bytes"
# of a partition, and no byte outside of it or of what is left out of these digests
_NOT_IN_THE_TABLE = ("attributes", "content", "detail", "label", "uuid", "features", "warnings")
_WHOLE = "outside of all partitions"
_NO_DISK = "only images are compared byte by byte"


def compare_raw(sides: Sides, others: Sequence[Change]) -> Iterator[Change]:
    """One change per region whose bytes differ and in which nothing else that was compared did."""
    old, new = _told(sides.before), _told(sides.after)
    if not old and not new:
        return
    if not sides.same_kind:
        yield not_comparable(AREA, "disk", ATTRIBUTE, sides.where, _NO_DISK)
        return
    if not old or not new:  # as evidence that was kept before such digests were, or that was cut
        change = unreadable(AREA, "disk", ATTRIBUTE, "digests" if old else None, None, sides.where, NOT_ASKED)
        yield replace(change, decided_by=NOT_LOOKED_AT)
        return
    for name in sorted(old.keys() | new.keys()):
        one, two = old.get(name), new.get(name)
        if one is None or two is None:
            continue  # a partition that came, went, was filled or emptied is told by itself
        subject, scope = _names(sides, name)
        where = (one.where, two.where)
        reasons = dict.fromkeys(fact.reason for fact in (one, two) if fact.state is State.UNREAD)
        if reasons:
            yield unreadable(AREA, subject, ATTRIBUTE, one.value, two.value, where, "; ".join(reasons))
        elif one.value != two.value and not any(_explains(change, name, scope, sides) for change in others):
            yield from difference(AREA, subject, ATTRIBUTE, one.value, two.value, where)


def _told(evidence: Evidence) -> dict[str, Fact]:
    return {_name(fact, evidence.judged): fact for fact in evidence.facts if fact.key.namespace == RAW}


def _name(fact: Fact, judged: str) -> str:
    """The number of a partition, or "outside"; of what no collector makes, as a file may hold it, all there is."""
    key = fact.key
    is_made = len(key.subject) == 1 and key.attribute == "sha256" and fact.scope == judged
    return key.subject[0] if is_made else f"{fact.scope}:{key}"


def _names(sides: Sides, name: str) -> tuple[str, str]:
    """(what the region is called, its scope)."""
    for evidence in (sides.before, sides.after):
        for one in () if evidence.disk is None else evidence.disk.partitions:
            if str(one.number) == name:
                return f"{one.number} {one.name}", one.scope
    return (_WHOLE, "") if not name.isdigit() else (name, "")


def _explains(change: Change, name: str, scope: str, sides: Sides) -> bool:
    """Whether a change that is told already lies in the region."""
    if change.area == "partitions":
        own = change.subject.partition(" ")[0] == name
        return own if name.isdigit() else change.attribute not in _NOT_IN_THE_TABLE
    label = change.subject.partition(":")[0]
    return bool(scope) and (label == scope or (label == JUDGED and scope in (sides.before.judged, sides.after.judged)))
