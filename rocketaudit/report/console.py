"""The console report: one screen that leads with the verdict and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rocketaudit.model.fact import Assurance
from rocketaudit.model.integrity import BankVerdict, IntegrityVerdict
from rocketaudit.model.report import Report
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report import summary
from rocketaudit.report.census_text import language_shares, language_sums
from rocketaudit.report.escape import shorten, terminal

WIDTH = 100
MAX_TASKS = 6
NARROW, MAX_TASKS_NARROW = 80, 3
MAX_REASONS = 3
MAX_PLACES = 8
MAX_UPDATE_LINES = 3
_TONE = {"good": "bold green", "bad": "bold red", "open": "bold yellow"}
_VERDICT = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.UNKNOWN: "yellow",
    Verdict.MANUAL: "cyan",
    Verdict.NOT_APPLICABLE: "dim",
}
_SEVERITY = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_INTEGRITY = {
    IntegrityVerdict.VERIFIED: "green",
    IntegrityVerdict.CONSISTENT_UNSIGNED: "yellow",
    IntegrityVerdict.BROKEN: "bold red",
    IntegrityVerdict.UNKNOWN: "yellow",
}


def write_console(report: Report) -> bytes:
    """The console report as plain text, 100 columns wide."""
    return render_console(report).encode()


def render_console(report: Report, *, width: int = WIDTH, colour: bool = False, verbose: bool = False) -> str:
    """The console report; `verbose` adds every rule. At most about 40 lines otherwise."""
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
        console.print(Group(*_parts(report, width, verbose=verbose)))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _parts(report: Report, width: int, *, verbose: bool) -> Iterable[RenderableType]:
    yield _title(report)
    yield Text()
    yield _verdict(report)
    yield Text()
    yield _figures(report)
    node = summary.node_lines(report)
    if node:
        yield Text()
        yield _node(node)
    if report.benchmarks:
        yield Text()
        yield _scores(report)
    yield Text()
    yield from _to_do(report, MAX_TASKS if width >= NARROW else MAX_TASKS_NARROW)
    if verbose:
        yield from _rules(report)
        yield from _gaps(report)


def _title(report: Report) -> RenderableType:
    known = summary.target_line(report.target)
    name = _text(report.target.name, "bold", 120)
    if known == report.target.name:
        return name
    return Group(name, _text(known, "", 200))


def _verdict(report: Report) -> RenderableType:
    head = summary.headline(report)
    line = Text(" " + head.text.upper() + " ", style=f"{_TONE[head.tone]} reverse")
    lines: list[RenderableType] = [line]
    for reason in head.reasons[:MAX_REASONS]:
        lines.append(Padding(_text(reason, "", 200), (0, 0, 0, 1)))
    if len(head.reasons) > MAX_REASONS:
        lines.append(Text(f" and {len(head.reasons) - MAX_REASONS} more reasons", style="dim"))
    if report.policy.as_of:
        lines.append(_text(f" judged as of {report.policy.as_of}", "dim"))
    if report.policy.path:
        lines.append(_text(f" policy {report.policy.path} {report.policy.digest}", "dim", 200))
    for change in report.policy.tailoring[:MAX_REASONS]:
        lines.append(_text(f" rules are not as shipped: {change}", "yellow", 200))
    for problem in report.policy.waiver_problems[:MAX_REASONS]:
        lines.append(_text(f" {problem}", "yellow", 200))
    hidden = len(report.policy.waiver_problems) - MAX_REASONS
    if hidden > 0:
        lines.append(Text(f" and {hidden} more about waivers", style="yellow"))
    return Group(*lines)


def _figures(report: Report) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    sentence = _text(summary.integrity_sentence(report), _INTEGRITY[report.integrity.verdict])
    table.add_row("Integrity", sentence)
    for bank in report.integrity.banks:
        table.add_row("", _bank(bank))
    if report.integrity.bad_blocks_total:
        table.add_row("", _bad_blocks(report))
    agreement = summary.agreement_rows(report)
    if agreement:
        table.add_row("Agreement", _agreement(agreement))
    updates = summary.update_lines(report)
    for number, line in enumerate(updates[:MAX_UPDATE_LINES]):
        more = f" (and {len(updates) - number - 1} more)" if number == MAX_UPDATE_LINES - 1 < len(updates) - 1 else ""
        table.add_row("" if number else "Updates", _text(line, "", 160 - len(more)).append(more))
    if report.assurance is not Assurance.DIRECT:
        table.add_row("Assurance", _text(report.assurance.value.replace("-", " "), "yellow"))
    table.add_row("Binaries", _text(_binaries(report)))
    packages = sum(1 for part in report.components if part.found_by == "inventory")
    files = sum(1 for part in report.components if part.kind == "file")
    counts = ((len(report.components), "component"), (packages, "package"), (files, "file"))
    total, *kinds = (summary.plural(count, noun) for count, noun in counts)
    table.add_row("SBOM", _text(f"{total}: {', '.join(kinds)}"))
    if report.unread:
        table.add_row("Unread", _text(f"{summary.plural(len(report.unread), 'place')} could not be read", "yellow"))
    return table


def _node(lines: Sequence[tuple[str, str]]) -> RenderableType:
    """Where on a node this ran, and what that place hides."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in lines:
        table.add_row(label, _text(text, "yellow" if label == "Hidden" else "", 600))
    return table


