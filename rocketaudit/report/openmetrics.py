"""OpenMetrics text: gauges for a node exporter's text-file collector or a push gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.report import Report
from rocketaudit.model.verdict import Severity
from rocketaudit.report import summary
from rocketaudit.report.census_text import language_sums
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import metric_label, shorten

Sample = tuple[dict[str, str], float | int]


def write_openmetrics(report: Report) -> bytes:
    """Every gauge with its help; label values hold text of the target, escaped and at most 200 characters long."""
    return ("\n".join(_lines(report)) + "\n# EOF\n").encode()


def _lines(report: Report) -> Iterator[str]:
    target = report.target
    identity = {"target": target.name, "variant": target.variant, "version": target.version, "arch": target.arch,
                "build": target.build}  # fmt: skip
    yield from _metric("rocketaudit_target_info", "What was audited", [(identity, 1)])
    yield from _metric(
        "rocketaudit_exit_code", "0 meets the policy, 1 does not, 3 not everything could be read",
        [({}, report.policy.exit_code)],
    )  # fmt: skip
    states = [({"verdict": verdict.value}, int(report.integrity.verdict is verdict)) for verdict in IntegrityVerdict]
    yield from _metric("rocketaudit_integrity", "1 for the verdict that holds", states)
    yield from _metric(
        "rocketaudit_bad_blocks",
        "Blocks that their hash tree does not confirm",
        [({}, report.integrity.bad_blocks_total)],
    )
    scores: list[Sample] = []
    rules: list[Sample] = []
    for group in report.benchmarks:
        name = group.benchmark.id
        for kind, score in (("found", group.score), ("waived", group.score_with_waivers)):
            for bound, value in (("worst", score.worst), ("best", score.best)):
                if value is not None:
                    scores.append(({"benchmark": name, "waivers": kind, "bound": bound}, round(value / 100, 6)))
        counts = summary.count_by_verdict(group.results)
        rules += [({"benchmark": name, "verdict": verdict.value}, count) for verdict, count in counts.items()]
    yield from _metric("rocketaudit_score_ratio", "Share of scored rules that pass: both ends of the interval", scores)
    yield from _metric("rocketaudit_rules", "Rules by verdict", rules)
    found = [f.severity for f in report.findings]
    yield from _metric(
        "rocketaudit_findings", "Findings by severity", [({"severity": s.value}, found.count(s)) for s in Severity]
    )
    yield from _metric("rocketaudit_unread_places", "Places that could not be read", [({}, len(report.unread))])
    yield from _metric("rocketaudit_components", "Components in the bill of materials", [({}, len(report.components))])
    sums = language_sums(report.census)
    yield from _metric(
        "rocketaudit_elf_files", "ELF files by language", [({"language": s.language}, s.files) for s in sums]
    )
    yield from _metric(
        "rocketaudit_elf_code_bytes", "Code bytes by language", [({"language": s.language}, s.code_bytes) for s in sums]
    )
    if report.census.memory_safe_share_bytes is not None:
        share = round(report.census.memory_safe_share_bytes, 6)
        yield from _metric("rocketaudit_memory_safe_ratio", "Share of code in memory-safe languages", [({}, share)])
    if timestamp(report.created):
        seconds = int(datetime.fromisoformat(report.created).timestamp())
        yield from _metric("rocketaudit_report_created_seconds", "When the report was made", [({}, seconds)])


def _metric(name: str, text: str, samples: Sequence[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} {text}"
    seen = set()
    for labels, value in samples:
        pairs = ",".join(f'{key}="{metric_label(shorten(part, 200))}"' for key, part in labels.items() if part)
        if pairs not in seen:  # two hostile names may shorten to one
            seen.add(pairs)
            yield f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"
