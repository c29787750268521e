"""A summary in Markdown for a pull request or a ticket."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.model.report import Report
from rocketaudit.model.verdict import Verdict
from rocketaudit.report import summary
from rocketaudit.report.census_text import language_shares, language_sums
from rocketaudit.report.document import digest_of
from rocketaudit.report.escape import markdown, markdown_code, shorten

MAX_TASKS = 20
MAX_PLACES = 32
MAX_UNDECIDED = 50
_SIGNS = {"good": "✅", "bad": "❌", "open": "❔"}


def write_markdown(report: Report) -> bytes:
    """Verdict, figures, what to do; GitHub-flavoured."""
    return ("\n".join(_lines(report)) + "\n").encode()


def _lines(report: Report) -> Iterator[str]:
    head = summary.headline(report)
    yield f"## {_SIGNS[head.tone]} {markdown(head.text)}"
    yield ""
    yield f"{_text(report.target.name)}: {_text(summary.target_line(report.target))}"
    yield ""
    for reason in head.reasons[:10]:
        yield f"* {_text(reason)}"
    for change in report.policy.tailoring:
        yield f"* Rules are not as shipped: {_text(change)}"
    yield f"* Integrity: {_text(summary.integrity_sentence(report))}"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in language_shares(language_sums(report.census))[:6])
    yield f"* {report.census.files} ELF files by code size: {_text(shares or 'unknown')}"
    unread = summary.plural(len(report.unread), "place")
    yield f"* {summary.plural(len(report.components), 'component')}; {unread} could not be read"
    for label, text in summary.node_lines(report):
        yield f"* {label}: {_text(text)}"
    for line in summary.update_lines(report):
        yield f"* Updates: {_text(line)}"
    yield from _agreement(report)
    yield from _scores(report)
    yield from _tasks(report)
    yield from _undecided(report)
    yield ""
    made_by = f"{markdown(report.tool.name)} {markdown(report.tool.version)}"
    yield f"<sub>{made_by}, evidence {markdown_code(digest_of(report))}. "
    yield f"{markdown(summary.NO_CIS_PRODUCT)}</sub>"


def _agreement(report: Report) -> Iterator[str]:
    rows = summary.agreement_rows(report)
    if not rows:
        return
    yield ""
    yield "| Bank | Stated by | Root hash | Agreement |"
    yield "|---|---|---|---|"
    for scope, source, root_hash, agrees in rows[:MAX_PLACES]:
        value = markdown_code(root_hash) if root_hash else "-"
        yield f"| {_text(scope)} | {_text(source)} | {value} | {_text(agrees)} |"


def _scores(report: Report) -> Iterator[str]:
    if not report.benchmarks:
        return
    yield ""
    yield "| Benchmark | Score | With waivers | Fail | Unknown | Manual | Pass | Not applicable |"
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    for group in report.benchmarks:
        counts = summary.count_by_verdict(group.results)
        numbers = " | ".join(str(counts[verdict]) for verdict in counts)
        scores = f"{summary.score_text(group.score)} | {summary.score_text(group.score_with_waivers)}"
        yield f"| {_text(group.benchmark.title)} | {scores} | {numbers} |"


def _tasks(report: Report) -> Iterator[str]:
    found = summary.tasks(report)
    if not found:
        return
    yield ""
    yield "### What to do first"
    yield ""
    for number, task in enumerate(found[:MAX_TASKS], 1):
        places = f" ({task.count} places)" if task.count > 1 else ""
        seen = f": {_text(shorten(task.where, 160))}" if task.where else ""
        yield f"{number}. **{task.severity.value}** {_text(task.title)}{places}{seen}"
        action = task.action.strip().partition("\n")[0]
        if action:
            yield f"   {markdown_code(shorten(action, 200))}"
    if len(found) > MAX_TASKS:
        yield f"\n{len(found) - MAX_TASKS} more in the full report."


def _undecided(report: Report) -> Iterator[str]:
    found = [result for result in summary.results(report) if result.verdict is Verdict.UNKNOWN]
    if not found:
        return
    yield ""
    yield f"<details><summary>{len(found)} rules could not be decided</summary>"
    yield ""
    for result in found[:MAX_UNDECIDED]:
        yield f"* {_text(result.rule.title)}: {_text(result.outcome.why)}"
    if len(found) > MAX_UNDECIDED:
        yield f"* and {len(found) - MAX_UNDECIDED} more"
    yield ""
    yield "</details>"


def _text(value: str) -> str:
    return markdown(shorten(value))
