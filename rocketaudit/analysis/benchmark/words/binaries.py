"""`binaries` and `language_share`: what the compiled programs of the judged root are like."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.condition import Condition, shown
from rocketaudit.analysis.benchmark.survey import survey_of
from rocketaudit.analysis.benchmark.words.files import short_path
from rocketaudit.errors import UsageError
from rocketaudit.model.binary import Binary, BinaryKind, Language
from rocketaudit.model.evidence import OUTSIDE, Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

MAX_NAMED = 10
MAX_FACTS = 50
_UNDECIDED = frozenset({"unknown", "likely"})

# what can be asked of a program; None: it does not apply to this one
PROPERTIES: dict[str, Callable[[Binary], JsonValue]] = {
    "relro": lambda binary: binary.hardening.relro.value,
    "pie": lambda binary: binary.hardening.pie.value,
    "nx": lambda binary: binary.hardening.nx.value,
    "canary": lambda binary: binary.hardening.canary.value,
    "fortify": lambda binary: binary.hardening.fortify.value,
    "bind_now": lambda binary: binary.hardening.bind_now,
    "cet": lambda binary: None if binary.hardening.ibt is None else binary.hardening.ibt and binary.hardening.shstk,
    "branch_protection": lambda binary: binary.hardening.bti,
    "wx_segments": lambda binary: binary.hardening.wx_segments,
    "text_relocations": lambda binary: binary.hardening.textrel,
    "executable_stack": lambda binary: binary.hardening.execstack,
    "risky_search_paths": lambda binary: len(binary.hardening.risky_paths),
    "packed": lambda binary: binary.hardening.packed or binary.language is Language.PACKED,
    "debug_info": lambda binary: binary.hardening.debug_info,
    "sanitizers": lambda binary: len(binary.hardening.sanitizers),
    "language": lambda binary: binary.language.value,
    "signed": lambda binary: binary.module_info is not None and binary.module_info.signature is not None,
    "in_tree": lambda binary: None if binary.module_info is None else binary.module_info.intree,
    "interpreter": lambda binary: binary.interpreter,
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Every program of the `kinds` and `languages` has a `property` that the condition holds for."""

    property: str
    condition: Condition
    kinds: tuple[str, ...]
    languages: tuple[str, ...]
    under: tuple[str, ...]
    excepted: tuple[str, ...]

    @classmethod
    def of(cls, raw: object) -> Binaries:
        arguments = Arguments("binaries", raw)
        kinds = tuple(kind.value for kind in BinaryKind)
        languages = tuple(language.value for language in Language)
        word = cls(
            arguments.choice("property", tuple(PROPERTIES)),
            Condition.of(arguments),
            _known(arguments, "kinds", kinds, ("executable", "shared_object")),
            _known(arguments, "languages", languages, ()),
            arguments.texts("under", ("/",)),
            arguments.texts("except", ()),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("binary", ("*",), self.property),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        bad: list[Fact] = []
        open_questions: list[tuple[Binary, str]] = []
        good = 0
        for binary in evidence.binaries:
            if binary.scope != scope or not self._is_meant(binary):
                continue
            value = PROPERTIES[self.property](binary)
            if value is None or value == "not_applicable":
                continue
            if isinstance(value, str) and value in _UNDECIDED and not self.condition.holds(value):
                open_questions.append((binary, f"{self.property} is {value}"))
            elif self.condition.holds(value):
                good += 1
            else:
                bad.append(_fact(binary, self.property, value))
        if bad:
            return _failed(bad, self.property, self.condition, good)
        gap = _coverage_gap(evidence, scope)
        if gap:
            return Outcome(Verdict.UNKNOWN, gap)
        if open_questions:
            binary, why = open_questions[0]
            reason = f"{len(open_questions)} programs are undecided, such as {short_path(binary.path)}: {why}"
            facts = tuple(_fact(one, self.property, PROPERTIES[self.property](one)) for one, _ in open_questions)
            return Outcome(Verdict.UNKNOWN, reason, facts[:MAX_FACTS])
        counted = _count_fact(evidence, scope, self.property, good)
        if not good and not any(binary.scope == scope for binary in evidence.binaries):
            return Outcome(Verdict.UNKNOWN, "no program was looked into", (counted,))
        if not good:
            return Outcome(Verdict.NOT_APPLICABLE, "no program of that kind", (counted,))
        return Outcome(
            Verdict.PASS, f"{self.property.replace('_', ' ')} is {self.condition} in {good} files", (counted,)
        )

    def _is_meant(self, binary: Binary) -> bool:
        if binary.kind not in self.kinds:
            return False
        if self.languages and binary.language not in self.languages:
            return False
        if self.under == ("/",) and not self.excepted:
            return True
        path = short_path(binary.path)
        inside = any(path.startswith(root.rstrip("/") + "/") for root in self.under)
        return inside and not any(fnmatchcase(path, one) for one in self.excepted)


@dataclass(frozen=True, slots=True)
class LanguageShare:
    """The share of code bytes of some languages among all programs, in per cent."""

    languages: tuple[str, ...]
    condition: Condition

    @classmethod
    def of(cls, raw: object) -> LanguageShare:
        arguments = Arguments("language_share", raw)
        languages = tuple(language.value for language in Language)
        word = cls(_known(arguments, "languages", languages, None), Condition.of(arguments))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("binary", ("*",), "language"),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        kinds = (BinaryKind.EXECUTABLE, BinaryKind.SHARED_OBJECT)
        programs = [binary for binary in evidence.binaries if binary.scope == scope and binary.kind in kinds]
        total = sum(binary.code_bytes for binary in programs)
        gap = _coverage_gap(evidence, scope)
        if gap or not total:
            return Outcome(Verdict.UNKNOWN, gap or "no program with code was found")
        known = sum(binary.code_bytes for binary in programs if binary.language in self.languages)
        unsure = sum(binary.code_bytes for binary in programs if binary.language in (Language.UNKNOWN, Language.PACKED))
        low, high = 100 * known / total, 100 * (known + unsure) / total
        name = " and ".join(self.languages)
        where = Locator(evidence.target.name, scope)
        fact = Fact(Key("share", (name,), "code_bytes"), Plane.STATIC, State.PRESENT, where, round(low, 1), scope=scope)
        why = f"{low:.1f} % of {total} code bytes are {name}, expected {self.condition}"
        if self.condition.holds(low) == self.condition.holds(high):
            return Outcome(Verdict.PASS if self.condition.holds(low) else Verdict.FAIL, why, (fact,))
        return Outcome(Verdict.UNKNOWN, f"between {low:.1f} and {high:.1f} %: {why}", (fact,))


def _known(
    arguments: Arguments, name: str, choices: tuple[str, ...], default: tuple[str, ...] | None
) -> tuple[str, ...]:
    given = arguments.texts(name, default)
    for one in given:
        if one not in choices:
            raise UsageError(f"{arguments.word}: {name} names {one!r}; it may name {', '.join(choices)}")
    return given


def _fact(binary: Binary, name: str, value: JsonValue) -> Fact:
    where = Locator("", binary.scope, binary.path, digest=f"sha256:{binary.sha256}" if binary.sha256 else None)
    return Fact(Key("binary", (binary.path,), name), Plane.STATIC, State.PRESENT, where, value, scope=binary.scope)


def _count_fact(evidence: Evidence, scope: str, name: str, count: int) -> Fact:
    where = Locator(evidence.target.name, scope)
    return Fact(Key("binaries", (name,), "checked"), Plane.STATIC, State.PRESENT, where, count, scope=scope)


def _failed(bad: list[Fact], name: str, condition: Condition, good: int) -> Outcome:
    named = ", ".join(f"{short_path(fact.key.subject[0])} ({shown(fact.value)})" for fact in bad[:MAX_NAMED])
    more = f" and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else ""
    why = f"{name.replace('_', ' ')} is not {condition} in {len(bad)} of {len(bad) + good} files: {named}{more}"
    return Outcome(Verdict.FAIL, why, tuple(bad[:MAX_FACTS]))


def _coverage_gap(evidence: Evidence, scope: str) -> str:
    """Why there may be programs that nobody looked into; "" when there are none."""
    if scope not in evidence.walked:
        return "the tree was not walked to its end"
    for gap in evidence.gaps:
        if gap.scope == scope and not gap.reason.startswith(OUTSIDE):
            return f"{gap.path or 'a part of it'} could not be read: {gap.reason}"
    for record in survey_of(evidence, scope).unread:
        if record.content in ("", "elf"):
            return f"{record.path} could not be read: {record.unread}"
    for binary in evidence.binaries:
        if binary.error is not None and binary.scope == scope:
            return f"{binary.path}: {binary.error}"
    return ""
