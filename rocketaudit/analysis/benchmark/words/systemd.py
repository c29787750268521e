"""`unit_state`, `unit_hardening` and `mount_option`: what systemd starts, shuts in and mounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import Question, answer, per_plane
from rocketaudit.analysis.benchmark.condition import Condition
from rocketaudit.formats.systemd_unit import truth
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict, all_of

MAX_NAMED = 8
_OPPOSITE = {"ro": "rw", "rw": "ro"}
_OPPOSITE |= {name: f"no{name}" for name in ("suid", "dev", "exec")}
_OPPOSITE |= {opposite: name for name, opposite in _OPPOSITE.items()}


@dataclass(frozen=True, slots=True)
class UnitState:
    """`one_of` is about how a unit is started (enabled, disabled, static, masked), `running` about a live node."""

    unit: str
    one_of: tuple[str, ...]
    running: tuple[str, ...]
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> UnitState:
        arguments = Arguments("unit_state", raw)
        word = cls(
            arguments.text("unit"),
            arguments.texts("one_of"),
            arguments.texts("running", ()),
            arguments.verdict("if_absent"),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        active = (Key("unit", (self.unit,), "active"),) if self.running else ()
        return (Key("unit", (self.unit,), "state"), *active)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return per_plane(planes, lambda plane: self._on(plane, evidence, scope))

    def _on(self, plane: Plane, evidence: Evidence, scope: str) -> Outcome | None:
        if plane is Plane.STATIC:
            question = Question(self.needs()[0], Condition("one_of", self.one_of), self.if_absent, "does not exist")
            return answer(question, evidence.get(question.key, plane, scope))
        if not self.running:
            return None
        question = Question(self.needs()[1], Condition("one_of", self.running), self.if_absent, "does not exist")
        return answer(question, evidence.get(question.key, plane, scope))


@dataclass(frozen=True, slots=True)
class UnitHardening:
    """Every service that matches `units` states at least so many of the `directives`."""

    units: tuple[str, ...]
    directives: tuple[str, ...]
    at_least: int
    excepted: tuple[str, ...]

    @classmethod
    def of(cls, raw: object) -> UnitHardening:
        arguments = Arguments("unit_hardening", raw)
        directives = arguments.texts("directives")
        word = cls(arguments.texts("units"), directives, arguments.number("at_least", 1), arguments.texts("except", ()))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return tuple(Key("unit", (unit,), "sandbox") for unit in self.units)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        weak: list[Fact] = []
        good = 0
        for fact in evidence.find("unit", Plane.STATIC, scope):
            name = fact.key.subject[0]
            if fact.state is State.UNREAD and fact.key.attribute in ("state", "file"):
                return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason}", (fact,))
            if fact.key.attribute != "sandbox" or not _matches(name, self.units) or _matches(name, self.excepted):
                continue
            if self._strength(fact) < self.at_least:
                weak.append(fact)
            else:
                good += 1
        wanted = f"{self.at_least} of {', '.join(self.directives)}" if len(self.directives) > 1 else self.directives[0]
        if weak:
            names = ", ".join(fact.key.subject[0] for fact in weak[:MAX_NAMED])
            more = f" and {len(weak) - MAX_NAMED} more" if len(weak) > MAX_NAMED else ""
            return Outcome(Verdict.FAIL, f"{len(weak)} services state less than {wanted}: {names}{more}", tuple(weak))
        known = evidence.get(Key("unit", ("covered.service",), "state"), Plane.STATIC, scope)
        if known.state is State.UNREAD:
            return Outcome(Verdict.UNKNOWN, f"units: {known.reason}", (known,))
        if not good:
            return Outcome(Verdict.NOT_APPLICABLE, f"no service is called {', '.join(self.units)}", (known,))
        return Outcome(Verdict.PASS, f"{good} services state {wanted}", (known,))

    def _strength(self, fact: Fact) -> int:
        stated = fact.value if isinstance(fact.value, Mapping) else {}
        return sum(_is_strict(name, stated[name]) for name in self.directives if name in stated)


def _is_strict(name: str, value: object) -> bool:
    """Whether a sandbox directive takes something away: `no`, an empty user or all capabilities do not."""
    text = str(value)
    if name == "CapabilityBoundingSet":
        return text.strip() != "~"  # empty: no capability at all; ~ alone: all of them
    if name in ("User", "Group"):
        return text not in ("", "root", "0")
    return truth(text) is not False and text != ""


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class MountOption:
    """What is mounted at `path`: with all of `options`, without `without`, and of one of the `fstypes` when given."""

    path: str
    options: tuple[str, ...]
    without: tuple[str, ...]
    fstypes: tuple[str, ...]
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> MountOption:
        arguments = Arguments("mount_option", raw)
        word = cls(
            arguments.text("path"),
            arguments.texts("options", ()),
            arguments.texts("without", ()),
            arguments.texts("fstype", ()),
            arguments.verdict("if_absent"),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        kind = (Key("mount", (self.path,), "fstype"),) if self.fstypes else ()
        return (Key("mount", (self.path,), "options"), *kind)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return per_plane(planes, lambda plane: self._on(evidence, plane, scope))

    def _on(self, evidence: Evidence, plane: Plane, scope: str) -> Outcome | None:
        options = evidence.get(self.needs()[0], plane, scope)
        running = evidence.get(self.needs()[0], Plane.RUNTIME, scope)
        if plane is Plane.STATIC and options.state is not State.PRESENT and running.state is State.PRESENT:
            return None  # no unit mounts it, yet it is mounted: what runs decides
        return _required(self, evidence, plane, scope)


def _required(word: MountOption, evidence: Evidence, plane: Plane, scope: str) -> Outcome:
    key = word.needs()[0]
    options = _in_effect(evidence.get(key, plane, scope))
    outcomes = []
    if word.options:
        question = Question(key, Condition("contains_all", word.options), word.if_absent, "is not mounted")
        outcomes.append(answer(question, options))
    if word.without:
        question = Question(key, Condition("contains_none", word.without), word.if_absent, "is not mounted")
        outcomes.append(answer(question, options))
    if word.fstypes:
        kind = Key("mount", (word.path,), "fstype")
        question = Question(kind, Condition("one_of", word.fstypes), word.if_absent, "is not mounted")
        outcomes.append(answer(question, evidence.get(kind, plane, scope)))
    return all_of(outcomes)


def _in_effect(fact: Fact) -> Fact:
    """Mount options as they work: of `nosuid` and `suid` the later one counts (mount(8))."""
    if fact.state is not State.PRESENT or not isinstance(fact.value, tuple):
        return fact
    kept: dict[str, None] = {}
    for option in map(str, fact.value):
        kept.pop(_OPPOSITE.get(option, option), None)
        kept[option] = None
    return replace(fact, value=tuple(kept))
