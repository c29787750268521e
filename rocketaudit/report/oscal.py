"""OSCAL 1.1 assessment results (NIST): observations for every rule, findings for those that were decided."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Verdict
from rocketaudit.report import summary
from rocketaudit.report.document import digest_of, timestamp
from rocketaudit.report.escape import json_text, shorten, visible

OSCAL_VERSION = "1.1.2"
NS = "urn:rocketaudit:oscal"
_UNDATED = "1970-01-01T00:00:00Z"
_MAX = 4_000


def write_oscal(report: Report) -> bytes:
    """One result; a rule that nobody could decide has an observation and no finding."""
    base = uuid5(NAMESPACE_URL, f"{report.tool.version}\n{digest_of(report)}\n{report.created}")
    created = timestamp(report.created) or _UNDATED
    results = summary.results(report)
    plan = str(uuid5(base, "plan"))
    document = {
        "assessment-results": {
            "uuid": str(uuid5(base, "document")),
            "metadata": {
                "title": _line(f"{report.tool.name}: {report.target.name}"),
                "last-modified": created,
                "version": report.tool.version or "0",
                "oscal-version": OSCAL_VERSION,
                "remarks": summary.NO_CIS_PRODUCT,
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [_result(report, results, base, created)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": "Automated assessment without a plan document",
                        "description": "The rules are those of the benchmarks that the result names.",
                    }
                ]
            },
        }
    }
    return json_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _result(report: Report, results: tuple[Result, ...], base: UUID, created: str) -> dict[str, Any]:
    evidence = digest_of(report)
    collected = timestamp(report.evidence.when) or created
    out: dict[str, Any] = {
        "uuid": str(uuid5(base, "result")),
        "title": _line(summary.headline(report).text),
        "description": _text(summary.target_line(report.target) or report.target.name or "unnamed target"),
        "start": created,
        "props": [
            _property("integrity", report.integrity.verdict.value),
            _property("assurance", report.assurance.value),
            _property("evidence", evidence),
        ],
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
    }
    unique = {(result.benchmark, result.rule.id): result for result in results}
    if unique:
        out["observations"] = [_observation(result, base, collected, evidence) for result in unique.values()]
    decided = [result for result in unique.values() if result.verdict in (Verdict.PASS, Verdict.FAIL)]
    if decided:
        out["findings"] = [_finding(result, base) for result in decided]
    return out


def _observation(result: Result, base: UUID, collected: str, evidence: str) -> dict[str, Any]:
    facts = [
        {"description": _text(f"{summary.fact_line(fact)} at {fact.where} ({fact.plane})")}
        for fact in result.outcome.facts[:50]
    ]
    out: dict[str, Any] = {
        "uuid": _uuid(base, "observation", result),
        "title": _line(result.rule.title) or result.rule.id,
        "description": _text(result.outcome.why) or result.verdict.value,
        "props": [
            _property("rule-id", result.rule.id),
            _property("benchmark", result.benchmark),
            _property("verdict", result.verdict.value),
            _property("severity", result.rule.severity.value),
            *_controls(result),
        ],
        "methods": ["EXAMINE"],
        "types": ["finding"],
        "collected": collected,
        "relevant-evidence": [{"description": f"evidence file {evidence}"}, *facts],
    }
    return out


def _finding(result: Result, base: UUID) -> dict[str, Any]:
    state = "satisfied" if result.verdict is Verdict.PASS else "not-satisfied"
    out: dict[str, Any] = {
        "uuid": _uuid(base, "finding", result),
        "title": _line(result.rule.title) or result.rule.id,
        "description": _text(result.outcome.why) or result.verdict.value,
        "props": _controls(result),
        "target": {
            "type": "objective-id",
            "target-id": _token(result.rule.id),
            "status": {"state": state, "reason": "pass" if state == "satisfied" else "fail"},
        },
        "related-observations": [{"observation-uuid": _uuid(base, "observation", result)}],
    }
    if result.waiver is not None:
        waiver = result.waiver
        out["remarks"] = _text(f"waived until {waiver.expires} by {waiver.approved_by}: {waiver.reason}")
    if not out["props"]:
        del out["props"]
    return out


def _controls(result: Result) -> list[dict[str, str]]:
    mapped = sorted((result.rule.maps_to or {}).items())
    return [_property(_token(name.replace("_", "-")), number) for name, numbers in mapped for number in numbers]


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NS, "value": _line(value) or "none"}


def _uuid(base: UUID, kind: str, result: Result) -> str:
    return str(uuid5(base, f"{kind}\n{result.benchmark}\n{result.rule.id}"))


def _token(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", text)[:200]
    return plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}"


def _line(value: str) -> str:
    return " ".join(_text(value).split())


def _text(value: str) -> str:
    return visible(shorten(value, _MAX), lines=True).strip()
