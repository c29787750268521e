"""What tests of rules share: the shipped rules, and verdicts on small worlds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rocketaudit.analysis.benchmark import load_benchmarks
from rocketaudit.cli.rule_examples import Example, judge_example, parse_examples
from rocketaudit.formats.strict_yaml import load_strict
from rocketaudit.model.rule import Benchmark, Rule
from rocketaudit.model.verdict import Outcome, Verdict
from tests.support import REPO

RULES = REPO / "benchmarks" / "cis"


@cache
def rule_files() -> Mapping[str, bytes]:
    return {str(path.relative_to(RULES)): path.read_bytes() for path in sorted(RULES.rglob("*.yaml"))}


@cache
def shipped() -> tuple[Benchmark, ...]:
    return load_benchmarks(rule_files())


@cache
def all_rules() -> Mapping[str, Rule]:
    return {rule.id: rule for benchmark in shipped() for rule in benchmark.rules}


@cache
def examples() -> tuple[Example, ...]:
    files = rule_files()
    return tuple(
        example
        for path in files
        if path.endswith(".examples.yaml")
        for example in parse_examples(path, load_strict(files[path]))
    )


def judge_world(rule: str, world: Mapping[str, Any]) -> Outcome:
    """The outcome of a shipped rule on a world (see rocketaudit.cli.rule_examples)."""
    return judge_example(Example(rule, "test", Verdict.PASS, world), all_rules()[rule])


def verdict_on(rule: str, world: Mapping[str, Any]) -> Verdict:
    return judge_world(rule, world).verdict


def data_file(*parts: str) -> Path:
    from tests.support import shared_data

    return shared_data("bottlerocket", *parts)
