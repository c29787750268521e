"""What a change of something that was concluded may be: a rule's verdict, a score, a share of languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rocketaudit.analysis.drift.conditions import Case
from rocketaudit.model.verdict import Verdict


def turned(before: Verdict, *after: Verdict) -> Callable[[Case], bool]:
    values = [one.value for one in after]
    return lambda case: (
        case.change.area == "rules" and case.change.before == before.value and case.change.after in values
    )


def falls(end: str) -> Callable[[Case], bool]:
    """The score's upper end ("best") falls when more fails, its lower end also when less could be decided."""

    def applies(case: Case) -> bool:
        before, after = case.change.before, case.change.after
        if case.change.area != "score" or not isinstance(before, Mapping) or not isinstance(after, Mapping):
            return False
        old, new = before.get(end), after.get(end)
        return isinstance(old, int | float) and (not isinstance(new, int | float) or new < old)

    return applies


def needs_another_kind(case: Case) -> bool:
    """A rule, or a score, that the current side cannot decide for being of another kind than the baseline.

    What fails on the current side is no such thing, whether the baseline could be asked or not.
    """
    change = case.change
    if case.same_kind:
        return False
    if change.area == "score":
        return falls("worst")(case) and not falls("best")(case)
    return change.area == "rules" and change.after == Verdict.UNKNOWN.value


def share_falls(case: Case) -> bool:
    """Less memory-safe code: in an update by more than the policy takes for a consequence of other packages."""
    change = case.change
    if change.area != "languages":
        return False
    if not isinstance(change.before, int | float) or not isinstance(change.after, int | float):
        return change.after is None
    return change.before - change.after > (case.share_fall if case.moves else 0.0)
