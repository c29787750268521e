"""The JSON report (schema rocketaudit-report-1.0): written, and read back strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rocketaudit.errors import UnsupportedError
from rocketaudit.model import codec
from rocketaudit.model.report import REPORT_SCHEMA, Report
from rocketaudit.report.document import ReportDocument, encode_document, from_document, to_document
from rocketaudit.report.escape import json_text


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


def lay_out(document: dict[str, object], written: Mapping[str, list[str]] | None = None) -> bytes:
    """A JSON object, one member a line and one element of each top-level list a line: short, and good to diff.

    `written` has the elements of lists that are text already, by the name of the member.
    """
    members = []
    for name, value in document.items():
        lines = (written or {}).get(name) or (list(map(_compact, value)) if isinstance(value, list) else [])
        text = "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else _compact(value)
        members.append(f" {_compact(name)}: {text}")
    return json_text("{\n" + ",\n".join(members) + "\n}\n").encode()


# made once: `json.dumps` makes an encoder for each of thousands of elements
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
