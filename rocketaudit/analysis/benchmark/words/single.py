"""Words for one value: `kernel_arg`, `kernel_config`, `setting`, `config_value`, `fact`, `verity`, `integrity`."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import Question, ask, ask_running
from rocketaudit.analysis.benchmark.condition import NEVER, Condition
from rocketaudit.errors import UsageError
from rocketaudit.formats.kernel_arguments import plain_argument
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

CONFIG_FORMATS = ("yaml", "json", "toml", "directives", "systemd")
VERITY_ASPECTS = (
    "algorithm",
    "salt_bytes",
    "on_corruption",
    "check",
    "agree",
    "data_blocks",
    "slack",
    "block_sizes",
)


@dataclass(frozen=True, slots=True)
class KernelArg:
    """An argument of the kernel; `absent: true` means that it must not be given at all."""

    name: str
    condition: Condition
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> KernelArg:
        arguments = Arguments("kernel_arg", raw)
        name = plain_argument(arguments.text("name"))
        if arguments.flag("absent", default=False):
            word = cls(name, Condition(NEVER), Verdict.PASS)
        else:
            word = cls(name, Condition.of(arguments), arguments.verdict("if_absent", Verdict.FAIL))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("kernel_arg", (self.name,)),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        question = Question(self.needs()[0], self.condition, self.if_absent, "is not on the kernel command line")
        return ask(question, evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """A build option of the kernel; one that is not set, or that this kernel does not know, counts as `n`."""

    name: str
    condition: Condition

    @classmethod
    def of(cls, raw: object) -> KernelConfig:
        arguments = Arguments("kernel_config", raw)
        name = arguments.text("name")
        if not name.startswith("CONFIG_"):
            raise UsageError(f"kernel_config: {name!r} does not start with CONFIG_")
        word = cls(name, Condition.of(arguments))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("kconfig", (self.name,)),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        verdict = Verdict.PASS if self.condition.holds("n") else Verdict.FAIL
        question = Question(self.needs()[0], self.condition, verdict, f"is not set, expected {self.condition}")
        return ask(question, evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of Bottlerocket's API: the image's default, and on a node what the API says."""

    path: tuple[str, ...]
    condition: Condition
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> Setting:
        arguments = Arguments("setting", raw)
        word = cls(arguments.texts("path"), Condition.of(arguments), arguments.verdict("if_absent"))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("setting", self.path),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        question = Question(self.needs()[0], self.condition, self.if_absent, "has no value")
        return ask_running(question, evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """A value in a configuration file; `if_absent` is for a file that is there and does not say it, `if_no_file`
    for one that is not there."""

    file: str
    path: tuple[str, ...]
    format: str
    condition: Condition
    if_absent: Verdict | None
    if_no_file: Verdict | None = None

    @classmethod
    def of(cls, raw: object) -> ConfigValue:
        arguments = Arguments("config_value", raw)
        word = cls(
            arguments.text("file"),
            arguments.texts("path"),
            arguments.choice("format", CONFIG_FORMATS),
            Condition.of(arguments),
            arguments.verdict("if_absent"),
            arguments.verdict("if_no_file"),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("config", (self.file, *self.path), self.format), Key("config", (self.file, ""), self.format))

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        value, there = self.needs()
        asked = Question(there, Condition("present"), self.if_no_file, "is not there")
        found = ask_running(asked, evidence, planes, scope)
        if found.verdict is not Verdict.PASS or any(fact.state is State.ABSENT for fact in found.facts):
            return found
        return ask_running(Question(value, self.condition, self.if_absent, "is not set"), evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class AnyFact:
    """`fact`: the value under any key, for what has no word of its own."""

    key: Key
    condition: Condition
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> AnyFact:
        arguments = Arguments("fact", raw)
        text = arguments.text("key")
        try:
            key = Key.parse(text)
        except ValueError as error:
            raise UsageError(f"fact: {error}") from error
        if arguments.flag("absent", default=False):
            word = cls(key, Condition(NEVER), Verdict.PASS)
        else:
            word = cls(key, Condition.of(arguments), arguments.verdict("if_absent"))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (self.key,)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return ask(Question(self.key, self.condition, self.if_absent, "is not there"), evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class Verity:
    """What states or proves the hash tree of the judged bank; facts come from `analysis.verity_facts`."""

    aspect: str
    condition: Condition

    @classmethod
    def of(cls, raw: object) -> Verity:
        arguments = Arguments("verity", raw)
        word = cls(arguments.choice("aspect", VERITY_ASPECTS), Condition.of(arguments))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("verity", ("root",), self.aspect),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        question = Question(self.needs()[0], self.condition, Verdict.FAIL, "is stated nowhere")
        return ask(question, evidence, planes, scope)


@dataclass(frozen=True, slots=True)
class IntegrityIs:
    """The verdict of the integrity analysis on the judged bank."""

    condition: Condition

    @classmethod
    def of(cls, raw: object) -> IntegrityIs:
        arguments = Arguments("integrity", raw)
        word = cls(Condition.of(arguments))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("integrity", ("image",), "verdict"),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        question = Question(Key("integrity", (scope,), "verdict"), self.condition)
        return ask(question, evidence, (Plane.STATIC,), scope)
