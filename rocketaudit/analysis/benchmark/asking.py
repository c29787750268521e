"""Asking evidence one question on the planes that a rule names, so that unknown never becomes pass."""

from __future__ import annotations

from collections.abc import Callable

from rocketaudit.analysis.benchmark.condition import Condition, shown
from rocketaudit.model.evidence import NOT_COLLECTED, Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict, all_of

MAX_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Question:
    """One key and what its value must be like. `if_absent` None: absence decides nothing.

    `absent_why` explains the verdict on absence ("the kernel's default is 2").
    """

    key: Key
    condition: Condition
    if_absent: Verdict | None = None
    absent_why: str = ""


def ask(question: Question, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
    """The verdict on all given planes.

    The running system decides where it was seen; what the files say must then not contradict it, but files
    that say nothing, or that nobody looked at, do not turn a seen value into an unknown one.
    """
    outcomes = {plane: answer(question, evidence.get(question.key, plane, scope)) for plane in planes}
    return combine_planes(outcomes, evidence, question.key, scope)


def ask_running(question: Question, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
    """For what users change on a node: there only the running value counts, on an image only the shipped one.

    A default that a node has overridden is neither a fault nor an excuse.
    """
    if Plane.RUNTIME not in planes:
        return ask(question, evidence, planes, scope)
    running = evidence.get(question.key, Plane.RUNTIME, scope)
    if running.state is State.UNREAD and running.reason == NOT_COLLECTED and Plane.STATIC in planes:
        stored = evidence.get(question.key, Plane.STATIC, scope)
        if stored.where.path == question.key.subject[0]:  # the node's own file, not a default or a template
            return answer(question, stored)
    return answer(question, running)


def combine_planes(outcomes: dict[Plane, Outcome], evidence: Evidence, key: Key, scope: str) -> Outcome:
    """As `ask` combines: the running value counts, files may only contradict."""
    if len(outcomes) > 1:
        running = evidence.get(key, Plane.RUNTIME, scope)
        stored = evidence.get(key, Plane.STATIC, scope)
        silent = stored.state is State.ABSENT or (stored.state is State.UNREAD and stored.reason == NOT_COLLECTED)
        if running.state is not State.UNREAD and silent:
            return outcomes[Plane.RUNTIME]
    return all_of(outcomes.values())


def answer(question: Question, fact: Fact) -> Outcome:
    """What one fact says to a question."""
    match fact.state:
        case State.UNREAD:
            return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason}", (fact,))
        case State.ABSENT:
            why = question.absent_why or "is not set"
            if question.if_absent is None:
                return Outcome(Verdict.UNKNOWN, f"{fact.key} {why}", (fact,))
            return Outcome(question.if_absent, f"{fact.key} {why}", (fact,))
        case State.PRESENT:
            holds = question.condition.holds(fact.value)
            if holds is None:
                why = f"{fact.key} is {_short(fact)}, which cannot be compared with {question.condition} ({fact.where})"
                return Outcome(Verdict.UNKNOWN, why, (fact,))
            why = f"{fact.key} is {_short(fact)}"
            if not holds:
                why += f", expected {question.condition}"
            return Outcome(Verdict.PASS if holds else Verdict.FAIL, f"{why} ({fact.where})", (fact,))


def _short(fact: Fact) -> str:
    text = repr(shown(fact.value))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 4]}...'"


def derived(fact: Fact, key: Key, state: State, value: str | bool | None = None) -> Fact:
    """A fact about one item of a collected list, at the place of that list."""
    return Fact(key, fact.plane, state, fact.where, value, fact.reason if state is State.UNREAD else "", fact.scope)


def per_plane(
    planes: tuple[Plane, ...], decide: Callable[[Plane], Outcome | None], nothing: str = "nothing was checked"
) -> Outcome:
    """All planes on which `decide` has something to say must agree."""
    outcomes = [outcome for plane in planes if (outcome := decide(plane)) is not None]
    return all_of(outcomes) if outcomes else Outcome(Verdict.UNKNOWN, nothing)
