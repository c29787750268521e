"""Scores as intervals: what was not decided counts as failed in the worst and as passed in the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rocketaudit.model.rule import Result, Score
from rocketaudit.model.verdict import Verdict


def score(results: Iterable[Result], *, with_waivers: bool = False) -> Score:
    """Per cent of the scored rules that pass; manual and not applicable ones are counted but not scored.

    With waivers, rules that a valid waiver covers are left out of the share: they neither help nor hurt.
    """
    rows = tuple(results)
    counted = Counter(result.verdict for result in rows)
    waived = sum(result.waiver is not None for result in rows)
    scored = [r.verdict for r in rows if r.rule.scored and not (with_waivers and r.waiver is not None)]
    passed, failed, unknown = (scored.count(v) for v in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN))
    total = passed + failed + unknown
    return Score(
        worst=_percent(passed, total),
        best=_percent(passed + unknown, total),
        passed=counted[Verdict.PASS],
        failed=counted[Verdict.FAIL],
        unknown=counted[Verdict.UNKNOWN],
        manual=counted[Verdict.MANUAL],
        not_applicable=counted[Verdict.NOT_APPLICABLE],
        waived=waived,
    )


def _percent(part: int, total: int) -> float | None:
    """Rounded down to one digit, so that 100 means all of them."""
    return None if not total else (1000 * part // total) / 10


def by_level(results: Iterable[Result]) -> Mapping[str, Score]:
    """Scores of level 1 alone and of levels 1 and 2, as benchmarks count; rules of level 0 belong to both."""
    rows = tuple(results)
    levels = sorted({max(result.rule.level, 1) for result in rows})
    return {str(level): score(r for r in rows if r.rule.level <= level) for level in levels}


def by_section(results: Iterable[Result], sections: Mapping[str, str]) -> Mapping[str, Score]:
    """Scores of every section that has rules."""
    rows = tuple(results)
    found = {}
    for number in sections:
        inside = [r for r in rows if r.rule.section == number or r.rule.section.startswith(f"{number}.")]
        if inside:
            found[number] = score(inside)
    return found
