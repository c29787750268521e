"""Evidence may come from anywhere: whatever its values are, a rule gives a verdict and raises nothing."""

from __future__ import annotations

from datetime import date

import pytest

from rocketaudit.analysis.benchmark import judge, needs
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verdict import Verdict
from tests.rules import shipped

VALUES: tuple[JsonValue, ...] = (
    "",
    "0",
    "-1",
    "1e999",
    "nan",
    "9" * 5000,
    "x" * 100_000,
    "\x1b[31m\u202e<script>|`",
    0,
    -1,
    10**400,
    1.5,
    float("inf"),
    True,
    None,
    (),
    ("a", 1, None, ("b",)),
    {},
    {"a": {"b": ("c",)}},
    "2026-99-99",
    "[::1",
    "host:port:1",
    "'unbalanced \"quotes",
)


@pytest.mark.parametrize("value", VALUES, ids=[str(number) for number in range(len(VALUES))])
@pytest.mark.parametrize("kind", [TargetKind.IMAGE, TargetKind.NODE])
def test_no_value_under_any_key_makes_a_rule_raise(value: JsonValue, kind: TargetKind) -> None:
    keys = [*needs(shipped()), Key("integrity", ("root",), "verdict"), Key("integrity", ("bank-b",), "verdict")]
    keys += [Key("user", ("root",), name) for name in ("password", "shell")]
    keys += [Key("unit", (f"{name}.service",), "sandbox") for name in ("chronyd", "x")]
    keys += [Key("unit", ("x.socket",), name) for name in ("socket_mode", "listens")]
    facts = tuple(
        Fact(key, plane, State.PRESENT, Locator("x"), value, scope="root")
        for key in dict.fromkeys(keys)
        for plane in Plane
    )
    evidence = Evidence(target=Target("t", kind), judged="root", facts=facts, walked=("root",))
    for benchmark in judge(shipped(), evidence, None, today=date(2026, 11, 22)):
        for result in benchmark.results:
            assert isinstance(result.outcome.verdict, Verdict)
            assert len(result.outcome.why) <= 2000, result.rule.id
