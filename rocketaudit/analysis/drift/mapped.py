"""What the running kernel enforces under its root, against what the release's boot text tells it to."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.drift.facts import shown
from rocketaudit.analysis.drift.sides import difference, unreadable
from rocketaudit.analysis.drift.trees import AREA, binding_of
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Plane, State

SUBJECT = "node:device-mapper"
_STATED = ("root_hash", "salt", "data_blocks", "options")
CORRUPT = "verity C"  # Documentation/admin-guide/device-mapper/verity.rst: status


def compare_mapped(release: Evidence, node: Evidence) -> Iterator[Change]:
    """The loaded table of the root, and whether the kernel has met corruption; nothing when no tree is stated."""
    stated = binding_of(release, release.judged)
    if stated is None:
        return
    name = _fact(node, "name")
    places = (stated.where, name.where)
    if name.state is State.ABSENT:
        yield from difference(AREA, SUBJECT, "algorithm", stated.parameters.algorithm, None, places)
        return
    unread = [name.reason] if name.state is State.UNREAD else []
    for attribute in ("algorithm", *_STATED):
        fact = _fact(node, attribute)
        if fact.state is State.UNREAD:
            unread.append(fact.reason)
            continue
        before = _plain(getattr(stated.parameters, attribute))
        yield from difference(AREA, SUBJECT, attribute, before, _plain(shown(fact)), (stated.where, fact.where))
    status = _fact(node, "status")
    if status.state is State.UNREAD:
        unread.append(status.reason)
    elif isinstance(status.value, tuple) and CORRUPT in status.value:
        yield from difference(AREA, SUBJECT, "verdict", None, "the kernel has met corrupt blocks", places)
    if unread:
        yield unreadable(AREA, SUBJECT, "table", None, None, places, "; ".join(dict.fromkeys(unread)))


def met_corruption(change: Change) -> bool:
    """Whether a node's own status fact says now that its kernel has met corrupt blocks."""
    is_status = change.area == AREA and change.subject.partition(":")[2] == str(_key("status"))
    return is_status and isinstance(change.after, tuple) and CORRUPT in change.after


def _key(attribute: str) -> Key:
    return Key("dm", ("root",), attribute)


def _fact(node: Evidence, attribute: str) -> Fact:
    return node.get(_key(attribute), Plane.RUNTIME)


def _plain(value: JsonValue) -> JsonValue:
    """Options in any order."""
    return tuple(sorted(str(part) for part in value)) if isinstance(value, tuple) else value
