"""`rocketaudit sbom`: the bill of materials of a target, what it lacks, and how two of them differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import Limits, NoColor, PolicyPath, Quiet, TempDir, Workers


def sbom(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET | diff A B | sign SBOM | verify SBOM",
            help="An image, a folder or an evidence file; diff also takes bills of materials of any program "
            "(CycloneDX, SPDX); sign and verify take what `-o cyclonedx=FILE` wrote.",
        ),
    ],
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FORMAT[=PATH]",
            help="cyclonedx, spdx (2.3), spdx3 (3.0.1); diff: console, json, markdown; sign: jsf, dsse.",
        ),
    ] = None,
    spec_version: Annotated[str, typer.Option("--spec-version", help="CycloneDX 1.6 or 1.7.")] = "1.6",
    purl_type: Annotated[
        str, typer.Option("--purl-type", help="rpm (Amazon Inspector's form) or bottlerocket (Trivy's own type).")
    ] = "rpm",
    identity: Annotated[
        str,
        typer.Option(
            "--identity", help="Form of CycloneDX's evidence.identity: list; object for readers such as Syft 1.18."
        ),
    ] = "list",
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Print which elements of NTIA, CISA and BSI are there or missing, and why."),
    ] = False,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", metavar="PEM", help="sign: one private key (Ed25519 or ECDSA P-256); verify: public keys."
        ),
    ] = None,
    policy: PolicyPath = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int:
    """Write the bill of materials of a target (CycloneDX, SPDX); compare two; sign one, or check who signed it.

    A comparison ends with 1 when anything changed, 3 when something could not be compared, 0 otherwise.
    """
    from rocketaudit.analysis.sbom.purl import PURL_TYPES
    from rocketaudit.cli.running import Run
    from rocketaudit.errors import UsageError
    from rocketaudit.report.cyclonedx import IDENTITIES, SPEC_VERSIONS

    del no_color
    if words[0] in ("sign", "verify"):
        return _signing(words, key or [], list(output or ()), quiet=quiet)
    for name, value, known in (
        ("--spec-version", spec_version, SPEC_VERSIONS),
        ("--purl-type", purl_type, PURL_TYPES),
        ("--identity", identity, IDENTITIES),
    ):
        if value not in known:
            raise UsageError(f"{name} does not know {value!r}", hint=f"one of: {', '.join(known)}")
    run = Run(
        target=Path(words[-1]),
        outputs=tuple(output or ()),
        policy=policy,
        workers=workers,
        tmp_dir=tmp_dir,
        limits=limits,
        quiet=quiet,
        sha512=True,
        purl_type=purl_type,
    )
    if words[0] == "diff":
        if len(words) != 3:
            raise UsageError("diff compares exactly two targets", hint="rocketaudit sbom diff A B")
        return _diff(replace(run, target=Path(words[1]), sha512=False), replace(run, sha512=False))
    if len(words) != 1:
        raise UsageError("sbom takes one target", hint="rocketaudit sbom IMAGE, or rocketaudit sbom diff A B")
    return _write(run, spec_version, identity, missing=missing)


def _signing(words: list[str], keys: list[Path], output: list[str], *, quiet: bool) -> int:
    from rocketaudit.cli.sbom_signing import sign_sbom, verify_sbom
    from rocketaudit.errors import UsageError

    if len(words) != 2:
        raise UsageError(f"{words[0]} takes one document", hint=f"rocketaudit sbom {words[0]} SBOM.json --key KEY.pem")
    if words[0] == "sign":
        return sign_sbom(Path(words[1]), keys, output)
    return verify_sbom(Path(words[1]), keys, quiet=quiet)


def _write(run: object, spec_version: str, identity: str, *, missing: bool) -> int:
    from rocketaudit.analysis.sbom.elements import elements
    from rocketaudit.cli.output import Screen, parse_outputs, print_bytes, write_outputs
    from rocketaudit.cli.running import Run, audit_target
    from rocketaudit.report.cyclonedx_completeness import unread_lines
    from rocketaudit.report.sbom_text import elements_text

    assert isinstance(run, Run)
    default = "cyclonedx" if spec_version == "1.6" else f"cyclonedx-{spec_version}"
    names = [default if word == "cyclonedx" else _versioned(word, default) for word in run.outputs]
    outputs = parse_outputs(names or ([] if missing else [default]), quiet=missing or run.quiet)
    report = audit_target(run)
    if identity == "object":
        report = replace(report, extra={**(report.extra or {}), "sbom:identity": identity})
    write_outputs(report, outputs, Screen.of_stdout())
    if missing:
        print_bytes(elements_text(elements(report)).encode())
    return 3 if unread_lines(report) else 0


def _versioned(word: str, default: str) -> str:
    return word.replace("cyclonedx=", f"{default}=", 1) if word.startswith("cyclonedx=") else word


def _diff(first: object, second: object) -> int:
    from rocketaudit.analysis.sbom.compare import compare
    from rocketaudit.cli.output import print_bytes, write_file
    from rocketaudit.cli.running import Run
    from rocketaudit.cli.sbom_sides import open_side
    from rocketaudit.errors import UsageError
    from rocketaudit.report.sbom_text import CHANGE_FORMATS

    assert isinstance(first, Run)
    assert isinstance(second, Run)
    wanted = [word.partition("=") for word in first.outputs or ("console",)]
    for name, _, _ in wanted:
        if name not in CHANGE_FORMATS:
            raise UsageError(f"a comparison has no format {name!r}", hint=f"one of: {', '.join(CHANGE_FORMATS)}")
    changes = compare(open_side(first), open_side(second))
    for name, _, path in wanted:
        data = CHANGE_FORMATS[name](changes).encode()
        if path and path != "-":
            write_file(Path(path), data)
        else:
            print_bytes(data)
    if any(change.change != "unknown" for change in changes):
        return 1
    return 3 if changes else 0
