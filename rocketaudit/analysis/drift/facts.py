"""Facts that came, went or changed, under the area that their namespace belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.analysis.drift.areas import area_of
from rocketaudit.analysis.drift.sides import NOT_LOOKED_AT, UNREAD_ALIKE, Sides, difference, is_empty_bank, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import RAW, Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Plane, State
from rocketaudit.model.target import TargetKind

# derived from other evidence that is compared itself (files and the notices in licence texts, what partitions hold,
# verity, the arguments one by one and the boot entries), or about whoever looked
DERIVED = frozenset({"copyright", "integrity", "file", "kernel_command_line", "node", "partition", RAW, "sight"})
# drawn at random when a node first boots: it says when that node updates, and nothing else
OF_ONE_NODE = frozenset({Key("setting", ("updates", "seed"))})
NOT_ASKED = "not collected: evidence of `collect`, `baseline create`, or kept by `-o evidence` holds every fact"


def compare_facts(sides: Sides) -> Iterator[Change]:
    """One change per key and plane; a fact that one side did not read is unreadable, not the same."""
    for label, before, after in sides.scopes:
        if before is None or after is None:
            continue
        if is_empty_bank(sides.before, before) or is_empty_bank(sides.after, after):
            continue
        old, new = _facts(sides, sides.before, before), _facts(sides, sides.after, after)
        for key, plane in sorted(old.keys() | new.keys(), key=lambda pair: (str(pair[0]), pair[1])):
            held = old.get((key, plane)), new.get((key, plane))
            one = held[0] or sides.before.get(key, plane, before)
            two = held[1] or sides.after.get(key, plane, after)
            unasked = (held[0] is None and one.state is State.UNREAD) or (held[1] is None and two.state is State.UNREAD)
            for change in _compare(label, one, two):
                yield replace(change, decided_by=NOT_LOOKED_AT, why=NOT_ASKED) if unasked else change


def _facts(sides: Sides, evidence: Evidence, scope: str) -> dict[tuple[Key, Plane], Fact]:
    """What is compared one to one: of a node against a release only what is shipped, the rest has its own rules."""
    planes = tuple(Plane) if sides.same_kind or not _has_node(sides) else (Plane.STATIC,)
    return {
        (fact.key, fact.plane): fact
        for fact in evidence.facts
        if fact.scope == scope
        and fact.plane in planes
        and fact.key.namespace not in DERIVED
        and fact.key not in OF_ONE_NODE
    }


def _has_node(sides: Sides) -> bool:
    return TargetKind.NODE in (sides.before.target.kind, sides.after.target.kind)


def _compare(label: str, one: Fact, two: Fact) -> Iterator[Change]:
    same = one.state is two.state and one.value == two.value and type(one.value) is type(two.value)
    if same and one.state is not State.UNREAD:
        return
    area, subject = area_of(one.key), f"{label}:{one.key}"
    where = (one.where, two.where)
    unread = [fact for fact in (one, two) if fact.state is State.UNREAD]
    if unread:
        reasons = dict.fromkeys(fact.reason for fact in unread)
        change = unreadable(area, subject, one.plane.value, _said(one), _said(two), where, "; ".join(reasons))
        is_alike = len(unread) == 2 and len(reasons) == 1
        yield replace(change, decided_by=UNREAD_ALIKE) if is_alike else change
        return
    yield from difference(area, subject, one.plane.value, shown(one), shown(two), where)


def _said(fact: Fact) -> JsonValue:
    """What a side does say where the other says nothing."""
    return "(absent)" if fact.state is State.ABSENT else None if fact.state is State.UNREAD else shown(fact)


def shown(fact: Fact) -> JsonValue:
    """The value of a fact that was read; True for one that only says that something is there."""
    if fact.state is State.ABSENT:
        return None
    return True if fact.value is None else fact.value
