"""`no_kernel_args`: arguments that must not stand on the kernel command line."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import Question, ask
from rocketaudit.analysis.benchmark.condition import NEVER, Condition
from rocketaudit.formats.kernel_arguments import plain_argument
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict, all_of

_LINE = Key("kernel_command_line", ("text",))


@dataclass(frozen=True, slots=True)
class NoKernelArgs:
    """None of the arguments `named` is given, or none of them with one of the `values`.

    `for_init`: neither before nor after the word `--`: systemd reads both sides.
    """

    named: tuple[str, ...]
    values: tuple[str, ...]
    for_init: bool

    @classmethod
    def of(cls, raw: object) -> NoKernelArgs:
        arguments = Arguments("no_kernel_args", raw)
        word = cls(
            tuple(plain_argument(name) for name in arguments.texts("named")),
            arguments.texts("values", ()),
            arguments.flag("for_init", default=False),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        spaces = ("kernel_arg", "init_arg") if self.for_init else ("kernel_arg",)
        return tuple(Key(space, (name,)) for space in spaces for name in self.named)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        condition = Condition("none_of", self.values) if self.values else Condition(NEVER)
        questions = [Question(key, condition, Verdict.PASS, "is not given") for key in self.needs()]
        outcome = all_of([ask(question, evidence, planes, scope) for question in questions])
        if outcome.verdict is not Verdict.PASS:
            return outcome
        how = f" with a value such as {self.values[0]}" if self.values else ""
        line = next((fact for plane in reversed(planes) if (fact := evidence.get(_LINE, plane, scope)).value), None)
        seen = outcome.facts if line is None else (line,)  # the whole line shows more than what is not in it
        return Outcome(Verdict.PASS, f"none of {len(self.named)} arguments is given{how} ({seen[0].where})", seen)
