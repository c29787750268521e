"""rocketaudit.toml: what a pipeline demands, with a message for everything that cannot be meant so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from rocketaudit.errors import UsageError
from rocketaudit.formats.release_version import release_numbers
from rocketaudit.formats.statement_value import expected_instead
from rocketaudit.model.fact import JsonValue
from rocketaudit.model.policy import Attestation, DriftException, DriftPolicy, Policy, Tailoring
from rocketaudit.model.rule import Waiver
from rocketaudit.model.statement import STATED, Statement
from rocketaudit.model.verdict import Severity, Verdict

DRIFT_FAIL_ON = ("unexpected", "cannot-say", "never")
FAIL_ON = ("never", "integrity", "level1", "level2", "any")
SBOM_NAMES = (
    "author-name", "author-email", "manufacturer", "manufacturer-url", "supplier", "supplier-url", "contact-email",
    "licence",
)  # fmt: skip
DECLARED_WORDS = "upgrade, none, or a version such as 1.57.0"
ROOT_HASH_WORDS = "a root hash in hexadecimal, of 64 digits as sha256 gives"
_VERSION = re.compile(r"v?\d[\w.+~-]{0,99}", re.ASCII)
_DIGEST_DIGITS = (40, 56, 64, 96, 128)
_ATTESTED = {"pass": Verdict.PASS, "fail": Verdict.FAIL, "not_applicable": Verdict.NOT_APPLICABLE}


def parse_policy(data: bytes) -> Policy:
    """The policy in a TOML file; UsageError names the entry, what was found and what is expected."""
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"the policy is not UTF-8 text (byte {error.start})") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"the policy is not TOML: {error}") from error
    table = _Table("the policy", raw)
    policy = Policy(
        benchmarks=table.texts("benchmarks"),
        level=table.level(),
        fail_on=table.fail_on(),
        min_score=table.scores(),
        max_c_share=table.percent("max_c_share"),
        min_version=table.version("min_version"),
        require=table.texts("require"),
        waivers=tuple(_waiver(one) for one in table.tables("waivers")),
        attestations=tuple(_attestation(one) for one in table.tables("attestations")),
        tailoring=_tailoring(table),
        drift=_drift(table),
        **_sbom(table),
    )
    table.end()
    return policy


def declared_update(value: object, wrong: UsageError) -> str:
    """A declaration of what a drift may be: "upgrade", "none" or a version; raises `wrong` for all else."""
    if not isinstance(value, str) or (value not in ("upgrade", "none") and not _VERSION.fullmatch(value)):
        raise wrong
    return value


def declared_root_hash(value: object, wrong: UsageError) -> str:
    """A root hash in lower case; raises `wrong` for what is none of any digest that dm-verity may use."""
    if not isinstance(value, str) or len(value) not in _DIGEST_DIGITS or set(value.lower()) - set("0123456789abcdef"):
        raise wrong
    return value.lower()


class _Table:
    """One table of the file; entries are taken out, what is left over is a mistake."""

    def __init__(self, place: str, raw: Mapping[str, Any]) -> None:
        self.place = place
        self.left = dict(raw)
        self.known: list[str] = []

    def take(self, name: str) -> Any:
        self.known.append(name)
        return self.left.pop(name, None)

    def wrong(self, name: str, value: object, expected: str) -> UsageError:
        return UsageError(f"{self.place}: {name} is {_describe(value)}; expected {expected}")

    def text(self, name: str, *, default: str | None = None) -> str:
        value = self.take(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise UsageError(f"{self.place}: {name} is missing")
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, value, "text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(name, value, "a list of texts")
        return tuple(value)

    def tables(self, name: str) -> tuple[_Table, ...]:
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(name, value, f"tables, each under [[{self.inside(name)}]]")
        return tuple(_Table(f"[[{self.inside(name)}]] number {number}", one) for number, one in enumerate(value, 1))

    def inside(self, name: str) -> str:
        """How a table of this one is written."""
        return f"{self.place[1:-1]}.{name}" if self.place.startswith("[") else name

    def table(self, name: str) -> _Table:
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, value, f"a table under [{name}]")
        return _Table(f"[{name}]", value or {})

    def level(self) -> int | None:
        value = self.take("level")
        if value is not None and (isinstance(value, bool) or value not in (1, 2)):
            raise self.wrong("level", value, "1 or 2")
        return value if value is None else int(value)

    def fail_on(self) -> tuple[str, ...] | None:
        value = self.take("fail_on")
        if value is None:
            return None
        words = value if isinstance(value, list) else [value]
        for word in words:
            if word not in FAIL_ON:
                raise self.wrong("fail_on", word, f"some of {', '.join(FAIL_ON)}")
        if not words:
            raise self.wrong("fail_on", value, f"at least one of {', '.join(FAIL_ON)}")
        return tuple(words)

    def percent(self, name: str) -> float | None:
        value = self.take(name)
        return None if value is None else self.as_percent(name, value)

    def as_percent(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            raise self.wrong(name, value, "a number from 0 to 100")
        return float(value)

    def version(self, name: str) -> str | None:
        value = self.take(name)
        if value is not None and (not isinstance(value, str) or release_numbers(value) is None):
            raise self.wrong(name, value, "a release such as 1.57.0")
        return value

    def declared(self, name: str) -> str | None:
        value = self.take(name)
        return None if value is None else declared_update(value, self.wrong(name, value, DECLARED_WORDS))

    def root_hash(self, name: str) -> str | None:
        value = self.take(name)
        return None if value is None else declared_root_hash(value, self.wrong(name, value, ROOT_HASH_WORDS))

    def scores(self) -> Mapping[str, float]:
        value = self.take("min_score")
        if value is None:
            return {}
        if not isinstance(value, dict):
            return {"*": self.as_percent("min_score", value)}
        return {name: self.as_percent(f"min_score.{name}", one) for name, one in value.items()}

    def day(self, name: str) -> date:
        value = self.take(name)
        if value is None:
            raise UsageError(f"{self.place}: {name} is missing", hint=f"a day such as {name} = 2027-01-31")
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise self.wrong(name, value, "a day such as 2027-01-31") from None
        if isinstance(value, datetime) or not isinstance(value, date):
            raise self.wrong(name, value, "a day such as 2027-01-31")
        return value

    def end(self) -> None:
        for name in self.left:
            near = get_close_matches(name, self.known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(self.known)}"
            raise UsageError(f"{self.place}: there is no entry {name!r}", hint=hint)


def _waiver(table: _Table) -> Waiver:
    waiver = Waiver(
        rule=table.text("rule"),
        reason=table.text("reason"),
        approved_by=table.text("approved_by"),
        expires=table.day("expires"),
        target=table.text("target", default="*"),
    )
    table.end()
    return waiver


def _attestation(table: _Table) -> Attestation:
    verdict = table.text("verdict")
    if verdict not in _ATTESTED:
        raise table.wrong("verdict", verdict, f"one of {', '.join(_ATTESTED)}")
    attestation = Attestation(
        rule=table.text("rule"),
        verdict=_ATTESTED[verdict],
        reason=table.text("reason"),
        approved_by=table.text("approved_by"),
        expires=table.day("expires"),
        target=table.text("target", default="*"),
    )
    table.end()
    return attestation


def _tailoring(table: _Table) -> Tailoring:
    inner = table.table("tailoring")
    levels = inner.table("levels").left
    for rule, level in levels.items():
        if isinstance(level, bool) or level not in (1, 2):
            raise inner.wrong(f"levels.{rule}", level, "1 or 2")
    values = inner.table("values").left
    for rule, given in values.items():
        if not isinstance(given, dict) or not given:
            raise inner.wrong(f"values.{rule}", given, "arguments of the rule's word")
    tailoring = Tailoring(
        select=inner.texts("select"),
        skip=inner.texts("skip"),
        levels=levels,
        values={rule: {name: _plain(value) for name, value in given.items()} for rule, given in values.items()},
    )
    inner.end()
    return tailoring


def _drift(table: _Table) -> DriftPolicy:
    inner = table.table("drift")
    severities = inner.table("severities").left
    for name, word in severities.items():
        if word not in tuple(Severity):
            raise inner.wrong(f"severities.{name}", word, f"one of {', '.join(Severity)}")
    fail_on = inner.text("fail_on", default="unexpected")
    if fail_on not in DRIFT_FAIL_ON:
        raise inner.wrong("fail_on", fail_on, f"one of {', '.join(DRIFT_FAIL_ON)}")
    policy = DriftPolicy(
        allow=tuple(_exception(one) for one in inner.tables("allow")),
        ignore=tuple(_exception(one) for one in inner.tables("ignore")),
        severities={name: Severity(word) for name, word in severities.items()},
        fail_on=fail_on,
        declared_update=inner.declared("declared_update"),
        declared_root_hash=inner.root_hash("declared_root_hash"),
        share_fall=1.0 if (fall := inner.percent("share_fall")) is None else fall,
    )
    inner.end()
    return policy


def _sbom(table: _Table) -> dict[str, Any]:
    """[sbom]: who answers for the bill of materials and for the image, and what is stated of components."""
    inner = table.table("sbom")
    stated = {f"sbom:{name}": inner.text(name, default="") for name in SBOM_NAMES}
    components = tuple(_statement(one) for one in inner.tables("component"))
    inner.end()
    return {"sbom": {name: value for name, value in stated.items() if value}, "sbom_components": components}


def _statement(table: _Table) -> Statement:
    match, basis = table.texts("match"), table.text("basis")
    values = {name: value for name in STATED if (value := table.text(name, default=""))}
    if not match or not values:
        raise UsageError(f"{table.place}: {'match' if not match else 'a value'} is missing", hint=", ".join(STATED))
    for name, value in values.items():
        if expected := expected_instead(name, value):
            raise table.wrong(name, value, expected)
    table.end()
    return Statement(match, basis, values)


def _exception(table: _Table) -> DriftException:
    exception = DriftException(
        area=table.text("area", default="*"),
        subject=table.text("subject", default="*"),
        attribute=table.text("attribute", default="*"),
        reason=table.text("reason"),
        approved_by=table.text("approved_by"),
        expires=table.day("expires"),
    )
    if not any(character.isalnum() for character in exception.area + exception.subject):  # wildcards and marks alone
        raise UsageError(f"{table.place}: neither area nor subject is named, so it would accept everything")
    table.end()
    return exception


def _plain(value: Any) -> JsonValue:
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, (str, bool, int, float)):
        return value
    raise UsageError(f"[tailoring]: a value is {_describe(value)}; expected text, a number, true, false or a list")


def _describe(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
