"""`rocketaudit advisories`: which installed packages are behind a fixed version, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import Limits, Quiet, TempDir, Workers
from rocketaudit.errors import UsageError

if TYPE_CHECKING:
    from rocketaudit.model.advisory import AdvisoryMatch
    from rocketaudit.model.evidence import Evidence

FORMATS = ("console", "json", "vex", "cyclonedx")


def advisories(
    target: Annotated[Path, typer.Argument(help="An image, a folder, or an evidence file.")],
    source: Annotated[
        list[Path],
        typer.Option(
            "--advisories", metavar="PATH", help="A folder of BRSA-*.toml, or updateinfo.xml[.gz]; repeatable."
        ),
    ],
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FORMAT[=PATH]", help=f"One of {', '.join(FORMATS)} (vex: OpenVEX)."),
    ] = "console",
    fail_on: Annotated[str, typer.Option("--fail-on", help="affected or never.")] = "affected",
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
) -> int:
    """Advisories that reach the target's packages, by package version in RPM's order; needs no network.

    Exit codes: 0 none is affected, 1 some are, 2 usage, 3 for some nobody can say.
    """
    from rocketaudit.analysis.advisories import installed, match_advisories
    from rocketaudit.cli.advisory_files import read_advisories
    from rocketaudit.cli.running import Run, evidence_of

    name, _, path = output.partition("=")
    if name not in FORMATS:
        raise UsageError(f"no output format {name!r}", hint=f"one of {', '.join(FORMATS)}")
    if fail_on not in ("affected", "never"):
        raise UsageError(f"--fail-on does not know {fail_on!r}", hint="affected or never")
    known = read_advisories(tuple(source))
    evidence = evidence_of(Run(target, workers=workers, tmp_dir=tmp_dir, limits=limits, quiet=quiet), ())
    packages = installed(evidence)
    found = match_advisories(packages, known)
    _write(name, Path(path) if path and path != "-" else None, found, evidence, len(known))
    return ExitCode.MEETS_POLICY if fail_on == "never" else _code(found, inventory=bool(packages))


def _code(found: tuple[AdvisoryMatch, ...], *, inventory: bool) -> ExitCode:
    from rocketaudit.model.advisory import AdvisoryStatus

    statuses = {match.status for match in found}
    if AdvisoryStatus.AFFECTED in statuses:
        return ExitCode.FAILS_POLICY
    return ExitCode.UNREAD if AdvisoryStatus.CANNOT_SAY in statuses or not inventory else ExitCode.MEETS_POLICY


def _write(name: str, path: Path | None, found: tuple[AdvisoryMatch, ...], evidence: Evidence, known: int) -> None:
    from rocketaudit.cli.key_files import write_result

    write_result(path, _render(name, found, evidence, known))


def _render(name: str, found: tuple[AdvisoryMatch, ...], evidence: Evidence, known: int) -> bytes:
    if name in ("vex", "cyclonedx"):
        from rocketaudit.audit import TOOL
        from rocketaudit.cli.running import printed_time
        from rocketaudit.report.vex import write_vex
        from rocketaudit.report.vex_cyclonedx import write_vex_cyclonedx

        purls = _purls(evidence)
        pairs = [(match, purls.get((match.package, match.installed), "")) for match in found]
        write = write_vex if name == "vex" else write_vex_cyclonedx
        return write(pairs, evidence.target, TOOL, printed_time())
    if name == "json":
        from rocketaudit.model import codec

        return json.dumps([codec.encode(match, full=True) for match in found], indent=1).encode() + b"\n"
    return _console(found, evidence, known).encode()


def _console(found: tuple[AdvisoryMatch, ...], evidence: Evidence, known: int) -> str:
    from rocketaudit.model.advisory import AdvisoryStatus
    from rocketaudit.report.escape import shorten, terminal

    lines = []
    for match in found:
        if match.status is AdvisoryStatus.FIXED:
            continue
        names = " ".join((match.advisory.id, *match.advisory.aliases))
        versions = f"{match.package} {match.installed}, fixed in {match.fixed_in}"
        line = f"{match.status.value.replace('_', ' '):<10}  {match.advisory.severity.value:<8}  {names}: {versions}"
        lines.append(terminal(shorten(f"{line} ({match.why})", 400)))
    counts = ", ".join(
        f"{sum(1 for m in found if m.status is status)} {status.value.replace('_', ' ')}" for status in AdvisoryStatus
    )
    lines.append(terminal(f"{evidence.target.name}: {known} advisories; {counts}"))
    if not evidence.packages:
        lines.append("no package inventory was found: nobody can say what is installed")
    return "\n".join(lines) + "\n"


def _purls(evidence: Evidence) -> dict[tuple[str, str], str]:
    from rocketaudit.analysis.advisories import installed
    from rocketaudit.analysis.drift.packages import version_text
    from rocketaudit.analysis.sbom.purl import package_purl

    version = evidence.target.version
    return {(p.name, version_text(p)): package_purl(p, version) for p in installed(evidence)}
