"""A node's own place in the waves of an update: its seed, and the settings that let it go another way."""

from __future__ import annotations

from datetime import datetime

from rocketaudit.formats.update_manifest import Update
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import TargetKind

MAX_SEED = 2048


@dataclass(frozen=True, slots=True)
class NodePlace:
    """What a node's settings say; `problem` is why its place cannot be told, `lock` the only version it takes."""

    seed: int = 0
    ignores_waves: bool = False
    lock: str = ""
    problem: str = ""


def node_place(evidence: Evidence) -> NodePlace | None:
    """The place of the node that the evidence is of; None for what is no node."""
    if evidence.target.kind is not TargetKind.NODE:
        return None
    seed, ignores, lock = (
        evidence.get(Key("setting", ("updates", name)), Plane.RUNTIME)
        for name in ("seed", "ignore-waves", "version-lock")
    )
    unread = [fact for fact in (seed, ignores, lock) if fact.state is State.UNREAD]
    if unread:
        return NodePlace(problem=f"{unread[0].key.subject[-1]} was not read: {unread[0].reason}")
    value = seed.value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_SEED:
        said = "is not set" if seed.state is State.ABSENT else f"is {str(value)[:40]!r}"
        return NodePlace(problem=f"its seed {said}, a number below {MAX_SEED} is expected")
    return NodePlace(value, ignores.value is True, _lock(lock))


def _lock(fact: Fact) -> str:
    text = str(fact.value) if fact.state is State.PRESENT else ""
    return "" if text in ("", "latest") else text[:40]


def place_text(node: NodePlace | None, update: Update, as_of: datetime) -> str:
    """ "; this node ...", to stand behind the schedule of the update; nothing for what is no node."""
    if node is None:
        return ""
    if node.problem:
        return f"; this node's place in it is not known: {node.problem}"
    lock = f", but it is locked to {node.lock}" if node.lock else ""
    if node.ignores_waves:
        return f"; this node ignores waves{lock}"
    wave, moment = update.place_of(node.seed)
    if moment is None:
        return f"; this node (seed {node.seed}) at once{lock}"
    said = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    when = f"since {said}" if moment <= as_of else f"not before {said}"
    return f"; this node (seed {node.seed}) in wave {wave} of {len(update.waves)}, {when}{lock}"
