"""The report as it is published: schema rocketaudit-report-1.0, from a Report and back.

Evidence travels in its own file; the report names it by digest. A report that was read back therefore holds
results with their facts, but no file list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from rocketaudit.errors import UnsupportedError
from rocketaudit.formats.evidence_file import evidence_digest
from rocketaudit.model import codec
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence, Gap
from rocketaudit.model.fact import Assurance, Fact, JsonValue, Plane
from rocketaudit.model.integrity import Integrity
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import REPORT_SCHEMA, Census, Finding, PolicyResult, Report
from rocketaudit.model.rule import Benchmark, BenchmarkResult, Result, Rule, Score, Waiver
from rocketaudit.model.target import Target, Tool
from rocketaudit.model.verdict import Outcome, Severity, Verdict

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One rule, judged: the rule's own words, the verdict, why, and the facts that it stands on."""

    benchmark: str
    rule: str
    section: str
    title: str
    level: int
    severity: Severity
    planes: tuple[Plane, ...]
    verdict: Verdict
    why: str
    facts: tuple[Fact, ...] = ()
    rationale: str = ""
    remediation: str = ""
    scored: bool = True
    scope: str = ""
    maps_to: Mapping[str, tuple[str, ...]] | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkRecord:
    """One benchmark and its scores, as found and with waived rules taken out."""

    id: str
    title: str
    version: str
    description: str
    sections: Mapping[str, str]
    score: Score
    score_with_waivers: Score
    by_level: Mapping[str, Score]
    by_section: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """What the report stands on: the digest of the evidence body, who collected it, when and where."""

    digest: str
    judged: str
    when: str
    host: str
    collected_by: Tool


@dataclass(frozen=True, slots=True)
class TotalScore:
    """Per cent over all scored rules, each counted once: unknown as failed (worst) and as passed (best)."""

    worst: float | None
    best: float | None


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """The JSON report. A member that is missing has the default that the schema names."""

    schema: str
    tool: Tool
    created: str
    target: Target
    assurance: Assurance
    evidence: EvidenceRecord
    policy: PolicyResult
    score: TotalScore
    integrity: Integrity
    findings: tuple[Finding, ...]
    benchmarks: tuple[BenchmarkRecord, ...]
    results: tuple[ResultRecord, ...]
    census: Census
    unread: tuple[Gap, ...]
    components: tuple[Component, ...] = ()
    extra: Mapping[str, str] | None = None
    drift: JsonValue = None


def to_document(report: Report) -> ReportDocument:
    """What is published of a report."""
    evidence = report.evidence
    return ReportDocument(
        schema=REPORT_SCHEMA,
        tool=report.tool,
        created=report.created,
        target=report.target,
        assurance=report.assurance,
        evidence=EvidenceRecord(
            digest_of(report), evidence.judged, evidence.when, evidence.host, evidence.collected_by
        ),
        policy=report.policy,
        score=total_score(report.benchmarks),
        integrity=report.integrity,
        findings=report.findings,
        benchmarks=tuple(_benchmark_record(result) for result in report.benchmarks),
        results=tuple(_result_record(result) for group in report.benchmarks for result in group.results),
        census=report.census,
        unread=report.unread,
        components=report.components,
        extra=_extra(report),
    )


def from_document(document: ReportDocument) -> Report:
    """The report of a document, with results that cannot be judged again; UnsupportedError for another schema."""
    if document.schema != REPORT_SCHEMA:
        raise UnsupportedError(f"report schema {document.schema!r:.80}; {REPORT_SCHEMA} expected")
    record = document.evidence
    return Report(
        tool=document.tool,
        target=document.target,
        assurance=document.assurance,
        integrity=document.integrity,
        findings=document.findings,
        census=document.census,
        components=document.components,
        benchmarks=tuple(_benchmark_result(b, document.results) for b in document.benchmarks),
        unread=document.unread,
        policy=document.policy,
        evidence=Evidence(
            document.target,
            record.judged,
            collected_by=record.collected_by,
            when=record.when,
            host=record.host,
            assurance=document.assurance,
        ),
        created=document.created,
        extra={**(document.extra or {}), "evidence_digest": record.digest},
    )


def digest_of(report: Report) -> str:
    """The digest of the evidence that a report stands on, also when the evidence itself is not at hand."""
    known = (report.extra or {}).get("evidence_digest")
    return known if known is not None else evidence_digest(report.evidence)


def timestamp(text: str) -> str:
    """`text` when it is an RFC 3339 time in UTC or with an offset, else "": schemas refuse anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return text if moment.tzinfo is not None and _TIME.match(text) else ""


def total_score(benchmarks: Iterable[BenchmarkResult]) -> TotalScore:
    """The interval over all benchmarks; a rule that serves several counts once."""
    groups = tuple(benchmarks)
    if len(groups) == 1:
        return TotalScore(groups[0].score.worst, groups[0].score.best)
    verdicts = {r.rule.id: r.verdict for group in groups for r in group.results if r.rule.scored}
    counted = [v for v in verdicts.values() if v in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN)]
    if not counted:
        return TotalScore(None, None)
    passed, unknown = counted.count(Verdict.PASS), counted.count(Verdict.UNKNOWN)
    return TotalScore(100 * passed / len(counted), 100 * (passed + unknown) / len(counted))


def encode_document(document: ReportDocument) -> tuple[dict[str, object], list[str]]:
    """Plain JSON values but for components; and each of those (there may be many) as text, without its defaults."""
    raw: dict[str, object] = codec.encode(replace(document, components=()), full=True)
    return raw, [codec.compact(component) for component in document.components]


def _extra(report: Report) -> Mapping[str, str] | None:
    extra = {name: value for name, value in (report.extra or {}).items() if name != "evidence_digest"}
    return extra or None


def _benchmark_record(result: BenchmarkResult) -> BenchmarkRecord:
    benchmark = result.benchmark
    return BenchmarkRecord(
        benchmark.id,
        benchmark.title,
        benchmark.version,
        benchmark.description,
        benchmark.sections,
        result.score,
        result.score_with_waivers,
        result.by_level,
        result.by_section,
    )


def _result_record(result: Result) -> ResultRecord:
    rule, outcome = result.rule, result.outcome
    return ResultRecord(
        benchmark=result.benchmark,
        rule=rule.id,
        section=rule.section,
        title=rule.title,
        level=rule.level,
        severity=rule.severity,
        planes=rule.planes,
        verdict=outcome.verdict,
        why=outcome.why,
        facts=outcome.facts,
        rationale=rule.rationale,
        remediation=rule.remediation,
        scored=rule.scored,
        scope=rule.scope,
        maps_to=rule.maps_to,
        waiver=result.waiver,
    )


def _benchmark_result(record: BenchmarkRecord, results: Iterable[ResultRecord]) -> BenchmarkResult:
    mine = tuple(_result(r) for r in results if r.benchmark == record.id)
    benchmark = Benchmark(
        record.id, record.title, record.version, record.description, tuple(r.rule for r in mine), record.sections
    )
    return BenchmarkResult(benchmark, mine, record.score, record.score_with_waivers, record.by_level, record.by_section)


def _result(record: ResultRecord) -> Result:
    rule = Rule(
        id=record.rule,
        section=record.section,
        title=record.title,
        level=record.level,
        severity=record.severity,
        planes=record.planes,
        rationale=record.rationale,
        remediation=record.remediation,
        scored=record.scored,
        scope=record.scope,
        maps_to=record.maps_to,
    )
    return Result(record.benchmark, rule, Outcome(record.verdict, record.why, record.facts), record.waiver)
