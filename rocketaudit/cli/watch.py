"""`rocketaudit watch`: audits of this node, again and again, in a folder that always holds the last whole ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import Quiet
from rocketaudit.errors import UsageError


def watch(
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Where reports go: a folder that outlives the container.")
    ],
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="From one audit to the next: 90m, 6h, 1d.")
    ] = "6h",
    jitter: Annotated[
        str,
        typer.Option(
            "--jitter", metavar="TIME", help="Wait up to this much longer, so that nodes do not march in step."
        ),
    ] = "10m",
    keep: Annotated[int, typer.Option("--keep", min=1, max=10_000, help="How many reports stay.")] = 10,
    formats: Annotated[
        list[str] | None, typer.Option("--format", metavar="FORMAT", help="What each report holds. Default: json.")
    ] = None,
    timeout: Annotated[
        str,
        typer.Option("--timeout", metavar="TIME", help="An audit that takes longer is ended and counted as failed."),
    ] = "2h",
    times: Annotated[
        int | None, typer.Option("--times", min=1, help="End after so many audits. Default: go on until stopped.")
    ] = None,
    quiet: Quiet = False,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- NODE OPTIONS]", help="Options of `rocketaudit node`.")
    ] = None,
) -> int:
    """Audit this node every few hours and keep the last reports. Options of `node` follow after `--`.

    A report appears whole or not at all; `latest` points to the newest. `rocketaudit.prom` is a heartbeat for a node
    exporter's text-file collector: it says when the last audit ended, how, and that this program is still there.
    Nothing listens to the network.
    """
    from rocketaudit.cli.duration import parse_duration
    from rocketaudit.cli.watching import Plan, check_formats, run_plan

    seconds = parse_duration(every, "--every")
    if not seconds:
        raise UsageError("--every 0: there must be time between two audits")
    plan = Plan(
        folder=to,
        every=seconds,
        jitter=parse_duration(jitter, "--jitter"),
        keep=keep,
        formats=check_formats(tuple(formats or ("json",))),
        timeout=parse_duration(timeout, "--timeout"),
        times=times,
        arguments=tuple(arguments or ()),
        quiet=quiet,
    )
    return run_plan(plan)
