"""Verdicts and how they combine: Kleene logic, in which unknown never becomes pass."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rocketaudit.model.fact import Fact
from rocketaudit.model.records import dataclass


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    NOT_APPLICABLE = "not_applicable"


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, why, and the facts that it stands on."""

    verdict: Verdict
    why: str
    facts: tuple[Fact, ...] = ()


_ALL = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.MANUAL, Verdict.PASS)
_ANY = (Verdict.PASS, Verdict.UNKNOWN, Verdict.MANUAL, Verdict.FAIL)


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """fail > unknown > manual > pass; nothing checked is unknown; parts that do not apply are left out."""
    return _combine(tuple(outcomes), _ALL)


def any_of(outcomes: Iterable[Outcome]) -> Outcome:
    """pass > unknown > manual > fail; nothing checked is unknown; parts that do not apply are left out."""
    return _combine(tuple(outcomes), _ANY)


def _combine(outcomes: tuple[Outcome, ...], order: tuple[Verdict, ...]) -> Outcome:
    unique = {(fact.key, fact.plane, fact.scope): fact for outcome in outcomes for fact in outcome.facts}
    facts = tuple(unique.values())
    if not outcomes:
        return Outcome(Verdict.UNKNOWN, "nothing was checked")
    counted = tuple(outcome for outcome in outcomes if outcome.verdict is not Verdict.NOT_APPLICABLE)
    if not counted:
        return Outcome(Verdict.NOT_APPLICABLE, "; ".join(dict.fromkeys(o.why for o in outcomes)), facts)
    verdict = next(v for v in order if any(o.verdict is v for o in counted))
    why = "; ".join(dict.fromkeys(o.why for o in counted if o.verdict is verdict))
    return Outcome(verdict, why, facts)
