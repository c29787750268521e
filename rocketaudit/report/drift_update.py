"""What an update brought, in a few figures: the auditor's release note at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rocketaudit.formats.rpm_version import compare_evr, without_commit
from rocketaudit.model.change import Change, ChangeKind, Drift, Relation
from rocketaudit.model.verdict import Verdict

_FIGURES = (
    ("setuid", "files newly setuid, setgid or with capabilities"),
    ("unsafe-language", "programs new in a language that is not memory-safe"),
    ("hardening-lost", "protections lost by programs"),
)


def update_figures(drift: Drift) -> tuple[str, ...]:
    """One line per kind of thing; empty when no other release was declared."""
    if drift.relation not in (Relation.UPGRADE, Relation.DOWNGRADE):
        return ()
    return tuple(_figures(drift))


def _figures(drift: Drift) -> Iterator[str]:
    versions = [c for c in drift.changes if (c.area, c.attribute) == ("packages", "version")]
    moves = Counter(_move(change) for change in versions)
    order = ("up", "down", "rebuilt", "new", "gone", "changed")
    yield f"packages: {', '.join(f'{moves[name]} {name}' for name in order if moves[name]) or 'none changed'}"
    rulings = Counter(change.decided_by for change in drift.changes)
    for ruling, text in _FIGURES:
        yield f"{text}: {rulings[ruling]}"
    after = Counter(str(c.after) for c in drift.changes if c.area == "rules" and c.kind is ChangeKind.CHANGED)
    turned = (f"{after[verdict.value]} to {verdict.value}" for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN))
    yield f"rules that turned: {', '.join(turned)}"
    for change in drift.changes:
        if (change.area, change.attribute) == ("languages", "rust_share_bytes"):
            yield f"Rust, per cent of code: {_figure(change.before)} to {_figure(change.after)}"


def _move(change: Change) -> str:
    if change.before is None or change.after is None:
        return "new" if change.before is None else "gone"
    if not (isinstance(change.before, str) and isinstance(change.after, str)):
        return "changed"  # several versions of one name
    order = compare_evr(without_commit(change.before), without_commit(change.after))
    return "up" if order < 0 else "down" if order > 0 else "rebuilt"


def _figure(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "none"
