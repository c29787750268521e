"""The evidence that a report stands on, as its own file: what was seen, to be judged again later or elsewhere."""

from __future__ import annotations

from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.report import Report


def write_evidence(report: Report) -> bytes:
    """The evidence file; of a report that was read back from JSON only the target, since it carries no more."""
    return dump_evidence(report.evidence)
