"""The evidence that a report stands on, as its own file: what was seen, to be judged again later or elsewhere."""

from __future__ import annotations

from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.report import Report
from rocketaudit.report.writer import Writer


def write_evidence(report: Report) -> bytes:
    """The evidence file; of a report that was read back from JSON only the target, since it carries no more."""
    return dump_evidence(report.evidence)


WRITER = Writer("evidence", ".evidence.json", write_evidence, "everything that was seen, to be judged again")
