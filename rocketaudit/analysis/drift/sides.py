"""Two evidence values lined up: which scope of one stands against which scope of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.model.change import Change, ChangeKind
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import TargetKind

JUDGED = "judged-root"
# what a comparison itself knows of an unread thing, as `Change.decided_by` before anyone judges; never told from the
# words of a reason, which a target or a file may choose
NOT_COMPARABLE = "not-comparable"
NOT_LOOKED_AT = "not-looked-at"
UNREAD_ALIKE = "unread-alike"
_SHORT = 8  # lists up to this long are shown whole


@dataclass(frozen=True, slots=True)
class Sides:
    """`scopes` pairs scopes of both sides as (label, before, after); None where a side has no such scope."""

    before: Evidence
    after: Evidence
    scopes: tuple[tuple[str, str | None, str | None], ...]

    @property
    def same_kind(self) -> bool:
        return self.before.target.kind is self.after.target.kind

    @property
    def where(self) -> tuple[Locator, Locator]:
        return Locator(self.before.target.name), Locator(self.after.target.name)


def line_up(before: Evidence, after: Evidence) -> Sides:
    """Scope by scope where both are images; otherwise the judged root of one against that of the other.

    An image that was updated in place boots its other bank: where one side has nothing in the bank that the other
    judges, the two judged banks stand against each other.
    """
    if before.target.kind is not TargetKind.IMAGE or after.target.kind is not TargetKind.IMAGE:
        return Sides(before, after, ((JUDGED, before.judged, after.judged),))
    known_before, known_after = _scopes(before), _scopes(after)
    names = known_before | known_after
    both = set(before.walked) & set(after.walked)  # as the bank that an update leaves to roll back to
    pairs: list[tuple[str, str | None, str | None]] = []
    if before.judged != after.judged and (before.judged not in after.walked or after.judged not in before.walked):
        pairs.append((JUDGED, before.judged, after.judged))
        names -= {scope for scope in (before.judged, after.judged) if scope not in both}
    for name in sorted(names):
        pairs.append((name, name if name in known_before else None, name if name in known_after else None))
    return Sides(before, after, tuple(pairs))


def _scopes(evidence: Evidence) -> set[str]:
    found = set(evidence.walked) | {gap.scope for gap in evidence.gaps if gap.scope}
    found |= {fact.scope for fact in evidence.facts} | {record.scope for record in evidence.files}
    found |= {binary.scope for binary in evidence.binaries} | {package.scope for package in evidence.packages}
    return (found | {bank.scope for bank in evidence.verity} | {evidence.judged}) - {""}


def is_empty_bank(evidence: Evidence, scope: str) -> bool:
    """Whether the scope is a bank that holds nothing, as bank B of a released image."""
    return any(bank.scope == scope and not bank.populated for bank in evidence.verity)


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
    if before == after and type(before) is type(after):
        return
    kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED if after is None else ChangeKind.CHANGED
    yield Change(area, subject, attribute, kind, *only_different(before, after), *where)


def only_different(before: JsonValue, after: JsonValue) -> tuple[JsonValue, JsonValue]:
    """Of two long lists what the other lacks; everything else as it is."""
    if not isinstance(before, tuple) or not isinstance(after, tuple) or max(len(before), len(after)) <= _SHORT:
        return before, after
    ours, theirs = {repr(part) for part in before}, {repr(part) for part in after}
    gone = tuple(part for part in before if repr(part) not in theirs)
    came = tuple(part for part in after if repr(part) not in ours)
    return (gone, came) if gone or came else (before, after)


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


def not_comparable(area: str, subject: str, attribute: str, where: tuple[Locator, Locator], why: str) -> Change:
    """As `unreadable`, where a side is of a kind that has no such thing at all, so that nothing was damaged."""
    return replace(unreadable(area, subject, attribute, None, None, where, why), decided_by=NOT_COMPARABLE)
