"""SARIF 2.1.0 (OASIS): failed and undecided rules and findings, for code-scanning views."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from rocketaudit.model.fact import Locator
from rocketaudit.model.report import Finding, Report
from rocketaudit.model.rule import Result, Rule
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report import summary
from rocketaudit.report.document import digest_of, timestamp
from rocketaudit.report.escape import json_text, shorten, uri_path, visible

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_TEXT = 2_000
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# what GitHub reads as its own severity (0..10)
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "1.0",
}
_KINDS = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.UNKNOWN: "open",
    Verdict.MANUAL: "review",
    Verdict.NOT_APPLICABLE: "notApplicable",
}


def write_sarif(report: Report) -> bytes:
    """One run; every rule has a result of its kind, so that a reader sees what was not decided too."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for result in summary.results(report):
        rules.setdefault(result.rule.id, _rule(result.rule))
        results.append(_result(result, report))
    for finding in report.findings:
        rules.setdefault(finding.id, _finding_rule(finding))
        results.append(_finding(finding, report))
    indexes = {identity: index for index, identity in enumerate(sorted(rules))}
    for item in results:
        item["ruleIndex"] = indexes[item["ruleId"]]
    results.sort(key=lambda item: (item["ruleIndex"], json.dumps(item, sort_keys=True)))
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [_run(report, [rules[i] for i in sorted(rules)], results)],
    }
    return json_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _run(report: Report, rules: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, Any]:
    driver = {"name": report.tool.name, "version": report.tool.version, "rules": rules}
    notices = [
        {"level": "warning", "message": {"text": _text(f"could not be read: {gap.scope}:{gap.path}: {gap.reason}")}}
        for gap in report.unread
    ]
    invocation: dict[str, Any] = {"executionSuccessful": True, "toolExecutionNotifications": notices}
    if timestamp(report.created).endswith("Z"):
        invocation["endTimeUtc"] = report.created
    properties = {
        "target": _text(report.target.name),
        "evidence": digest_of(report),
        "assurance": report.assurance.value,
        "integrity": report.integrity.verdict.value,
        "exitCode": report.policy.exit_code,
    }
    return {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": properties,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    tags = [f"{name}:{number}" for name, numbers in sorted((rule.maps_to or {}).items()) for number in numbers]
    out: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": _text(rule.title)},
        "fullDescription": {"text": _text(rule.rationale or rule.title)},
        "help": {"text": _text(rule.remediation or "No remediation is known.")},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"security-severity": _SCORES[rule.severity], "section": _text(rule.section)},
    }
    out["properties"]["tags"] = sorted({"security", *map(_text, tags)})
    return out


def _finding_rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "shortDescription": {"text": _text(finding.id.replace("-", " "))},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"security-severity": _SCORES[finding.severity], "tags": ["security"]},
    }


def _result(result: Result, report: Report) -> dict[str, Any]:
    where = [fact.where for fact in result.outcome.facts if fact.where.path]
    is_fail = result.verdict is Verdict.FAIL
    out: dict[str, Any] = {
        "ruleId": result.rule.id,
        "kind": _KINDS[result.verdict],
        "level": _LEVELS[result.rule.severity] if is_fail else "none",
        "message": {"text": _text(f"{result.rule.title}: {result.outcome.why}")},
        "locations": [_location(place, report) for place in where[:10]] or [_location(Locator(), report)],
        "partialFingerprints": {"rule/v1": _fingerprint(result.benchmark, result.rule.id, report)},
        "properties": {"benchmark": result.benchmark, "level": result.rule.level},
    }
    if result.waiver is not None:
        text = f"{result.waiver.reason} (approved by {result.waiver.approved_by}, until {result.waiver.expires})"
        out["suppressions"] = [{"kind": "external", "status": "accepted", "justification": _text(text)}]
    return out


def _finding(finding: Finding, report: Report) -> dict[str, Any]:
    text = f"{finding.title}: {finding.detail}" if finding.detail else finding.title
    return {
        "ruleId": finding.id,
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(text)},
        "locations": [_location(finding.where, report)],
        "partialFingerprints": {"finding/v1": _fingerprint(finding.id, str(finding.where), report)},
    }


def _location(where: Locator, report: Report) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri_path(where.path or report.target.name)}}
    if where.path and where.offset is not None and where.offset >= 0:
        physical["region"] = {"byteOffset": where.offset, "byteLength": 0}
    out: dict[str, Any] = {"physicalLocation": physical}
    if where.partition:
        out["logicalLocations"] = [{"name": _text(where.partition), "kind": "resource"}]
    return out


def _fingerprint(*parts: object) -> str:
    report = parts[-1]
    assert isinstance(report, Report)
    target = report.target
    stable = (*map(str, parts[:-1]), target.os_id, target.variant, target.arch)
    return sha256("\n".join(stable).encode()).hexdigest()[:32]


def _text(value: str) -> str:
    return visible(shorten(value, MAX_TEXT), lines=True)
