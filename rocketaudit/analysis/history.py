"""A report as a line of history, and history as series over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rocketaudit.model.history import ScanRecord, StoredFact
from rocketaudit.model.report import Census, Report
from rocketaudit.model.rule import BenchmarkResult
from rocketaudit.model.verdict import Severity

Series = tuple[str, tuple[float | None, ...]]


def record_of(report: Report, digest: str, when: str) -> ScanRecord:
    """What is kept of a report."""
    target = report.target
    return ScanRecord(
        target=target.name,
        when=when,
        digest=digest,
        integrity=report.integrity.verdict.value,
        assurance=report.assurance.value,
        exit_code=report.policy.exit_code,
        os_id=target.os_id,
        variant=target.variant,
        version=target.version,
        build=target.build,
        arch=target.arch,
        findings=sum(1 for finding in report.findings if finding.severity is not Severity.INFO),
        rust_share=rust_share(report.census),
        safe_share=_percent(report.census.memory_safe_share_bytes),
        scores={group.benchmark.id: (group.score.worst, group.score.best) for group in report.benchmarks},
        counts=_counts(report.benchmarks),
    )


def facts_of(report: Report) -> Iterator[StoredFact]:
    """The facts of the evidence that a report stands on, as they are compared over time."""
    for fact in report.evidence.facts:
        yield StoredFact(str(fact.key), fact.plane.value, fact.scope, fact.state.value, fact.value)


def rust_share(census: Census) -> float | None:
    """Per cent of the code bytes that are Rust, None when there is no code."""
    rows = [row for row in census.rows if row.group == "all"]
    total = sum(row.code_bytes for row in rows)
    return _percent(sum(row.code_bytes for row in rows if row.language == "rust") / total) if total else None


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _counts(benchmarks: Sequence[BenchmarkResult]) -> dict[str, int]:
    verdicts = {result.rule.id: result.verdict.value for group in benchmarks for result in group.results}
    return dict(sorted(Counter(verdicts.values()).items()))


def series(records: Sequence[ScanRecord]) -> tuple[Series, ...]:
    """What is plotted: the worst score of every benchmark, findings, and the share of Rust, scan by scan."""
    names = sorted({name for record in records for name in record.scores})
    plotted: list[tuple[str, Callable[[ScanRecord], float | None]]] = [
        (f"{name} (worst)", lambda record, name=name: record.scores.get(name, (None, None))[0])  # type: ignore[misc]
        for name in names
    ]
    plotted += [
        ("findings", lambda record: float(record.findings)),
        ("Rust, % of code", lambda record: record.rust_share),
    ]
    found = [(name, tuple(value(record) for record in records)) for name, value in plotted]
    return tuple((name, values) for name, values in found if any(value is not None for value in values))
