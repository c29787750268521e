"""Rules and what judging them gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Severity, Verdict


class Check(Protocol):
    """A word of the vocabulary with its arguments."""

    def needs(self) -> tuple[Key, ...]:
        """The facts that it may ask for."""
        ...

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        """The verdict on `scope`, over those planes; never raises for what the evidence holds."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One intention. `check` is None for what a person must answer; `needs_node`: not decidable from an image."""

    id: str
    section: str
    title: str
    level: int
    severity: Severity
    planes: tuple[Plane, ...]
    rationale: str
    remediation: str
    check: Check | None = None
    scored: bool = True
    scope: str = ""
    maps_to: Mapping[str, tuple[str, ...]] | None = None

    @property
    def needs_node(self) -> bool:
        return self.planes == (Plane.RUNTIME,)


@dataclass(frozen=True, slots=True)
class Benchmark:
    id: str
    title: str
    version: str
    description: str
    rules: tuple[Rule, ...]
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Waiver:
    """A person's word that a failing or undecided rule is accepted for a time. It never hides the verdict."""

    rule: str
    reason: str
    approved_by: str
    expires: date
    target: str = "*"


@dataclass(frozen=True, slots=True)
class Result:
    """A rule, judged. `waiver` is set when a valid one covers it."""

    benchmark: str
    rule: Rule
    outcome: Outcome
    waiver: Waiver | None = None

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict


@dataclass(frozen=True, slots=True)
class Score:
    """Per cent of the scored rules: `worst` takes unknowns as failed, `best` as passed; None if none is scored."""

    worst: float | None
    best: float | None
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    manual: int = 0
    not_applicable: int = 0
    waived: int = 0


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """`score` is as found; `score_with_waivers` takes waived rules out. `by_level` and `by_section` are as found."""

    benchmark: Benchmark
    results: tuple[Result, ...]
    score: Score
    score_with_waivers: Score
    by_level: Mapping[str, Score]
    by_section: Mapping[str, Score]
