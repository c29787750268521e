"""Results as CSV (RFC 4180, UTF-8): one line a rule, or one line a control that rules answer."""

from __future__ import annotations

from collections.abc import Iterable

from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Verdict
from rocketaudit.report import summary
from rocketaudit.report.controls import Control, controls
from rocketaudit.report.escape import csv_cell

COLUMNS = (
    "benchmark", "section", "rule", "title", "level", "severity", "scored", "verdict", "why", "waived_until", "waiver",
    "maps_to", "facts", "remediation",
)  # fmt: skip


def write_csv(report: Report) -> bytes:
    """A header and one line a rule; a cell that a spreadsheet would take for a formula starts with an apostrophe."""
    lines = [COLUMNS, *(_cells(result) for result in summary.results(report))]
    return "".join(_line(cells) for cells in lines).encode()


CONTROL_COLUMNS = (
    "catalogue",
    "control",
    "verdict",
    *(verdict.value for verdict in summary.VERDICTS),
    "open_rules",
    "rules",
)


def write_controls(report: Report) -> bytes:
    """One line a control of another catalogue (NIST SP 800-53 and 800-190, CIS numbers): the results, turned around."""
    lines = [CONTROL_COLUMNS, *(_control_cells(control) for control in controls(report))]
    return "".join(_line(cells) for cells in lines).encode()


def _control_cells(control: Control) -> tuple[str, ...]:
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return (
        control.catalogue,
        control.number,
        control.verdict.value,
        *(str(count) for count in control.counts.values()),
        "; ".join(f"{one.rule.id} ({one.verdict.value})" for one in control.results if one.verdict not in fine),
        "; ".join(one.rule.id for one in control.results),
    )


def _cells(result: Result) -> tuple[str, ...]:
    rule, waiver = result.rule, result.waiver
    mapped = (f"{name} {number}" for name, numbers in sorted((rule.maps_to or {}).items()) for number in numbers)
    return (
        result.benchmark,
        rule.section,
        rule.id,
        rule.title,
        str(rule.level),
        rule.severity.value,
        "yes" if rule.scored else "no",
        result.verdict.value,
        result.outcome.why,
        waiver.expires.isoformat() if waiver is not None else "",
        waiver.reason if waiver is not None else "",
        "; ".join(mapped),
        "; ".join(summary.fact_line(fact) for fact in result.outcome.facts),
        rule.remediation.strip().replace("\n", " / "),
    )


def _line(cells: Iterable[str]) -> str:
    quoted = (csv_cell(cell).replace('"', '""') for cell in cells)
    return ",".join(f'"{cell}"' for cell in quoted) + "\r\n"
