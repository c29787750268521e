"""What a signature on a report says: an in-toto statement over the digests of the report and its evidence."""

from __future__ import annotations

import json
from hashlib import sha256

from rocketaudit.errors import TrustError
from rocketaudit.formats.strict_json import loads
from rocketaudit.model.report import Report
from rocketaudit.report.document import digest_of

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:rocketaudit:report-statement:1"


def make_statement(data: bytes, report: Report) -> bytes:
    """The statement for the bytes of a JSON report; `report` is what they say."""
    document = {
        "_type": STATEMENT,
        "subject": [
            {"name": "report.json", "digest": {"sha256": sha256(data).hexdigest()}},
            {"name": "evidence", "digest": {"sha256": digest_of(report).removeprefix("sha256:")}},
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "tool": {"name": report.tool.name, "version": report.tool.version},
            "created": report.created,
            "assurance": report.assurance.value,
            "exitCode": report.policy.exit_code,
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def check_statement(payload: bytes, payload_type: str, data: bytes, report: Report) -> None:
    """TrustError unless the statement (its signature was checked before) is about exactly these bytes and evidence."""
    if payload_type != PAYLOAD_TYPE:
        raise TrustError(f"the envelope holds {payload_type[:80]!r}, not an in-toto statement")
    document = loads(payload, what="statement", max_bytes=1 << 20)
    if (
        not isinstance(document, dict)
        or document.get("_type") != STATEMENT
        or document.get("predicateType") != PREDICATE
    ):
        raise TrustError("the signed statement is not about a report of ours")
    expected = json.loads(make_statement(data, report))["subject"]
    if document.get("subject") != expected:
        raise TrustError(
            "the signature is about another report or other evidence",
            hint=f"this report has sha256 {expected[0]['digest']['sha256']}",
        )
