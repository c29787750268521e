"""`rocketaudit report`: render a JSON report again, sign it, check who signed it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import NoColor, Quiet, Verbose
from rocketaudit.errors import FormatError, SourceError, UsageError

PASSPHRASE = "ROCKETAUDIT_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
MAX_REPORT = 512 << 20
MAX_KEY = 1 << 16


def report(
    words: Annotated[
        list[str],
        typer.Argument(metavar="REPORT | sign REPORT | verify REPORT", help="A report that `-o json=FILE` wrote."),
    ],
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o", "--output", metavar="FORMAT[=PATH]", help="As for scan; for sign: the file of the envelope."
        ),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", metavar="PEM", help="sign: one private key (Ed25519 or ECDSA P-256); verify: public keys."
        ),
    ] = None,
    envelope: Annotated[
        Path | None, typer.Option("--envelope", metavar="FILE", help="verify: the signature (default: REPORT.dsse).")
    ] = None,
    threshold: Annotated[
        int, typer.Option("--threshold", min=1, help="verify: how many different keys must sign.")
    ] = 1,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", metavar="FILE", help="verify: the evidence that the report stands on.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
) -> int:
    """Render a JSON report in other formats without the image; `sign` and `verify` bind it to a key (DSSE)."""
    match words:
        case ["sign", path]:
            return _sign(Path(path), key or [], output or [])
        case ["verify", path]:
            return _verify(Path(path), key or [], envelope, evidence, threshold, quiet=quiet)
        case [path]:
            return _render(Path(path), output or [], quiet=quiet, verbose=verbose, no_color=no_color)
        case _:
            raise UsageError(
                "one report is wanted", hint="report REPORT.json -o html=FILE, report sign|verify REPORT.json"
            )


def _render(path: Path, output: list[str], *, quiet: bool, verbose: bool, no_color: bool) -> int:
    from rocketaudit.cli.output import Screen, parse_outputs, write_outputs
    from rocketaudit.report.report_json import read_json

    outputs = parse_outputs(output, quiet=quiet)
    if any(item.writer.name == "evidence" for item in outputs):
        raise UsageError("a report holds no evidence, only its digest", hint="use the evidence file of the same scan")
    found = read_json(_read(path, MAX_REPORT))
    write_outputs(found, outputs, Screen.of_stdout(no_color=no_color, verbose=verbose))
    return 0


def _sign(path: Path, keys: list[Path], output: list[str]) -> int:
    from rocketaudit.cli.output import write_file
    from rocketaudit.formats.dsse import Envelope, dump_envelope, key_id, load_private_key, sign
    from rocketaudit.report.report_json import read_json
    from rocketaudit.report.statement import PAYLOAD_TYPE, make_statement

    if len(keys) != 1 or len(output) > 1:
        raise UsageError("sign takes one key and at most one output", hint="report sign REPORT.json --key KEY.pem")
    data = _read(path, MAX_REPORT)
    statement = make_statement(data, read_json(data))
    passphrase = os.environ.get(PASSPHRASE)
    try:
        private = load_private_key(_read(keys[0], MAX_KEY), passphrase.encode() if passphrase else None)
    except FormatError as error:
        raise UsageError(f"{keys[0]}: {error.message}", hint=f"a passphrase is taken from {PASSPHRASE}") from None
    signature = sign(private, PAYLOAD_TYPE, statement)
    envelope = Envelope(PAYLOAD_TYPE, statement, ((key_id(private.public_key()), signature),))
    target = Path(output[0]) if output else _default_envelope(path)
    write_file(target, dump_envelope(envelope))
    return 0


def _verify(
    path: Path, keys: list[Path], envelope: Path | None, evidence: Path | None, threshold: int, *, quiet: bool
) -> int:
    from rocketaudit.cli.output import print_bytes
    from rocketaudit.formats.dsse import load_public_key, parse_envelope, verify_envelope
    from rocketaudit.formats.evidence_file import MAX_SIZE, evidence_digest, load_evidence
    from rocketaudit.report.document import digest_of
    from rocketaudit.report.report_json import read_json
    from rocketaudit.report.statement import check_statement

    if not keys:
        raise UsageError("verify needs the key that you trust", hint="--key PUBLIC.pem")
    try:
        trusted = [load_public_key(_read(key, MAX_KEY)) for key in keys]
    except FormatError as error:
        raise UsageError(f"--key: {error.message}") from None
    data = _read(path, MAX_REPORT)
    found = read_json(data)
    signed = parse_envelope(_read(envelope or _default_envelope(path), MAX_SIZE))
    signers = verify_envelope(signed, trusted, threshold)
    check_statement(signed.payload, signed.payload_type, data, found)
    if evidence is not None and evidence_digest(load_evidence(_read(evidence, MAX_SIZE))) != digest_of(found):
        raise UsageError(f"{evidence} is not the evidence of this report")
    if not quiet:
        lines = [f"signed by {signer}" for signer in signers]
        print_bytes(("\n".join([*lines, f"evidence {digest_of(found)}"]) + "\n").encode())
    return 0


def _default_envelope(path: Path) -> Path:
    return path.with_name(f"{path.name}.dsse")


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise SourceError(f"{path} has more than {limit} bytes")
    return data
