"""`rocketaudit baseline`: approved evidence, signed, to hold later states against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import BenchmarkNames, Limits, Quiet, TempDir, Workers
from rocketaudit.errors import FormatError, SourceError, TrustError, UsageError

if TYPE_CHECKING:
    from rocketaudit.formats.dsse import Envelope
    from rocketaudit.model.evidence import Evidence

baseline_app = typer.Typer(
    help="Make, sign and check baselines for `drift`.", no_args_is_help=True, rich_markup_mode=None
)

BaselineFile = Annotated[Path, typer.Argument(metavar="BASELINE", help="An evidence file.")]


@baseline_app.command()
def create(
    target: Annotated[Path, typer.Argument(help="An image, a folder, or `node`.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The baseline to write.")],
    benchmark: BenchmarkNames = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
) -> int:
    """Look at a target and write its evidence as a baseline, not signed yet. 3 when parts could not be read."""
    from rocketaudit.cli.drift_sides import is_node, look_at_node, look_at_target, signature_path
    from rocketaudit.cli.output import write_file
    from rocketaudit.cli.running import Run, read_benchmarks
    from rocketaudit.formats.evidence_file import dump_evidence

    if signature_path(output).exists():
        raise UsageError(f"{signature_path(output)} signs another baseline of that name", hint="remove it, or rename")
    run = Run(target, workers=workers, tmp_dir=tmp_dir, limits=limits, quiet=quiet)
    look = look_at_node if is_node(str(target)) else look_at_target
    evidence = look(run, read_benchmarks(tuple(benchmark or ())))
    write_file(output, dump_evidence(evidence))
    if not quiet:
        _say(f"{output}: baseline of {_named(evidence)}; sign it: rocketaudit baseline sign {output} --key KEY.pem")
    return ExitCode.UNREAD if evidence.gaps else ExitCode.MEETS_POLICY


@baseline_app.command()
def sign(
    baseline: BaselineFile,
    key: Annotated[Path, typer.Option(metavar="FILE", help="Private key in PEM, readable by you only.")],
    passphrase_fd: Annotated[
        int | None, typer.Option(metavar="N", help="File descriptor to read the key's passphrase from.")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Sign the digest of a baseline; the signature lies beside it as FILE.dsse. Several keys may sign."""
    from rocketaudit.cli.drift_sides import signature_path
    from rocketaudit.cli.key_files import read_passphrase, read_private_key_file
    from rocketaudit.cli.output import write_file
    from rocketaudit.cli.running import printed_time, read_evidence
    from rocketaudit.formats.baseline_statement import PAYLOAD_TYPE, dump_statement, statement_of
    from rocketaudit.formats.dsse import Envelope, dump_envelope, key_id, load_private_key
    from rocketaudit.formats.dsse import sign as make_signature
    from rocketaudit.formats.evidence_file import evidence_digest

    evidence = read_evidence(baseline)
    digest = evidence_digest(evidence)
    raw = read_private_key_file(key)
    try:
        private = load_private_key(raw, read_passphrase(raw, passphrase_fd))
    except FormatError as error:
        raise UsageError(f"{key}: {error.message}") from error
    path = signature_path(baseline)
    envelope = _existing(path, digest) if path.exists() else None
    if envelope is None:
        envelope = Envelope(PAYLOAD_TYPE, dump_statement(statement_of(evidence.target, digest, printed_time())), ())
    name = key_id(private.public_key())
    signature = make_signature(private, envelope.payload_type, envelope.payload)
    others = tuple(one for one in envelope.signatures if one[0] != name)
    write_file(path, dump_envelope(Envelope(envelope.payload_type, envelope.payload, (*others, (name, signature)))))
    if not quiet:
        _say(f"{path}: {digest} signed by {name}")
    return ExitCode.MEETS_POLICY


def _existing(path: Path, digest: str) -> Envelope:
    """The envelope beside the baseline, to add a signature to; TrustError when it is of other evidence."""
    from rocketaudit.cli.drift_sides import MAX_ENVELOPE
    from rocketaudit.cli.input_file import read_input
    from rocketaudit.formats.baseline_statement import PAYLOAD_TYPE, parse_statement
    from rocketaudit.formats.dsse import parse_envelope

    envelope = parse_envelope(read_input(path, MAX_ENVELOPE))
    if envelope.payload_type != PAYLOAD_TYPE or parse_statement(envelope.payload).digest != digest:
        raise TrustError(f"{path} signs something else; remove it to sign anew")
    return envelope


@baseline_app.command()
def verify(
    baseline: BaselineFile,
    key: Annotated[
        list[Path],
        typer.Option("--key", metavar="FILE", help="Public key to trust, PEM (Ed25519, ECDSA P-256); repeatable."),
    ],
    threshold: Annotated[int, typer.Option(min=1, help="How many of the keys must have signed.")] = 1,
) -> int:
    """Check that given keys signed exactly this evidence. 0 they did, 1 they did not, 3 it cannot be read."""
    from rocketaudit.cli.drift_sides import signature_path, verify_signature
    from rocketaudit.cli.key_files import read_public_keys
    from rocketaudit.cli.running import read_evidence
    from rocketaudit.formats.evidence_file import evidence_digest

    evidence = read_evidence(baseline)
    digest = evidence_digest(evidence)
    try:
        signers = verify_signature(signature_path(baseline), digest, read_public_keys(key), threshold)
    except (TrustError, FormatError) as error:
        _say(f"{baseline}: not verified: {error.message}", err=True)
        return ExitCode.FAILS_POLICY
    _say(f"{baseline}: {digest} signed by {', '.join(signers)}")
    return ExitCode.MEETS_POLICY


@baseline_app.command()
def show(baseline: BaselineFile) -> int:
    """What a baseline is of, when it was made, and who signed it (not verified: name keys with `verify`)."""
    from rocketaudit.cli.drift_sides import MAX_ENVELOPE, signature_path
    from rocketaudit.cli.input_file import read_input
    from rocketaudit.cli.running import read_evidence
    from rocketaudit.formats.baseline_statement import parse_statement
    from rocketaudit.formats.dsse import parse_envelope
    from rocketaudit.formats.evidence_file import evidence_digest

    evidence = read_evidence(baseline)
    digest = evidence_digest(evidence)
    _say(f"of         {_named(evidence)}")
    _say(f"digest     {digest}")
    _say(f"collected  {evidence.when or '(no time)'} on {evidence.host or '(no host)'}")
    _say(f"holds      {len(evidence.files)} files, {len(evidence.facts)} facts, {len(evidence.gaps)} places unread")
    path = signature_path(baseline)
    try:
        envelope = parse_envelope(read_input(path, MAX_ENVELOPE))
    except SourceError:
        _say("signed     no: whoever can write the file decides what it says")
        return ExitCode.MEETS_POLICY
    fits = parse_statement(envelope.payload).digest == digest
    names = ", ".join(name or "(no key id)" for name, _ in envelope.signatures)
    _say(f"signed     {'by' if fits else 'OVER OTHER EVIDENCE by'} {names} (as stated; not verified)")
    return ExitCode.MEETS_POLICY if fits else ExitCode.FAILS_POLICY


def _named(evidence: Evidence) -> str:
    from rocketaudit.report.drift_text import side_line

    return side_line(evidence.target)


def _say(text: str, *, err: bool = False) -> None:
    from rocketaudit.report.escape import terminal

    typer.echo(terminal(text), err=err)
