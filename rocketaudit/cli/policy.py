"""`rocketaudit policy`: whether a policy file says what it can mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.errors import UsageError

policy_app = typer.Typer(help="Check a policy.", no_args_is_help=True, rich_markup_mode=None)


@policy_app.callback()
def _policy() -> None:
    """Check a policy."""


@policy_app.command("check")
def check_policy(
    file: Annotated[Path, typer.Argument(help="The policy.")] = Path("rocketaudit.toml"),
) -> int:
    """Read a policy, load the rules that it names, and list what has expired or names nothing. 1 when something did."""
    from fnmatch import fnmatchcase

    from rocketaudit.cli.running import SHIPPED, read_benchmarks, read_policy

    policy, path, digest = read_policy(file)
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
    for problem in problems:
        typer.echo(problem, err=True)
    counts = f"{len(policy.waivers)} waivers, {len(policy.attestations)} attestations, {len(known)} rules"
    typer.echo(f"{path} ({digest}): {'in order' if not problems else f'{len(problems)} problems'}; {counts}")
    return ExitCode.FAILS_POLICY if problems else ExitCode.MEETS_POLICY
