"""The JSON report (schema rocketaudit-report-1.0): written, and read back strictly."""

from __future__ import annotations

from rocketaudit.errors import UnsupportedError
from rocketaudit.model import codec
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.report import REPORT_SCHEMA, Report
from rocketaudit.report.document import ReportDocument, encode_document, from_document, to_document
from rocketaudit.report.layout import lay_out


def prepare() -> None:
    """Compile what writing a report takes while there is none yet."""
    codec.compile_for(ReportDocument, text=Evidence, line=Component)


def write_json(report: Report) -> bytes:
    """The whole report, one member and one element of a list a line."""
    document, components = encode_document(to_document(report))
    return lay_out(document, {"components": components})


def read_json(data: bytes) -> Report:
    """A report out of its file; FormatError for what is none, UnsupportedError for another schema."""
    raw = codec.parse(data)
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != REPORT_SCHEMA:
        raise UnsupportedError(f"not a report that we read: schema {schema!r:.80}, {REPORT_SCHEMA} expected")
    return from_document(codec.decode(ReportDocument, raw))
