"""`rocketaudit compare-apiclient`: our verdicts beside those of Bottlerocket's own checker."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rocketaudit.analysis.parity import OWN_CIS, Comparison, compare, own_reports
from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import AsOf, PolicyPath, Workers
from rocketaudit.errors import FormatError, SourceError, UsageError
from rocketaudit.model.evidence import NOT_COLLECTED
from rocketaudit.model.fact import Key, Plane

if TYPE_CHECKING:
    from rocketaudit.analysis.parity import ParityRow
    from rocketaudit.cli.running import Run
    from rocketaudit.formats.apiclient_report import CheckReport

API = Key("settings", ("api",))
MAX_REPORT = 8 << 20
_BENCHMARKS = {"cis": "bottlerocket", "cis-k8s": "kubernetes_worker", "fips": "fips"}


def compare_apiclient(
    report: Annotated[
        Path,
        typer.Argument(
            help="What `apiclient report cis|cis-k8s|fips` wrote, as JSON or text; or a node's evidence that holds it."
        ),
    ],
    target: Annotated[
        Path | None, typer.Argument(help="The node's evidence, or the image that it runs.", show_default=False)
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")] = "console",
    policy: PolicyPath = None,
    as_of: AsOf = None,
    workers: Workers = None,
) -> int:
    """Explain every disagreement with Bottlerocket's own checker. 1 when the two contradict each other, 3 when the
    report is not whole."""
    from rocketaudit.cli.running import Run, audit_target

    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    run = Run(target=report, policy=policy, as_of=as_of, workers=workers, quiet=output == "json", level=2)
    if target is None:
        found = _own_reports(run)
    else:
        theirs = _read_report(report)
        run = replace(run, target=target, benchmarks=(_BENCHMARKS[theirs.kind],))
        found = ((theirs, compare(theirs, audit_target(run).benchmarks)),)
    if output == "json":
        raw = [_as_json(theirs, rows) for theirs, rows in found]
        typer.echo(json.dumps(raw if target is None else raw[0], indent=2, ensure_ascii=False))
    else:
        for theirs, rows in found:
            _print(theirs, rows)
    if any(row.comparison is Comparison.CONTRADICTS for _, rows in found for row in rows):
        return ExitCode.FAILS_POLICY
    return ExitCode.UNREAD if any(theirs.problems for theirs, _ in found) else ExitCode.MEETS_POLICY


def _read_report(path: Path) -> CheckReport:
    from rocketaudit.cli.input_file import read_input
    from rocketaudit.formats.apiclient_report import parse_apiclient_report

    theirs = parse_apiclient_report(read_input(path, MAX_REPORT))
    if theirs.kind not in _BENCHMARKS:
        raise UsageError(f"{path}: a report on {theirs.name!r}; cis, cis-k8s and fips are compared")
    return theirs


def _own_reports(run: Run) -> tuple[tuple[CheckReport, tuple[ParityRow, ...]], ...]:
    """What the node's own checker said when its evidence was collected, each report beside our verdicts."""
    from rocketaudit.audit import judge_evidence
    from rocketaudit.cli.evidence_argument import judged_evidence
    from rocketaudit.cli.running import read_judging

    try:
        evidence = judged_evidence(run.target, ())
    except FormatError as error:
        hint = "a report needs the node's evidence, or its image, as a second argument"
        raise UsageError(f"{run.target} is no evidence of a node: {error.message}", hint=hint) from error
    reports = own_reports(evidence)
    if not reports:
        facts = [evidence.get(key, Plane.RUNTIME) for key in (OWN_CIS, API)]
        reason = next((one.reason for one in facts if one.reason not in ("", NOT_COLLECTED)), "the API was not asked")
        raise SourceError(f"{run.target} holds no report of the node's own checker: {reason}")
    names = tuple(_BENCHMARKS[one.kind] for one in reports)
    judged = judge_evidence(evidence, read_judging(replace(run, benchmarks=names))).benchmarks
    return tuple((one, compare(one, judged)) for one in reports)


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
