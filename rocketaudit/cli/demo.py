"""`rocketaudit demo`: the main job on an image that ships with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import NoColor, Quiet


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the HTML, JSON and SBOM files go.")
    ] = Path("rocketaudit-demo"),
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int:
    """Audit the embedded demo image: print the report, write HTML, JSON and SBOM. Its problems are planted."""
    from rocketaudit.cli.running import Run, run_audit
    from rocketaudit.demo import demo_image_path

    folder.mkdir(parents=True, exist_ok=True)
    outputs = (
        "console",
        f"html={folder / 'report.html'}",
        f"json={folder / 'report.json'}",
        f"cyclonedx={folder / 'sbom.cdx.json'}",
    )
    with demo_image_path() as image:
        run = Run(target=image, outputs=outputs, fail_on="never", quiet=quiet, no_color=no_color)
        code = run_audit(run)
    if not quiet:
        typer.echo(f"\nThe demo image is a teaching piece: its problems are planted.\nWritten to {folder}/: "
                   "report.html, report.json, sbom.cdx.json", err=True)  # fmt: skip
    return code
