"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FORMAT[=PATH]",
        help="What to write, and where; may be repeated. Without a path: standard output. Default: console.",
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="LIST",
        help="What makes the exit code 1: never, integrity, level1, level2, any (comma-separated). "
        "Default: integrity,level1.",
    ),
]
BenchmarkNames = Annotated[
    list[str] | None,
    typer.Option("--benchmark", metavar="NAME|PATH", help="A shipped benchmark or a folder of rules; repeatable."),
]
Level = Annotated[int | None, typer.Option("--level", min=1, max=2, help="Judge rules up to this level. Default: 2.")]
PolicyPath = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Policy (default: ./rocketaudit.toml if it exists)."),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Judge expiry of metadata as of this day; waivers use today."),
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, max=64, help="Processes. Default: one per CPU.")]
TempDir = Annotated[
    Path | None, typer.Option("--tmp-dir", metavar="DIR", help="Where compressed images are expanded (sparse).")
]
DataDisk = Annotated[
    Path | None,
    typer.Option(
        "--data-disk",
        metavar="FILE",
        help="The other disk of a split plan, read with the image as one. Default: NAME-data beside NAME.",
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        "--max-bytes",
        metavar="[NAME=]N",
        help="A bound of this scan, repeatable: bytes (that decoding may produce; a bare number means these), "
        "entries, depth (of folders), seconds, held (bytes of names and attributes), holes (bytes of sparse files).",
    ),
]
StorePath = Annotated[
    Path | None,
    typer.Option("--store", metavar="PATH", help="Keep the result in this history (`rocketaudit history` shows it)."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no console report; only errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show every rule, not only what needs attention.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.")]
