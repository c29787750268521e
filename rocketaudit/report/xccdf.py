"""XCCDF 1.2 (NIST IR 7275r4): the rules that were judged, and one TestResult. `oscap xccdf validate` accepts it."""

from __future__ import annotations

import re
from hashlib import sha256
from xml.etree import ElementTree as ET

from rocketaudit.model.report import Report
from rocketaudit.model.rule import BenchmarkResult, Result
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report import summary
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import shorten, xml

NAMESPACE = "http://checklists.nist.gov/xccdf/1.2"
_UNDATED = "1970-01-01T00:00:00Z"  # the schema wants a time also where none was given
_RESULTS = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.UNKNOWN: "unknown",
    Verdict.MANUAL: "notchecked",
    Verdict.NOT_APPLICABLE: "notapplicable",
}
_SEVERITIES = {
    Severity.CRITICAL: "high",
    Severity.HIGH: "high",
    Severity.MEDIUM: "medium",
    Severity.LOW: "low",
    Severity.INFO: "info",
}
_MAX = 4_000


def write_xccdf(report: Report) -> bytes:
    """One Benchmark with a group for each of ours, and the TestResult."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(
        f"{{{NAMESPACE}}}Benchmark", {"id": _id("benchmark", "report"), "resolved": "1", "xml:lang": "en"}
    )
    _add(root, "status", "accepted")
    _add(root, "title", f"{report.tool.name}: rules that were judged")
    _add(root, "description", summary.NO_CIS_PRODUCT)
    _add(root, "version", report.tool.version or "0")
    for group in report.benchmarks:
        _add_group(root, group)
    if not report.benchmarks:  # the schema wants at least one item to be judged
        _add(_add(root, "Group", id=_id("group", "none")), "title", "no rule was judged")
    _add_result(root, report)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _add_group(root: ET.Element, group: BenchmarkResult) -> None:
    element = _add(root, "Group", id=_id("group", group.benchmark.id))
    _add(element, "title", group.benchmark.title)
    if group.benchmark.description:
        _add(element, "description", group.benchmark.description)
    seen = set()
    for result in group.results:
        identity = _rule_id(result)
        if identity in seen:
            continue
        seen.add(identity)
        rule = result.rule
        item = _add(element, "Rule", id=identity, severity=_SEVERITIES[rule.severity], selected="true")
        item.set("role", "full" if rule.scored else "unscored")
        _add(item, "title", rule.title)
        for name, numbers in sorted((rule.maps_to or {}).items()):
            for number in numbers:
                _add(item, "reference", f"{name} {number}")
        if rule.rationale:
            _add(item, "rationale", rule.rationale)
        if rule.remediation:
            _add(item, "fixtext", rule.remediation)
        _add_check(item)


def _add_result(root: ET.Element, report: Report) -> None:
    created = timestamp(report.created) or _UNDATED
    element = _add(root, "TestResult", id=_id("testresult", "report"), version=report.tool.version or "0")
    element.set("end-time", created)
    element.set("test-system", f"cpe:/a:rocketaudit:rocketaudit:{re.sub('[^0-9A-Za-z.]', '_', report.tool.version)}")
    _add(element, "title", f"{summary.headline(report).text}; integrity {report.integrity.verdict.value}")
    _add(element, "target", report.target.name or "unnamed")
    facts = _add(element, "target-facts")
    _add(
        facts,
        "fact",
        summary.target_line(report.target) or "unknown",
        name="urn:rocketaudit:fact:target",
        type="string",
    )
    _add(facts, "fact", report.assurance.value, name="urn:rocketaudit:fact:assurance", type="string")
    seen = set()
    for group in report.benchmarks:
        for result in group.results:
            if _rule_id(result) not in seen:
                seen.add(_rule_id(result))
                _add_rule_result(element, result, created)
    for group in report.benchmarks:
        for name, value in (("worst", group.score.worst), ("best", group.score.best)):
            if value is not None:
                system = f"urn:rocketaudit:score:{group.benchmark.id}:{name}"
                _add(element, "score", f"{value:.2f}", system=system, maximum="100")
    if element.find(f"{{{NAMESPACE}}}score") is None:
        _add(element, "score", "0", system="urn:rocketaudit:score:nothing-scored", maximum="100")


def _add_rule_result(parent: ET.Element, result: Result, created: str) -> None:
    element = _add(parent, "rule-result", idref=_rule_id(result), time=created)
    element.set("severity", _SEVERITIES[result.rule.severity])
    _add(element, "result", _RESULTS[result.verdict])
    if result.outcome.why:
        _add(element, "message", result.outcome.why, severity="info")
    if result.waiver is not None:
        text = f"waived until {result.waiver.expires} by {result.waiver.approved_by}: {result.waiver.reason}"
        _add(element, "message", text, severity="warning")
    for fact in result.outcome.facts[:50]:
        _add(element, "message", f"{summary.fact_line(fact)} at {fact.where}", severity="info")
    _add_check(element)


def _add_check(parent: ET.Element) -> None:
    """The check is the rule's own code over the evidence file, not another language's content."""
    _add(_add(parent, "check", system="urn:rocketaudit:check"), "check-content-ref", href="evidence.json")


def _add(parent: ET.Element, tag: str, text: str = "", /, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{NAMESPACE}}}{tag}", {key: _text(value) for key, value in attributes.items()})
    if text:
        element.text = _text(text)
    return element


def _rule_id(result: Result) -> str:
    return _id("rule", f"{result.benchmark}.{result.rule.id}")


def _id(kind: str, name: str) -> str:
    """xccdf_<name space>_<kind>_<name>: an NCName; a name that is none gets the digest of what it was."""
    plain = re.sub(r"[^A-Za-z0-9.-]", "-", name)[:100]
    if plain != name:
        plain += "." + sha256(name.encode()).hexdigest()[:8]
    return f"xccdf_rocketaudit_{kind}_{plain}"


def _text(value: str) -> str:
    return xml(shorten(value, _MAX))
