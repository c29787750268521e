"""Benchmark and integrity results as CycloneDX declarations: claims, evidence, conformance, mitigations."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from rocketaudit.model.component import Component
from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Verdict
from rocketaudit.report.cyclonedx_integrity import (
    integrity_attestation,
    integrity_claims,
    integrity_evidence,
    integrity_standard,
)
from rocketaudit.report.document import timestamp
from rocketaudit.report.summary import NO_CIS_PRODUCT, fact_line

ASSESSOR = "assessor:rocketaudit"
_SCORES = {Verdict.PASS: 1.0, Verdict.FAIL: 0.0}


def standards(report: Report) -> Iterator[dict[str, Any]]:
    """Integrity, and one standard a benchmark, in our own words; numbers of other benchmarks are properties."""
    if report.integrity.banks:
        yield integrity_standard(report)
    for group in report.benchmarks:
        benchmark = group.benchmark
        yield {
            "bom-ref": f"standard:{benchmark.id}",
            "name": benchmark.title,
            "version": benchmark.version,
            "description": f"{benchmark.description} {NO_CIS_PRODUCT}".strip(),
            "requirements": [_requirement(result) for result in group.results],
        }


def declarations(report: Report, root: Component) -> dict[str, Any]:
    """Who judged, what was claimed of the image, on which evidence, and how far it conforms."""
    results = [result for group in report.benchmarks for result in group.results]
    waived = [result for result in results if result.waiver is not None]
    attestations = [_attestation(group.benchmark.title, group.results) for group in report.benchmarks]
    if report.integrity.banks:
        attestations.insert(0, integrity_attestation(report, ASSESSOR))
    return {
        "assessors": [{"bom-ref": ASSESSOR, "thirdParty": True, "organization": {"name": report.tool.name}}],
        "attestations": attestations,
        "claims": [*integrity_claims(report, root), *(_claim(r, root) for r in results if _is_claimed(r))],
        "evidence": [
            *integrity_evidence(report),
            *(_evidence(result, report) for result in results),
            *(_mitigation(result) for result in waived),
        ],
        "targets": {"components": [_target(root)]},
    }


def _ref(kind: str, result: Result) -> str:
    return f"{kind}:{result.benchmark}:{result.rule.section}:{result.rule.id}"


def _is_claimed(result: Result) -> bool:
    return result.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN)


def _requirement(result: Result) -> dict[str, Any]:
    rule = result.rule
    properties = [{"name": "rocketaudit:level", "value": str(rule.level)}]
    for name, numbers in sorted((rule.maps_to or {}).items()):
        properties += [{"name": f"rocketaudit:maps-to:{name}", "value": number} for number in numbers]
    out: dict[str, Any] = {"bom-ref": _ref("requirement", result), "identifier": rule.id, "title": rule.title}
    if rule.rationale:
        out["text"] = rule.rationale
    if rule.remediation:
        out["descriptions"] = [rule.remediation]
    return {**out, "properties": properties}


def _attestation(title: str, results: tuple[Result, ...]) -> dict[str, Any]:
    return {
        "summary": f"{title}: what could be decided from the evidence; an undecided requirement has no score",
        "assessor": ASSESSOR,
        "map": [_map(result) for result in results],
    }


def _map(result: Result) -> dict[str, Any]:
    out: dict[str, Any] = {"requirement": _ref("requirement", result)}
    if result.verdict is Verdict.FAIL:
        out["counterClaims"] = [_ref("claim", result)]
    elif _is_claimed(result):
        out["claims"] = [_ref("claim", result)]
    conformance: dict[str, Any] = {"rationale": f"{result.verdict.value.replace('_', ' ')}: {result.outcome.why}"}
    if result.verdict in _SCORES:
        conformance["score"] = _SCORES[result.verdict]
    if result.waiver is not None:
        conformance["mitigationStrategies"] = [_ref("mitigation", result)]
    out["conformance"] = conformance
    if result.verdict is Verdict.UNKNOWN:
        out["confidence"] = {"score": 0.0, "rationale": "not decided"}
    return out


def _claim(result: Result, root: Component) -> dict[str, Any]:
    holds = result.verdict is not Verdict.FAIL
    out: dict[str, Any] = {
        "bom-ref": _ref("claim", result),
        "target": f"target:{root.ref}",
        "predicate": result.rule.title if holds else f"It does not hold: {result.rule.title}",
        "reasoning": result.outcome.why,
        "evidence": [_ref("evidence", result)],
    }
    if result.waiver is not None:
        out["mitigationStrategies"] = [_ref("mitigation", result)]
    return out


def _evidence(result: Result, report: Report) -> dict[str, Any]:
    out: dict[str, Any] = {
        "bom-ref": _ref("evidence", result),
        "propertyName": f"rocketaudit:verdict:{result.verdict.value}",
        "description": result.outcome.why or result.verdict.value,
    }
    lines = [f"{fact_line(fact)} at {fact.where} ({fact.plane})" for fact in result.outcome.facts]
    if lines:
        content = base64.b64encode("\n".join(lines).encode()).decode()
        attachment = {"contentType": "text/plain", "encoding": "base64", "content": content}
        out["data"] = [{"name": "facts", "contents": {"attachment": attachment}}]
    created = timestamp(report.evidence.when) or timestamp(report.created)
    if created:
        out["created"] = created
    return out


def _mitigation(result: Result) -> dict[str, Any]:
    waiver = result.waiver
    assert waiver is not None
    return {
        "bom-ref": _ref("mitigation", result),
        "propertyName": "rocketaudit:waiver",
        "description": waiver.reason,
        "expires": f"{waiver.expires.isoformat()}T00:00:00Z",
        "author": {"name": waiver.approved_by},
    }


def _target(root: Component) -> dict[str, Any]:
    out = {"type": "operating-system", "bom-ref": f"target:{root.ref}", "name": root.name or "unnamed"}
    return {**out, "version": root.version} if root.version else out
