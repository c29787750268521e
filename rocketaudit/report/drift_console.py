"""A drift on a terminal: the verdict, what is unexpected, and counts of the rest."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rocketaudit.model.advisory import AdvisoryMove
from rocketaudit.model.change import Change, Drift, Judgement
from rocketaudit.model.fact import Assurance
from rocketaudit.model.verdict import Severity
from rocketaudit.report import drift_text
from rocketaudit.report.drift_update import update_figures
from rocketaudit.report.escape import shorten, terminal

WIDTH = 100
MAX_SHOWN = 20  # changes per area, unless verbose
_TONE = {"good": "bold green", "bad": "bold red", "open": "bold yellow"}
_SEVERITY = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_TITLES = {Judgement.UNEXPECTED: "Unexpected", Judgement.CANNOT_SAY: "Cannot say", Judgement.EXPECTED: "Expected"}


def render_drift(drift: Drift, *, width: int = WIDTH, colour: bool = False, verbose: bool = False) -> str:
    """The drift as text; `verbose` lists expected changes too."""
    console = Console(
        width=max(40, width),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as captured:
        for part in _parts(drift, verbose=verbose):
            console.print(part)
    lines = (line.rstrip() for line in captured.get().splitlines())
    if colour:
        return "".join(f"{line}\n" for line in lines)
    return "".join(f"{terminal(line)}\n" for line in lines)  # wrapping may put a CI command at the start of a line


def _parts(drift: Drift, *, verbose: bool) -> Iterator[RenderableType]:
    yield from _sides(drift)
    yield Text()
    head = drift_text.headline(drift)
    yield Text(f" {terminal(head.text).upper()} ", style=f"{_TONE[head.tone]} reverse")
    for reason in head.reasons:
        yield Padding(_text(reason), (0, 0, 0, 1))
    for note in drift.notes:
        yield Padding(_text(note, "yellow"), (0, 0, 0, 1))
    for figure in update_figures(drift):
        yield Padding(_text(figure), (0, 0, 0, 1))
    counted: dict[str, list[str]] = {}
    for group in drift_text.groups(drift):
        count = len(group.changes)
        shown = group.changes if verbose else _worth_listing(group.changes)
        if not shown:
            counted.setdefault(_TITLES[group.judgement], []).append(f"{terminal(group.title)} ({count})")
            continue
        shown = shown if verbose else shown[:MAX_SHOWN]
        yield Text()
        yield Text(f"{_TITLES[group.judgement]}: {terminal(group.title)} ({count})", style="bold")
        yield from _changes(shown)
        if count > len(shown):
            yield Text(f"  and {count - len(shown)} more (--verbose, or -o json)", style="dim")
    for title, areas in counted.items():
        weight = "" if title == _TITLES[Judgement.EXPECTED] else ", for no grave reason"
        yield Text()
        yield Text(f"{title}{weight}: {', '.join(areas)}", style="dim")
    yield from _advisories(drift, verbose=verbose)


def _worth_listing(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Not what is expected, nor what nobody can say because such a side has no such thing: those are only counted."""
    return tuple(
        change
        for change in changes
        if change.judgement is Judgement.UNEXPECTED
        or (change.judgement is Judgement.CANNOT_SAY and change.severity is not Severity.INFO)
    )


def _sides(drift: Drift) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, target in (("Baseline", drift.baseline), ("Current", drift.current)):
        table.add_row(name, _text(drift_text.side_line(target)))
    table.add_row("Relation", _text(drift_text.relation_line(drift)))
    if drift.assurance is not Assurance.DIRECT:
        table.add_row("Assurance", _text(drift.assurance.value.replace("-", " "), "yellow"))
    if drift.policy:
        table.add_row("Policy", _text(drift.policy, "dim"))
    yield table


def _changes(changes: tuple[Change, ...]) -> Iterator[RenderableType]:
    for change in changes:
        table = Table.grid(padding=0)
        table.add_column(width=11, no_wrap=True)
        table.add_column(overflow="fold")  # long paths begin beside their severity
        severity = Text(f"  {change.severity.value}", style=_SEVERITY[change.severity])
        table.add_row(severity, Text(terminal(shorten(drift_text.what(change), 200))))
        if change.before is not None or change.after is not None:
            table.add_row("", _text(" → ".join(shorten(text, 160) for text in drift_text.pair(change))))
        table.add_row("", _text(f"{change.why} [{change.decided_by}]", "dim"))
        yield table


def _advisories(drift: Drift, *, verbose: bool) -> Iterator[RenderableType]:
    counts = drift_text.advisory_counts(drift)
    if not counts:
        return
    yield Text()
    yield Text("Advisories: " + ", ".join(f"{count} {name}" for name, count in counts), style="bold")
    moves = tuple(AdvisoryMove) if verbose else (AdvisoryMove.OPENED, AdvisoryMove.CLOSED)
    found = [advisory for advisory in drift.advisories if advisory.move in moves]
    for advisory in found if verbose else found[:MAX_SHOWN]:
        line = Text("  ")
        line.append(f"{advisory.severity.value:<9}", style=_SEVERITY[advisory.severity])
        names = " ".join((advisory.id, *advisory.aliases))
        versions = f"{advisory.package} {advisory.before or '(none)'} → {advisory.after or '(none)'}"
        line.append(
            terminal(f"{advisory.move.value.replace('_', ' ')}: {names}: {versions}, fixed in {advisory.fixed_in}")
        )
        yield line


def _text(text: str, style: str = "") -> Text:
    return Text(terminal(shorten(text, 400)), style=style)
