"""What every rendering of a drift says alike: the verdict, the groups, and a value in one line."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from posixpath import commonprefix

from rocketaudit.model.advisory import AdvisoryMove
from rocketaudit.model.change import Change, ChangeKind, Drift, Judgement, Relation
from rocketaudit.model.fact import JsonValue
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target
from rocketaudit.model.verdict import Severity
from rocketaudit.report.summary import Headline, target_line, value_text

AREAS = (
    "identity", "integrity", "banks", "boot", "signed-texts", "partitions", "tuf-root", "trust-store",
    "kernel", "kernel-arguments", "modules", "lockdown", "selinux", "sysctls", "mounts", "units", "sockets",
    "users", "settings", "host-containers", "configuration", "packages", "binaries", "files", "licences",
    "updates", "rules", "score", "languages",
)  # fmt: skip
_RELATION = {
    Relation.SAME_RELEASE: "the same release",
    Relation.UPGRADE: "an upgrade",
    Relation.DOWNGRADE: "a downgrade",
    Relation.UNRELATED: "systems that do not follow from each other",
}
_AROUND = 16
OF_THE_UPDATE = ("update-undeclared", "update-unvouched")
JUDGEMENTS = (Judgement.UNEXPECTED, Judgement.CANNOT_SAY, Judgement.EXPECTED)
_MOVES = {
    AdvisoryMove.OPENED: "opened",
    AdvisoryMove.CLOSED: "closed",
    AdvisoryMove.STILL_OPEN: "still open",
    AdvisoryMove.CANNOT_SAY: "cannot say",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one judgement and area, the gravest first."""

    judgement: Judgement
    area: str
    changes: tuple[Change, ...]

    @property
    def title(self) -> str:
        return self.area.replace("-", " ")


def headline(drift: Drift) -> Headline:
    """The one sentence that a reader must take away, and why."""
    found, unread = drift.counts.get("unexpected", 0), drift.counts.get("cannot-say", 0)
    if drift.exit_code == 0 and not found:
        if not drift.changes and drift.ignored:
            return Headline("open", "No drift but for what the policy ignores", ())
        if not drift.changes:
            return Headline("good", "No drift", ())
        text = "Only expected changes" if not unread else "Nothing unexpected, but not all could be compared"
        return Headline("good" if not unread else "open", text, drift.reasons)
    if found:
        reasons = tuple(reason for reason in drift.reasons if "unexpected" not in reason)
        return Headline("bad", f"{found} unexpected {'change' if found == 1 else 'changes'}", reasons)
    if all(one.decided_by in OF_THE_UPDATE or one.severity is Severity.INFO for one in drift.changes
           if one.judgement is Judgement.CANNOT_SAY):  # fmt: skip
        return Headline(
            "open", "Nothing unexpected in an update, but only the current side says that it is one", drift.reasons
        )
    return Headline("open", "Cannot be decided: not everything could be compared", drift.reasons)


def relation_line(drift: Drift) -> str:
    """How the sides are related, in words."""
    one, two = drift.baseline.version, drift.current.version
    versions = f" from {one} to {two}" if drift.relation in (Relation.UPGRADE, Relation.DOWNGRADE) else ""
    return f"{_RELATION[drift.relation]}{versions}"


def side_line(target: Target) -> str:
    known = target_line(target)
    return known if known == target.name else f"{target.name}: {known}"


def groups(drift: Drift) -> tuple[Group, ...]:
    """By judgement, then by area in the order that a reader wants them."""
    ordered = sorted(drift.changes, key=lambda change: (JUDGEMENTS.index(change.judgement), _rank(change.area)))
    grouped = groupby(ordered, key=lambda change: (change.judgement, change.area))
    return tuple(Group(judgement, area, tuple(changes)) for (judgement, area), changes in grouped)


def _rank(area: str) -> tuple[int, str]:
    return (AREAS.index(area) if area in AREAS else len(AREAS), area)


def shown(value: JsonValue) -> str:
    """A side's value in one line; "(nothing)" where it has none."""
    if value is None:
        return "(nothing)"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_short(name, part)}" for name, part in value.items() if part is not None)
    return value_text(value)


def pair(change: Change, limit: int = 120) -> tuple[str, str]:
    """Both sides in one line each; of two long texts only where they differ, with a few words around it."""
    before, after = shown(change.before), shown(change.after)
    if max(len(before), len(after)) <= limit or None in (change.before, change.after):
        return before, after
    start = len(commonprefix((before, after)))
    end = len(commonprefix((before[start:][::-1], after[start:][::-1])))
    first = max(0, start - _AROUND)
    return _cut(before, first, len(before) - end + _AROUND), _cut(after, first, len(after) - end + _AROUND)


def _cut(text: str, first: int, last: int) -> str:
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def _short(name: str, value: JsonValue) -> str:
    text = value_text(value)
    return f"{text[:12]}…" if name == "sha256" and len(text) > 16 else text


def what(change: Change) -> str:
    """The change in a few words, without the values."""
    return f"{change.subject} {change.attribute} {change.kind.value}"


def is_one_sided(change: Change) -> bool:
    return change.kind in (ChangeKind.ADDED, ChangeKind.REMOVED)


def advisory_counts(drift: Drift) -> tuple[tuple[str, int], ...]:
    """How many advisories opened, closed and so on; empty when none were given."""
    moves = [advisory.move for advisory in drift.advisories]
    return tuple((text, moves.count(move)) for move, text in _MOVES.items() if move in moves)
