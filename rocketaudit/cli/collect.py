"""`rocketaudit collect`: look now, judge later or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import BenchmarkNames, DataDisk, Limits, NoColor, Quiet, TempDir, Workers


def collect(
    target: Annotated[Path, typer.Argument(help="A disk image in any container, or a folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="The evidence file to write.")] = Path(
        "evidence.json"
    ),
    benchmark: BenchmarkNames = None,
    sha512: Annotated[bool, typer.Option("--sha512", help="Also compute SHA-512 (an SBOM wants it).")] = False,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    data_disk: DataDisk = None,
    limits: Limits = None,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int:
    """Look at a target and write its evidence; nothing is judged. `rocketaudit judge` takes the file."""
    from rocketaudit.cli.running import Run, run_collect

    del no_color
    run = Run(
        target=target,
        benchmarks=tuple(benchmark or ()),
        workers=workers,
        tmp_dir=tmp_dir,
        data_disk=data_disk,
        limits=limits,
        quiet=quiet,
        sha512=sha512,
    )
    return run_collect(run, output)
