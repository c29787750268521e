"""`rocketaudit rules`: list, show, check and test the rules of benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.errors import UsageError
from rocketaudit.model.records import dataclass

if TYPE_CHECKING:
    from rocketaudit.model.rule import Benchmark, Rule

rules_app = typer.Typer(help="List, show, check and test rules.", no_args_is_help=True, rich_markup_mode=None)
Names = Annotated[
    list[str] | None,
    typer.Option("--benchmark", metavar="NAME|PATH", help="A shipped benchmark or a folder of rules; repeatable."),
]
Output = Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")]


@rules_app.command("list")
def list_rules(benchmark: Names = None, output: Output = "console") -> int:
    """List the rules: id, benchmark, section, level, planes and title."""
    loaded = _load(benchmark)
    if _is_json(output):
        _print_json([_summary(one, rule) for one in loaded for rule in one.rules])
        return ExitCode.MEETS_POLICY
    for one in loaded:
        typer.echo(f"{one.id}  {one.title} ({len(one.rules)} rules)")
        for rule in one.rules:
            planes = "+".join(plane.value for plane in rule.planes)
            typer.echo(f"  {rule.section:<9} L{rule.level} {rule.id:<48} {planes:<14} {rule.title}")
    return ExitCode.MEETS_POLICY


@rules_app.command("show")
def show_rule(
    rule: Annotated[str, typer.Argument(help="A rule's id, or a number such as 1.5.2 of a CIS benchmark.")],
    benchmark: Names = None,
    output: Output = "console",
) -> int:
    """Show one rule: what it wants, why, how to get there, and which facts it stands on."""
    found = [(one, each) for one in _load(benchmark) for each in one.rules if _is_called(each, rule)]
    if not found:
        raise UsageError(f"no rule is called {rule!r}", hint="rocketaudit rules list")
    if _is_json(output):
        _print_json([_details(one, each) for one, each in found])
        return ExitCode.MEETS_POLICY
    for one, each in found:
        for name, value in _details(one, each).items():
            typer.echo(f"{name + ':':<13}{_printed(value)}")
        typer.echo("")
    return ExitCode.MEETS_POLICY


@rules_app.command("check")
def check_rules(
    folder: Annotated[list[Path] | None, typer.Argument(help="Folders of rules. Default: the shipped ones.")] = None,
) -> int:
    """Check rules against the schema and load them; the first mistake is printed with its file and rule."""
    from rocketaudit.cli.rule_schema import check_schema
    from rocketaudit.cli.running import SHIPPED

    names = [str(path) for path in folder or ()] or list(SHIPPED)
    problems = check_schema(_files(names))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise UsageError(f"{len(problems)} mistakes in the rules")
    loaded = _load(names)
    typer.echo(f"{sum(len(one.rules) for one in loaded)} rules in {len(loaded)} benchmarks are in order")
    return ExitCode.MEETS_POLICY


@dataclass(frozen=True, slots=True)
class _Tested:
    rule: str
    case: str
    good: bool
    why: str


@rules_app.command("test")
def run_examples(
    rule: Annotated[str | None, typer.Argument(help="Only this rule.")] = None,
    benchmark: Names = None,
    output: Output = "console",
) -> int:
    """Run the rules' own examples: small worlds that a rule must pass, fail or not decide."""
    tested = _run_examples(benchmark, rule)
    if not tested:
        raise UsageError(f"no example for {rule!r}" if rule else "the rules have no examples")
    wrong = [one for one in tested if not one.good]
    if _is_json(output):
        _print_json([{"rule": t.rule, "case": t.case, "good": t.good, "why": t.why} for t in tested])
    else:
        for one in wrong:
            typer.echo(f"{one.rule}: {one.case}: {one.why}")
        typer.echo(f"{len(tested) - len(wrong)} of {len(tested)} examples hold")
    return ExitCode.FAILS_POLICY if wrong else ExitCode.MEETS_POLICY


def _run_examples(names: list[str] | None, wanted: str | None) -> list[_Tested]:
    from rocketaudit.analysis.benchmark.loader import EXAMPLES
    from rocketaudit.cli.rule_examples import judge_example, parse_examples
    from rocketaudit.cli.running import SHIPPED
    from rocketaudit.formats.strict_yaml import load_strict

    files = _files(names or list(SHIPPED))
    rules = {rule.id: rule for one in _load(names) for rule in one.rules}
    tested = []
    for path, data in files.items():
        if not path.endswith(EXAMPLES):
            continue
        for example in parse_examples(path, load_strict(data)):
            if wanted is not None and example.rule != wanted:
                continue
            if example.rule not in rules:
                raise UsageError(f"{path}: examples for {example.rule!r}, which is no rule")
            outcome = judge_example(example, rules[example.rule])
            good = outcome.verdict is example.verdict
            tested.append(_Tested(example.rule, example.name, good, f"{outcome.verdict.value}: {outcome.why}"))
    return tested


def _files(names: list[str]) -> dict[str, bytes]:
    from rocketaudit.cli.running import rule_files

    files: dict[str, bytes] = {}
    for name in names:
        files.update(rule_files(name))
    return files


def _load(names: list[str] | None) -> tuple[Benchmark, ...]:
    from rocketaudit.cli.running import SHIPPED, read_benchmarks

    return read_benchmarks(tuple(names or SHIPPED))


def _is_called(rule: Rule, name: str) -> bool:
    return rule.id == name or any(name in numbers for numbers in (rule.maps_to or {}).values())


def _is_json(output: str) -> bool:
    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    return output == "json"


def _summary(benchmark: Benchmark, rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "benchmark": benchmark.id,
        "section": rule.section,
        "level": rule.level,
        "severity": rule.severity.value,
        "planes": [plane.value for plane in rule.planes],
        "title": rule.title,
        "maps_to": {name: list(numbers) for name, numbers in (rule.maps_to or {}).items()},
    }


def _details(benchmark: Benchmark, rule: Rule) -> dict[str, Any]:
    needs = () if rule.check is None else rule.check.needs()
    return {
        **_summary(benchmark, rule),
        "scored": rule.scored,
        "assessment": "manual" if rule.check is None else "automatic",
        "rationale": rule.rationale,
        "remediation": rule.remediation,
        "facts": [str(key) for key in dict.fromkeys(needs)],
    }


def _printed(value: Any) -> str:
    match value:
        case dict():
            return "; ".join(f"{name} {', '.join(numbers)}" for name, numbers in value.items())
        case list():
            return ", ".join(str(one) for one in value)
        case _:
            return str(value).replace("\n", "\n" + " " * 13)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
