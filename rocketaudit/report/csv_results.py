"""Results as CSV (RFC 4180, UTF-8): one line a rule."""

from __future__ import annotations

from collections.abc import Iterable

from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.report import summary
from rocketaudit.report.escape import csv_cell

COLUMNS = (
    "benchmark", "section", "rule", "title", "level", "severity", "scored", "verdict", "why", "waived_until", "waiver",
    "maps_to", "facts", "remediation",
)  # fmt: skip


def write_csv(report: Report) -> bytes:
    """A header and one line a rule; a cell that a spreadsheet would take for a formula starts with an apostrophe."""
    lines = [COLUMNS, *(_cells(result) for result in summary.results(report))]
    return "".join(_line(cells) for cells in lines).encode()


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
