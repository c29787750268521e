"""A drift in Markdown, for a pull request or a ticket."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.model.advisory import AdvisoryMove
from rocketaudit.model.change import Change, Drift, Judgement
from rocketaudit.model.target import Tool
from rocketaudit.report import drift_text
from rocketaudit.report.drift_update import update_figures
from rocketaudit.report.escape import markdown, markdown_code, shorten

MAX_ROWS = 50
_SIGNS = {"good": "✅", "bad": "❌", "open": "❔"}


def write_drift_markdown(drift: Drift, tool: Tool) -> bytes:
    """Verdict, unexpected changes as tables, the rest folded; GitHub-flavoured."""
    return ("\n".join(_lines(drift, tool)) + "\n").encode()


def _lines(drift: Drift, tool: Tool) -> Iterator[str]:
    head = drift_text.headline(drift)
    yield f"## {_SIGNS[head.tone]} {markdown(head.text)}"
    yield ""
    yield f"* Baseline: {_text(drift_text.side_line(drift.baseline))}"
    yield f"* Current: {_text(drift_text.side_line(drift.current))}"
    yield f"* Relation: {_text(drift_text.relation_line(drift))}; assurance: {drift.assurance.value}"
    for note in (*head.reasons, *drift.notes, *update_figures(drift)):
        yield f"* {_text(note)}"
    for group in drift_text.groups(drift):
        title = f"{group.judgement.value.replace('-', ' ').capitalize()}: {group.title} ({len(group.changes)})"
        is_open = group.judgement is Judgement.UNEXPECTED
        yield ""
        yield f"### {markdown(title)}" if is_open else f"<details><summary>{markdown(title)}</summary>"
        yield ""
        yield from _table(group.changes)
        if not is_open:
            yield ""
            yield "</details>"
    yield from _advisories(drift)
    yield ""
    yield f"<sub>{markdown(tool.name)} {markdown(tool.version)}</sub>"


def _table(changes: tuple[Change, ...]) -> Iterator[str]:
    yield "| Severity | What | Before | After | Why |"
    yield "|---|---|---|---|---|"
    for change in changes[:MAX_ROWS]:
        cells = (
            change.severity.value,
            f"{_code(change.subject)} {_text(change.attribute)} {change.kind.value}",
            *(_code(text) for text in drift_text.pair(change)),
            _text(f"{change.why} ({change.decided_by})"),
        )
        yield f"| {' | '.join(cells)} |"
    if len(changes) > MAX_ROWS:
        yield f"\n{len(changes) - MAX_ROWS} more in the JSON."


def _advisories(drift: Drift) -> Iterator[str]:
    counts = drift_text.advisory_counts(drift)
    if not counts:
        return
    yield ""
    yield "### Advisories: " + ", ".join(f"{count} {name}" for name, count in counts)
    yield ""
    yield "| What became of it | Severity | Advisory | Package | Before | After | Fixed in |"
    yield "|---|---|---|---|---|---|---|"
    listed = [one for one in drift.advisories if one.move is not AdvisoryMove.STILL_OPEN]
    for one in listed[:MAX_ROWS]:
        cells = (one.move.value.replace("_", " "), one.severity.value, " ".join((one.id, *one.aliases)), one.package)
        versions = (one.before, one.after, one.fixed_in)
        yield f"| {' | '.join(_text(cell) for cell in (*cells, *versions))} |"
    if len(listed) > MAX_ROWS:
        yield f"\n{len(listed) - MAX_ROWS} more in the JSON."


def _text(value: str) -> str:
    return markdown(shorten(value))


def _code(value: str) -> str:
    return markdown_code(shorten(value, 160))
