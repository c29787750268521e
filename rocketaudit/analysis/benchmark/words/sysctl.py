"""`sysctl`: a kernel parameter, in the files that set it at boot and in the running kernel."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.arguments import Arguments, as_text
from rocketaudit.analysis.benchmark.asking import Question, answer, ask
from rocketaudit.analysis.benchmark.condition import Condition
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Sysctl:
    """`built_in` is the kernel's own default, which counts where no file of the image sets the parameter."""

    name: str
    condition: Condition
    built_in: str | None = None

    @classmethod
    def of(cls, raw: object) -> Sysctl:
        arguments = Arguments("sysctl", raw)
        built_in = as_text(arguments.take("built_in")) if arguments.has("built_in") else None
        word = cls(arguments.text("name"), Condition.of(arguments), built_in)
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("sysctl", (self.name,)),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        key = Key("sysctl", (self.name,))
        if planes == (Plane.STATIC,):
            return answer(self._question(key), evidence.get(key, Plane.STATIC, scope))
        running = evidence.get(key, Plane.RUNTIME, scope)
        if running.state is State.ABSENT:
            why = "does not exist in this kernel"
            return Outcome(Verdict.UNKNOWN, f"{key} {why}", (running,))
        return ask(self._question(key), evidence, planes, scope)

    def _question(self, key: Key) -> Question:
        if self.built_in is None:
            return Question(key, self.condition, None, "is set by no file; the kernel's own default decides")
        holds = self.condition.holds(self.built_in)
        verdict = Verdict.PASS if holds else Verdict.FAIL
        why = f"is set by no file; the kernel's own default is {self.built_in}, expected {self.condition}"
        return Question(key, self.condition, verdict, why)
