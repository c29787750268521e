"""`rocketaudit compare-apiclient`: our verdicts beside those of Bottlerocket's own checker."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import AsOf, PolicyPath, Workers
from rocketaudit.errors import UsageError

if TYPE_CHECKING:
    from rocketaudit.analysis.parity import ParityRow
    from rocketaudit.formats.apiclient_report import CheckReport

MAX_REPORT = 8 << 20
_BENCHMARKS = {"cis": "bottlerocket", "cis-k8s": "kubernetes_worker", "fips": "fips"}


def compare_apiclient(
    report: Annotated[Path, typer.Argument(help="What `apiclient report cis|cis-k8s|fips` wrote, as JSON or text.")],
    target: Annotated[Path, typer.Argument(help="The node's evidence, or the image that it runs.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")] = "console",
    policy: PolicyPath = None,
    as_of: AsOf = None,
    workers: Workers = None,
) -> int:
    """Explain every disagreement with Bottlerocket's own checker. 1 when the two contradict each other, 3 when the
    report is not whole."""
    from rocketaudit.analysis.parity import Comparison, compare
    from rocketaudit.cli.input_file import read_input
    from rocketaudit.cli.running import Run, audit_target
    from rocketaudit.formats.apiclient_report import parse_apiclient_report

    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    theirs = parse_apiclient_report(read_input(report, MAX_REPORT))
    if theirs.kind not in _BENCHMARKS:
        raise UsageError(f"{report}: a report on {theirs.name!r}; cis, cis-k8s and fips are compared")
    run = Run(
        target=target,
        benchmarks=(_BENCHMARKS[theirs.kind],),
        policy=policy,
        as_of=as_of,
        workers=workers,
        quiet=output == "json",
        level=2,
    )
    rows = compare(theirs, audit_target(run).benchmarks)
    if output == "json":
        typer.echo(json.dumps(_as_json(theirs, rows), indent=2, ensure_ascii=False))
    else:
        _print(theirs, rows)
    if any(row.comparison is Comparison.CONTRADICTS for row in rows):
        return ExitCode.FAILS_POLICY
    return ExitCode.UNREAD if theirs.problems else ExitCode.MEETS_POLICY


# what a reader should look at first
_ORDER = ("contradicts", "exception", "only_ours", "only_theirs", "undecided", "no_rule", "agrees")


def _print(theirs: CheckReport, rows: tuple[ParityRow, ...]) -> None:
    from rocketaudit.report.escape import terminal

    counts = Counter(row.comparison.value for row in rows)
    told = ", ".join(f"{counts[one]} {one.replace('_', ' ')}" for one in _ORDER if counts[one])
    typer.echo(terminal(f"{theirs.name} {theirs.version}: {len(rows)} checks: {told}"))
    for row in sorted(rows, key=lambda one: _ORDER.index(one.comparison.value)):
        typer.echo(terminal(f"{row.comparison.value:<13}{row.check.id:<9}{row.check.title}"))
        typer.echo(terminal(f"{'':22}{row.why}"))
    for problem in theirs.problems:
        typer.echo(terminal(problem), err=True)


def _as_json(theirs: CheckReport, rows: tuple[ParityRow, ...]) -> dict[str, Any]:
    return {
        "name": theirs.name,
        "version": theirs.version,
        "problems": list(theirs.problems),
        "checks": [
            {
                "id": row.check.id,
                "title": row.check.title,
                "theirs": row.check.status.value,
                "comparison": row.comparison.value,
                "rules": [{"id": r.rule.id, "verdict": r.verdict.value, "why": r.outcome.why} for r in row.results],
                "why": row.why,
            }
            for row in rows
        ],
    }
