"""The JSON report (schema rocketaudit-report-1.0): written, and read back strictly."""

from __future__ import annotations

import json

from rocketaudit.errors import UnsupportedError
from rocketaudit.model import codec
from rocketaudit.model.report import REPORT_SCHEMA, Report
from rocketaudit.report.document import ReportDocument, encode_document, from_document, to_document
from rocketaudit.report.escape import json_text


def write_json(report: Report) -> bytes:
    """The whole report, one member and one element of a list a line."""
    return lay_out(encode_document(to_document(report)))


def read_json(data: bytes) -> Report:
    """A report out of its file; FormatError for what is none, UnsupportedError for another schema."""
    raw = codec.parse(data)
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != REPORT_SCHEMA:
        raise UnsupportedError(f"not a report that we read: schema {schema!r:.80}, {REPORT_SCHEMA} expected")
    return from_document(codec.decode(ReportDocument, raw))


def lay_out(document: dict[str, object]) -> bytes:
    """A JSON object, one member a line and one element of each top-level list a line: short, and good to diff."""
    members = []
    for name, value in document.items():
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(map(_compact, value)) + "\n ]"
        else:
            text = _compact(value)
        members.append(f" {_compact(name)}: {text}")
    return json_text("{\n" + ",\n".join(members) + "\n}\n").encode()


# made once: `json.dumps` makes an encoder for each of thousands of elements
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
