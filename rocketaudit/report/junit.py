"""JUnit XML, the dialect that CI servers read: one suite a benchmark, one for integrity and findings."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report import summary
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import shorten, xml

_MAX = 4_000
_GRAVE = (Severity.CRITICAL, Severity.HIGH)


def write_junit(report: Report) -> bytes:
    """Failed rules fail; undecided, manual and waived ones are skipped with their reason."""
    root = ET.Element("testsuites", name=_text(f"rocketaudit {report.target.name}"))
    suites = [_integrity_suite(report)]
    for group in report.benchmarks:
        suite = ET.Element("testsuite", name=_text(group.benchmark.id))
        for result in group.results:
            suite.append(_case(result))
        suites.append(suite)
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for suite in suites:
        counts = {
            "tests": len(suite.findall("testcase")),
            "failures": len(suite.findall("testcase/failure")),
            "skipped": len(suite.findall("testcase/skipped")),
        }
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
        suite.set("errors", "0")
        suite.set("time", "0")
        if timestamp(report.created):
            suite.set("timestamp", report.created)
        root.append(suite)
    for name, count in totals.items():
        root.set(name, str(count))
    root.set("errors", "0")
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _integrity_suite(report: Report) -> ET.Element:
    suite = ET.Element("testsuite", name="integrity")
    case = ET.SubElement(suite, "testcase", classname="integrity", name="verified boot chain and hash trees", time="0")
    match report.integrity.verdict:
        case IntegrityVerdict.BROKEN:
            _tell(case, "failure", report.integrity.why)
        case IntegrityVerdict.UNKNOWN:
            _tell(case, "skipped", f"unknown: {report.integrity.why}")
        case IntegrityVerdict.VERIFIED | IntegrityVerdict.CONSISTENT_UNSIGNED:
            _say(case, summary.integrity_sentence(report))
    for finding in report.findings:
        name = f"{finding.id}: {finding.title}"
        case = ET.SubElement(suite, "testcase", classname="findings", name=_text(name), time="0")
        kind = "failure" if finding.severity in _GRAVE else "skipped"
        _tell(case, kind, f"{finding.severity}: {finding.title} at {finding.where} {finding.detail}")
    return suite


def _case(result: Result) -> ET.Element:
    rule, waiver = result.rule, result.waiver
    classname = f"{result.benchmark}.{rule.section}"
    case = ET.Element("testcase", classname=_text(classname), name=_text(f"{rule.id}: {rule.title}"), time="0")
    facts = "\n".join(summary.fact_line(fact) for fact in result.outcome.facts)
    match result.verdict:
        case Verdict.PASS:
            _say(case, facts)
        case Verdict.FAIL if waiver is not None:
            _tell(case, "skipped", f"waived until {waiver.expires}: {waiver.reason}; {result.outcome.why}")
        case Verdict.FAIL:
            _tell(case, "failure", result.outcome.why, f"{rule.remediation}\n{facts}", rule.severity.value)
        case Verdict.UNKNOWN | Verdict.MANUAL | Verdict.NOT_APPLICABLE:
            _tell(case, "skipped", f"{result.verdict.value.replace('_', ' ')}: {result.outcome.why}")
    return case


def _tell(case: ET.Element, kind: str, message: str, body: str = "", type_: str = "") -> None:
    element = ET.SubElement(case, kind, message=_text(message))
    if type_:
        element.set("type", type_)
    if body.strip():
        element.text = _text(body)


def _say(case: ET.Element, text: str) -> None:
    if text:
        ET.SubElement(case, "system-out").text = _text(text)


def _text(value: str) -> str:
    return xml(shorten(value, _MAX))