def _bank(bank: BankVerdict) -> Text:
    if not bank.populated:
        return _text(f"{bank.scope}: empty", "dim")
    line = _text(f"{bank.scope}: {bank.verdict.value.replace('_', ' ')}", _INTEGRITY[bank.verdict])
    line.append_text(_text(" (boots next)" if bank.boots_next else ""))
    line.append_text(_text(f" {bank.version}" if bank.version else ""))
    if bank.verdict in (IntegrityVerdict.VERIFIED, IntegrityVerdict.CONSISTENT_UNSIGNED):
        line.append_text(_text(f", root hash {bank.root_hash[:16]}…" if bank.root_hash else ""))
    else:
        line.append_text(_text(f": {bank.why}", "", 160))
    return line


def _bad_blocks(report: Report) -> Text:
    names = list(dict.fromkeys(block.path or block.what for block in report.integrity.bad_blocks))
    shown = ", ".join(name for name in names[:3] if name)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return _text(
        f"{summary.plural(report.integrity.bad_blocks_total, 'bad block')} in {shown or 'unnamed places'}{more}",
        "red",
        240,
    )


def _agreement(rows: Sequence[tuple[str, str, str, str]]) -> RenderableType:
    """Which places agree, and who is the odd one out in what; the values are in the other reports."""
    table = Table.grid(padding=(0, 2))
    grouped: dict[tuple[str, str], list[str]] = {}
    for scope, source, _, agrees in rows:
        grouped.setdefault((scope, agrees), []).append(source)
    for (scope, agrees), sources in list(grouped.items())[:MAX_PLACES]:
        tone = "bold red" if agrees.startswith("differs") else ""
        said = "agree" if agrees == "agrees" and len(sources) > 1 else agrees
        table.add_row(_text(scope, "", 24), _text(f"{', '.join(sources)}: {said}", tone, 160))
    if len(grouped) > MAX_PLACES:
        table.add_row(_text(f"{len(grouped) - MAX_PLACES} more"))
    return table


def _binaries(report: Report) -> str:
    census = report.census
    if not census.files:
        return "no ELF files"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in language_shares(language_sums(census))[:5])
    safe = census.memory_safe_share_bytes
    tail = "" if safe is None else f"; memory-safe {safe:.0%} of code"
    return f"{census.files} ELF files by code size: {shares or 'unknown'}{tail}"


def _scores(report: Report) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Benchmark", overflow="ellipsis", no_wrap=True, max_width=28)
    table.add_column("Score", no_wrap=True)
    for name in ("fail", "unknown", "manual", "pass", "n/a", "waived"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in report.benchmarks:
        counts = summary.count_by_verdict(group.results)
        numbers = [
            Text(str(counts[verdict]), style=_VERDICT[verdict] if counts[verdict] else "dim") for verdict in counts
        ]
        waived = sum(1 for result in group.results if result.waiver is not None)
        table.add_row(_text(group.benchmark.id), summary.score_text(group.score), *numbers, str(waived))
        if waived:
            table.add_row(Text("  with waivers"), summary.score_text(group.score_with_waivers))
    return table


def _to_do(report: Report, limit: int) -> Iterable[RenderableType]:
    todo = summary.tasks(report)
    if not todo:
        yield Text("Nothing to do", style="bold")
        return
    yield Text("Do first", style="bold")
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, task in enumerate(todo[:limit], 1):
        count = f" ({task.count} places)" if task.count > 1 else ""
        line = _text(task.title + count, "", 240)
        if task.where and task.where != task.action:
            line.append_text(_text(f"\n{shorten(task.where, 160)}", "dim", lines=True))
        if task.action:
            line.append_text(_text(f"\nTo do: {shorten(task.action.partition(chr(10))[0], 160)}", "", lines=True))
        table.add_row(str(number), Text(task.severity.value, style=_SEVERITY[task.severity]), line)
    yield table
    if len(todo) > limit:
        yield Text(f"{len(todo) - limit} more: -o html=report.html shows all, -v lists every rule", style="dim")


def _rules(report: Report) -> Iterable[RenderableType]:
    for group in report.benchmarks:
        yield Text()
        yield _text(summary.benchmark_name(group.benchmark), "bold")
        table = Table.grid(padding=(0, 1))
        for width in (14, 8, None):
            table.add_column(no_wrap=width is not None, min_width=width)
        for result in group.results:
            title = _text(result.rule.title, "", 200)
            if result.verdict is not Verdict.PASS:
                title.append_text(_text(f"\n{shorten(result.outcome.why, 200)}", "dim", lines=True))
            if result.waiver is not None:
                title.append_text(
                    _text(f"\nwaived until {result.waiver.expires}: {result.waiver.reason}", "", 200, lines=True)
                )
            verdict = Text(result.verdict.value.replace("_", " "), style=_VERDICT[result.verdict])
            table.add_row(verdict, _text(result.rule.section), title)
        yield table


def _gaps(report: Report) -> Iterable[RenderableType]:
    if report.unread:
        yield Text()
        yield Text("Could not be read", style="bold")
        for gap in report.unread[:200]:
            yield _text(f"{gap.scope}:{gap.path}: {gap.reason}", "", 300)


def _text(value: str, style: str = "", limit: int = 300, *, lines: bool = False) -> Text:
    return Text(terminal(shorten(value, limit), lines=lines), style=style)
