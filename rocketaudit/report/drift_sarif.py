"""A drift in SARIF 2.1.0 (OASIS): unexpected changes are failures, what nobody can say stays open."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from rocketaudit.model.change import Change, Drift, Judgement
from rocketaudit.model.fact import Locator
from rocketaudit.model.target import Tool
from rocketaudit.model.verdict import Severity
from rocketaudit.report import drift_text
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import json_text, shorten, uri_path, visible
from rocketaudit.report.sarif import MAX_TEXT, SCHEMA

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "1.0",
}
_KINDS = {Judgement.UNEXPECTED: "fail", Judgement.CANNOT_SAY: "open"}


def write_drift_sarif(drift: Drift, tool: Tool, created: str) -> bytes:
    """One run; a rule per ruling, a result per change that is not expected."""
    changes = [change for change in drift.changes if change.judgement in _KINDS]
    names = sorted({change.decided_by for change in changes})
    results = [_result(change, drift, names.index(change.decided_by)) for change in changes]
    run = {
        "tool": {"driver": {"name": tool.name, "version": tool.version, "rules": [_rule(n, changes) for n in names]}},
        "invocations": [_invocation(drift, created)],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "baseline": _text(drift.baseline.name),
            "current": _text(drift.current.name),
            "relation": drift.relation.value,
            "assurance": drift.assurance.value,
            "exitCode": drift.exit_code,
        },
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _invocation(drift: Drift, created: str) -> dict[str, Any]:
    notices = [{"level": "note", "message": {"text": _text(note)}} for note in drift.notes]
    found: dict[str, Any] = {"executionSuccessful": True, "toolExecutionNotifications": notices}
    if timestamp(created).endswith("Z"):
        found["endTimeUtc"] = created
    return found


def _rule(name: str, changes: list[Change]) -> dict[str, Any]:
    gravest = min((c.severity for c in changes if c.decided_by == name), key=tuple(Severity).index)
    return {
        "id": f"drift/{name}",
        "name": name,
        "shortDescription": {"text": _text(f"drift: {name.replace('-', ' ')}")},
        "defaultConfiguration": {"level": _LEVELS[gravest]},
        "properties": {"security-severity": _SCORES[gravest], "tags": ["security", "drift"]},
    }


def _result(change: Change, drift: Drift, index: int) -> dict[str, Any]:
    values = " → ".join(drift_text.pair(change))
    where = change.where_after if change.where_after.path else change.where_before
    kind = _KINDS[change.judgement]
    return {
        "ruleId": f"drift/{change.decided_by}",
        "ruleIndex": index,
        "kind": kind,
        "level": _LEVELS[change.severity] if kind == "fail" else "none",
        "message": {"text": _text(f"{drift_text.what(change)}: {values}; {change.why}")},
        "locations": [_location(where, drift)],
        "partialFingerprints": {"drift/v1": _fingerprint(change)},
        "properties": {"area": change.area, "severity": change.severity.value},
    }


def _location(where: Locator, drift: Drift) -> dict[str, Any]:
    out: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri_path(where.path or drift.current.name)}}
    }
    if where.partition:
        out["logicalLocations"] = [{"name": _text(where.partition), "kind": "resource"}]
    return out


def _fingerprint(change: Change) -> str:
    parts = (change.area, change.subject, change.attribute, change.kind.value)
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _text(value: str) -> str:
    return visible(shorten(value, MAX_TEXT), lines=True)
