"""Keeps a report in the store that the user named."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.analysis.history import facts_of, record_of
from rocketaudit.model.report import Report
from rocketaudit.report.document import digest_of
from rocketaudit.source.store import open_store


def store_report(path: Path, report: Report) -> int:
    """The number of the scan in the store; SourceError or FormatError when it cannot be kept."""
    record = record_of(report, digest_of(report), report.created or report.evidence.when)
    with open_store(path, create=True) as store:
        return store.add(record, facts_of(report))
