"""Two evidence values lined up: which scope of one stands against which scope of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rocketaudit.model.change import Change, ChangeKind
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.target import TargetKind

JUDGED = "judged root"


@dataclass(frozen=True, slots=True)
class Sides:
    """`scopes` pairs scopes of both sides as (label, before, after); None where a side has no such scope."""

    before: Evidence
    after: Evidence
    scopes: tuple[tuple[str, str | None, str | None], ...]


def line_up(before: Evidence, after: Evidence) -> Sides:
    """Scope by scope where both are images; otherwise the judged root of one against that of the other."""
    if before.target.kind is TargetKind.IMAGE and after.target.kind is TargetKind.IMAGE:
        known_before, known_after = _scopes(before), _scopes(after)
        names = sorted(known_before | known_after)
        pairs = [
            (name, name if name in known_before else None, name if name in known_after else None) for name in names
        ]
        return Sides(before, after, tuple(pairs))
    return Sides(before, after, ((JUDGED, before.judged, after.judged),))


def _scopes(evidence: Evidence) -> set[str]:
    found = set(evidence.walked) | {gap.scope for gap in evidence.gaps if gap.scope}
    return found | {bank.scope for bank in evidence.verity}


def place(evidence: Evidence, scope: str | None, path: str | None = None) -> Locator:
    return Locator(evidence.target.name, scope or "", path)


def difference(
    area: str,
    subject: str,
    attribute: str,
    before: JsonValue,
    after: JsonValue,
    where: tuple[Locator, Locator],
) -> Iterator[Change]:
    """No change when both sides are equal; else one, of the kind that None on a side makes it."""
    if before == after:
        return
    kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED if after is None else ChangeKind.CHANGED
    yield Change(area, subject, attribute, kind, before, after, *where)


def unreadable(
    area: str,
    subject: str,
    attribute: str,
    before: JsonValue,
    after: JsonValue,
    where: tuple[Locator, Locator],
    why: str,
) -> Change:
    return Change(area, subject, attribute, ChangeKind.UNREADABLE, before, after, *where, why=why)
