"""`rocketaudit history`: what a store knows of a target over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rocketaudit.model.history import FactChange, ScanRecord
    from rocketaudit.source.store import Store

FORMATS = ("console", "json", "html")
_SHOWN = 20


def history(
    target: Annotated[str | None, typer.Argument(help="A target of the store. Default: list them.")] = None,
    store: Annotated[Path, typer.Option("--store", metavar="PATH", help="The store that scans were kept in.")] = Path(
        "rocketaudit.sqlite"
    ),
    since: Annotated[
        str | None, typer.Option("--since", metavar="KEY", help="When this fact changed; a key, or a glob over keys.")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FORMAT[=PATH]", help=f"One of {', '.join(FORMATS)}.")
    ] = "console",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the newest so many scans.")] = None,
    prune: Annotated[
        int | None,
        typer.Option("--prune", min=0, metavar="N", help="Forget all but the newest N scans of each target."),
    ] = None,
) -> int:
    """Verdicts, scores, findings and the share of Rust over time; with --since, when a fact first changed.

    `-o json` exports everything that is known of the target: its scans, and when each of its facts changed (with
    --since only of these). `--prune` first, then the rest.
    """
    from rocketaudit.cli.key_files import write_result
    from rocketaudit.source.store import open_store

    name, _, path = output.partition("=")
    if name not in FORMATS:
        raise UsageError(f"no output format {name!r}", hint=f"one of {', '.join(FORMATS)}")
    with open_store(store) as opened:
        if prune is not None:
            typer.echo(f"{opened.prune(prune)} scans forgotten", err=True)
        data = _targets(opened, name) if target is None else _target(opened, target, name, since, limit)
    write_result(Path(path) if path and path != "-" else None, data)
    return 0


def _targets(store: Store, name: str) -> bytes:
    found = store.targets()
    if name == "json":
        rows = [{"target": target, "scans": count, "newest": moment} for target, count, moment in found]
        return json.dumps(rows, indent=1).encode() + b"\n"
    if name == "html":
        raise UsageError("name a target for an HTML page")
    from rocketaudit.report.escape import terminal

    lines = [terminal(f"{moment or '(never)':<22}  {count:>6}  {target}") for target, count, moment in found]
    return ("\n".join([f"{'newest':<22}  {'scans':>6}  target", *lines]) + "\n").encode()


def _target(store: Store, target: str, name: str, since: str | None, limit: int | None) -> bytes:
    from rocketaudit.analysis.history import series

    records = store.scans(target, limit)
    if not records:
        known = ", ".join(one for one, _, _ in store.targets()[:10])
        raise SourceError(f"the store knows no target {target!r}", hint=f"it knows: {known}" if known else None)
    changes = store.changes(target) if name == "json" and since is None else _changes(store, target, since)
    plotted = series(records)
    if name == "html":
        from rocketaudit.report.history_html import write_history_html

        return write_history_html(target, records, plotted, changes)
    if name == "json":
        from rocketaudit.model import codec

        document = {
            "target": target,
            "scans": [_encoded(record) for record in records],
            "changes": [codec.encode(change, full=True) for change in changes],
        }
        return json.dumps(document, indent=1).encode() + b"\n"
    return _console(target, records, plotted, changes, asked=since is not None)


def _encoded(record: ScanRecord) -> dict[str, object]:
    from rocketaudit.model import codec

    encoded: dict[str, object] = codec.encode(record, full=True)
    return encoded


def _changes(store: Store, target: str, since: str | None) -> tuple[FactChange, ...]:
    if since is None:
        return ()
    exact = store.changes(target, since)
    if exact:
        return exact
    keys = store.keys(target, since)
    if not keys:
        raise SourceError(f"no scan of {target!r} ever told {since!r}")
    return tuple(change for key in keys for change in store.changes(target, key))


def _console(
    target: str,
    records: Sequence[ScanRecord],
    plotted: Sequence[tuple[str, tuple[float | None, ...]]],
    changes: Sequence[FactChange],
    *,
    asked: bool,
) -> bytes:
    from rocketaudit.report.escape import shorten, terminal
    from rocketaudit.report.history_plot import spark
    from rocketaudit.report.summary import interval, value_text

    lines = [f"{target}: {len(records)} scans"]
    if asked:
        for change in changes:
            fact = change.fact
            value = shorten(value_text(fact.value), 120) if fact.state == "present" else fact.state
            first = " (or before)" if change.first else ""
            lines.append(f"{change.when}{first}  {change.version}  {fact.key} {fact.plane} {fact.scope} = {value}")
        return ("\n".join(terminal(line) for line in lines) + "\n").encode()
    width = max((len(name) for name, _ in plotted), default=0)
    for name, values in plotted:
        known = [value for value in values if value is not None]
        last = f"{known[-1]:g} (of all {min(known):g} to {max(known):g})" if known else ""
        lines.append(f"{name:<{width}}  {spark(values)}  {last}")
    for record in list(records)[-_SHOWN:][::-1]:
        scores = ", ".join(f"{name} {interval(*ends)}" for name, ends in sorted(record.scores.items()))
        share = "" if record.rust_share is None else f"Rust {record.rust_share:g} %"
        parts = (record.when, record.version, record.integrity, scores, f"{record.findings} findings", share)
        lines.append("  ".join(part for part in parts if part))
    if len(records) > _SHOWN:
        lines.append(f"{len(records) - _SHOWN} older scans: -o json")
    return ("\n".join(terminal(line) for line in lines) + "\n").encode()
