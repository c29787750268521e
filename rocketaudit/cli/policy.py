"""`rocketaudit policy`: whether a policy file says what it can mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.errors import UsageError

if TYPE_CHECKING:
    from rocketaudit.model.policy import DriftPolicy

policy_app = typer.Typer(help="Check a policy.", no_args_is_help=True, rich_markup_mode=None)


@policy_app.callback()
def _policy() -> None:
    """Check a policy."""


def _drift_problems(policy: DriftPolicy, today: date) -> Iterator[str]:
    """Exceptions that expired or name no area, severities that name neither a ruling nor an area."""
    from fnmatch import fnmatchcase

    from rocketaudit.analysis.drift.areas import AREAS
    from rocketaudit.analysis.drift.rulings import NAMES

    for exception in (*policy.allow, *policy.ignore):
        if exception.expires <= today:
            yield f"drift exception for {exception.area} {exception.subject} expired on {exception.expires}"
        if not any(fnmatchcase(area, exception.area) for area in AREAS):
            yield f"drift exception names the area {exception.area!r}, which there is not"
    for name in policy.severities:
        if name not in NAMES and name not in AREAS:
            yield f"[drift.severities] names {name!r}, which is neither a ruling nor an area"


@policy_app.command("check")
def check_policy(
    file: Annotated[Path, typer.Argument(help="The policy.")] = Path("rocketaudit.toml"),
) -> int:
    """Read a policy, load the rules that it names, and list what has expired or names nothing. 1 when something did."""
    from fnmatch import fnmatchcase

    from rocketaudit.cli.running import SHIPPED, read_benchmarks, read_policy
    from rocketaudit.report.summary import plural

    policy, path, digest, _ = read_policy(file)
    if not path:
        raise UsageError(f"{file} does not exist")
    loaded = read_benchmarks(policy.benchmarks or SHIPPED, policy.tailoring)
    known = {rule.id for benchmark in loaded for rule in benchmark.rules}
    today = datetime.now(UTC).date()
    problems = []
    for kind, words in (("waiver", policy.waivers), ("attestation", policy.attestations)):
        for word in words:
            if word.rule not in known:
                problems.append(f"{kind} for {word.rule}: no rule of {', '.join(b.id for b in loaded)} is called so")
            elif word.expires <= today:
                problems.append(f"{kind} for {word.rule} expired on {word.expires}")
    for pattern in policy.require:
        if not any(fnmatchcase(rule, pattern) for rule in known):
            problems.append(f"require names {pattern!r}, which no rule is called")
    for name in policy.min_score:
        if not any(fnmatchcase(benchmark.id, name) for benchmark in loaded):
            problems.append(f"min_score names {name!r}, which no benchmark is called")
    problems += _drift_problems(policy.drift, today)
    for problem in problems:
        typer.echo(problem, err=True)
    numbers = ((len(policy.waivers), "waiver"), (len(policy.attestations), "attestation"), (len(known), "rule"))
    counts = ", ".join(plural(number, noun) for number, noun in numbers)
    typer.echo(f"{path} ({digest}): {plural(len(problems), 'problem') if problems else 'in order'}; {counts}")
    return ExitCode.FAILS_POLICY if problems else ExitCode.MEETS_POLICY
