"""Words made of words: `all_of`, `any_of`, `when`, and what a person must answer."""

from __future__ import annotations

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import Check
from rocketaudit.model.verdict import Outcome, Verdict, all_of, any_of


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Check, ...]

    def needs(self) -> tuple[Key, ...]:
        return tuple(key for part in self.parts for key in part.needs())

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return all_of(part.evaluate(evidence, planes, scope) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Check, ...]

    def needs(self) -> tuple[Key, ...]:
        return tuple(key for part in self.parts for key in part.needs())

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return any_of(part.evaluate(evidence, planes, scope) for part in self.parts)


@dataclass(frozen=True, slots=True)
class When:
    """`then` counts only where `condition` passes; where it fails the rule does not apply, and says why."""

    condition: Check
    then: Check

    def needs(self) -> tuple[Key, ...]:
        return self.condition.needs() + self.then.needs()

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        asked = self.condition.evaluate(evidence, planes, scope)
        match asked.verdict:
            case Verdict.PASS:
                return self.then.evaluate(evidence, planes, scope)
            case Verdict.FAIL | Verdict.NOT_APPLICABLE:
                return Outcome(Verdict.NOT_APPLICABLE, f"does not apply: {asked.why}", asked.facts)
            case Verdict.UNKNOWN | Verdict.MANUAL:
                return Outcome(Verdict.UNKNOWN, f"whether this applies is not known: {asked.why}", asked.facts)


@dataclass(frozen=True, slots=True)
class AskPerson:
    """A rule that no program decides, within a benchmark that may not apply."""

    def needs(self) -> tuple[Key, ...]:
        return ()

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        return Outcome(Verdict.MANUAL, "a person must answer this: attest it in the policy")
