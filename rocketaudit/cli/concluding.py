"""From evidence to an exit code: judge, keep in a store, write."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from rocketaudit.audit import Judging, judge_evidence
from rocketaudit.cli.output import Output, Screen, write_outputs
from rocketaudit.evidence.background import in_background
from rocketaudit.formats.evidence_file import evidence_digest
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.report import Report

if TYPE_CHECKING:
    from rocketaudit.cli.running import Run

NAME_NO_EVIDENCE = frozenset({"console", "csv", "evidence", "junit", "openmetrics", "xccdf"})  # nor its digest


def conclude(
    run: Run, evidence: Evidence, judging: Judging, outputs: tuple[Output, ...], *, alone: bool = False
) -> int:
    """Judge, keep, write, and give the exit code.

    The digest of the evidence, which takes as long as judging it, is made meanwhile in a second process unless `alone`.
    """
    digest = None
    if any(output.writer.name not in NAME_NO_EVIDENCE for output in outputs):
        make = partial(evidence_digest, evidence)
        digest = cache(make) if alone else in_background(make)
    report = judge_evidence(evidence, judging)
    if digest is not None:
        report = replace(report, extra={**(report.extra or {}), "evidence_digest": digest()})
    return finish(run, report, outputs)


def finish(run: Run, report: Report, outputs: tuple[Output, ...]) -> int:
    """Keep the report, write it, and give the exit code."""
    if run.store is not None:
        from rocketaudit.cli.storing import store_report

        store_report(run.store, report)
    write_outputs(report, outputs, Screen.of_stdout(no_color=run.no_color, verbose=run.verbose))
    return report.policy.exit_code
