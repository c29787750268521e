"""`rocketaudit manifest`: make, sign and check a signed statement of an image's verity parameters."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.key_files import (
    MAX_KEY,
    read_day,
    read_passphrase,
    read_private_key_file,
    read_public_keys,
    sha256_of,
    write_result,
)
from rocketaudit.cli.limits import bounds_of
from rocketaudit.cli.options import Limits, TempDir
from rocketaudit.errors import FormatError, TrustError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rocketaudit.formats.dsse import Envelope
    from rocketaudit.model.evidence import Evidence
    from rocketaudit.model.trust import Anchor, ChainLink

MAX_MANIFEST = 8 << 20

manifest_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

ManifestFile = Annotated[Path, typer.Argument(metavar="MANIFEST", help="A DSSE envelope.")]
Written = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: standard output.")]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="Public key to trust, PEM (Ed25519, ECDSA P-256); repeatable."),
]


@manifest_app.command()
def create(
    target: Annotated[Path, typer.Argument(help="The image that is released.")],
    output: Written = None,
    not_after: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day after which the manifest no longer holds.")
    ] = None,
    subject: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Another form of the same image; repeatable.")
    ] = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
) -> int:
    """Check an image and write the manifest of it, not signed yet.

    An image whose banks do not fit their own hash trees, or that is damaged as it is packed, gets no manifest.
    """
    from rocketaudit.analysis.trust.image_claims import claims_of
    from rocketaudit.formats.dsse import Envelope, dump_envelope
    from rocketaudit.formats.verity_manifest import PAYLOAD_TYPE, Subject, VerityManifest, dump_manifest, parse_manifest

    until = None if not_after is None else read_day(not_after, "--not-after")
    evidence = _look(target, tmp_dir, limits)
    code = _refuse_unsound(evidence)
    if code is not None:
        return code
    if not _is_one_file(evidence):
        raise UsageError(
            f"{target} only names the files that hold the disk", hint="put it into one file: qemu-img convert"
        )
    claims = claims_of(evidence)
    unstated = [name for name in ("variant", "version", "arch") if not getattr(claims, name)]
    if unstated:
        raise FormatError(f"{target} does not state its {', '.join(unstated)}")
    subjects = tuple(Subject(path.name, sha256_of(path)) for path in dict.fromkeys((target, *(subject or ()))))
    manifest = VerityManifest(claims.variant, claims.version, claims.build, claims.arch, claims.banks, subjects, until)
    payload = dump_manifest(manifest)
    parse_manifest(payload)
    write_result(output, dump_envelope(Envelope(PAYLOAD_TYPE, payload, ())))
    return ExitCode.MEETS_POLICY


@manifest_app.command()
def sign(
    manifest: ManifestFile,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Private key in PEM, readable by you only.")] = None,
    passphrase_fd: Annotated[
        int | None, typer.Option(metavar="N", help="File descriptor to read the key's passphrase from.")
    ] = None,
    pae: Annotated[
        bool, typer.Option("--pae", help="Do not sign: write the bytes that a KMS or HSM must sign.")
    ] = False,
    output: Written = None,
) -> int:
    """Add a signature to a manifest, or write the bytes to be signed elsewhere."""
    from rocketaudit.formats.dsse import key_id, load_private_key, pre_authentication_encoding
    from rocketaudit.formats.dsse import sign as make_signature

    envelope = _read_envelope(manifest)
    if pae == (key is not None):
        raise UsageError("give either --key or --pae")
    if key is None:
        write_result(output, pre_authentication_encoding(envelope.payload_type, envelope.payload))
        return ExitCode.MEETS_POLICY
    raw = read_private_key_file(key)
    try:
        private = load_private_key(raw, read_passphrase(raw, passphrase_fd))
    except FormatError as error:
        raise UsageError(f"{key}: {error.message}") from error
    signature = make_signature(private, envelope.payload_type, envelope.payload)
    _add(envelope, key_id(private.public_key()), signature, output)
    return ExitCode.MEETS_POLICY


@manifest_app.command()
def attach(
    manifest: ManifestFile,
    signature: Annotated[Path, typer.Option(metavar="FILE", help="Raw signature: 64 bytes of Ed25519, or ECDSA DER.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The public key it was made with, PEM.")],
    output: Written = None,
) -> int:
    """Add a signature that was made elsewhere, after checking it."""
    from rocketaudit.formats.dsse import Envelope, is_signed_by, key_id

    envelope = _read_envelope(manifest)
    public = read_public_keys([key])[0]
    raw = read_input(signature, MAX_KEY)
    if not is_signed_by(Envelope(envelope.payload_type, envelope.payload, (("", raw),)), public):
        raise TrustError(f"{signature} is no signature of {key} over this manifest")
    _add(envelope, key_id(public), raw, output)
    return ExitCode.MEETS_POLICY


@manifest_app.command()
def verify(
    manifest: ManifestFile,
    key: PublicKeys = None,
    target: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The image that must equal it.")] = None,
    min_version: Annotated[str | None, typer.Option(metavar="X.Y.Z", help="Refuse older releases.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="Judge expiry as of this day.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")] = "console",
    tmp_dir: TempDir = None,
    limits: Limits = None,
) -> int:
    """Check a manifest, and with --target that an image equals it down to the last block.

    Exit codes: 0 holds, 1 does not, 3 cannot be said.
    """
    from rocketaudit.analysis.trust.image_claims import claims_of, manifest_links
    from rocketaudit.analysis.trust.manifest_chain import manifest_chain
    from rocketaudit.model.trust import Anchor, AnchorKind

    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    read_public_keys(key or [])
    anchors = [Anchor(AnchorKind.MANIFEST_KEY, str(path), "", read_input(path, MAX_KEY)) for path in key or []]
    moment = datetime.now(UTC) if as_of is None else read_day(as_of, "--as-of")
    raw = read_input(manifest, MAX_MANIFEST)
    if target is None:
        links = _without_image(anchors, raw, moment, min_version)
    else:
        evidence = _look(target, tmp_dir, limits)
        claims = claims_of(
            evidence, {target.name: sha256_of(target)} if target.is_file() and _is_one_file(evidence) else {}
        )
        links = manifest_links(manifest_chain(anchors, raw, claims, as_of=moment, min_version=min_version), evidence)
    _print_links(links, output)
    return exit_code_of(links)


def _is_one_file(evidence: Evidence) -> bool:
    return evidence.disk is None or evidence.disk.container.is_one_file


def exit_code_of(links: Sequence[ChainLink]) -> int:
    """0 when the chain holds, 1 when a link is broken, 3 when one could not be checked."""
    from rocketaudit.model.trust import LinkState, first_failure, holds

    if holds(links):
        return ExitCode.MEETS_POLICY
    failure = first_failure(links)
    is_broken = failure is not None and failure.state is LinkState.BROKEN
    return ExitCode.FAILS_POLICY if is_broken else ExitCode.UNREAD


def _without_image(
    anchors: Sequence[Anchor], raw: bytes, moment: datetime, min_version: str | None
) -> tuple[ChainLink, ...]:
    """The links that need no image: signature, expiry, policy."""
    from rocketaudit.analysis.trust.manifest_chain import ImageClaims, manifest_chain

    nothing = ImageClaims("", "", "", "", {})
    chain = manifest_chain(anchors, raw, nothing, as_of=moment, min_version=min_version)
    about = ("key signs manifest", "given key can be used", "manifest is still valid")
    return tuple(link for link in chain.links if link.name in about or "older" in link.name)


def _look(target: Path, tmp_dir: Path | None, limits: list[str] | None) -> Evidence:
    from rocketaudit.audit import Looking, look

    return look(target, Looking(tmp_dir=tmp_dir, bounds=bounds_of(limits), verity_only=True), ())


def _refuse_unsound(evidence: Evidence) -> int | None:
    """An exit code when the image does not deserve a manifest."""
    from rocketaudit.analysis.integrity import judge_integrity
    from rocketaudit.model.integrity import IntegrityVerdict

    doubt = next((problem for problem in evidence.disk.problems if problem.in_doubt), None) if evidence.disk else None
    if doubt is not None:
        _tell(f"no manifest: {doubt.what}")
        return ExitCode.FAILS_POLICY
    integrity = judge_integrity(evidence)
    if integrity.verdict is IntegrityVerdict.CONSISTENT_UNSIGNED:
        return None
    _tell(f"no manifest: {integrity.why}")
    return ExitCode.FAILS_POLICY if integrity.verdict is IntegrityVerdict.BROKEN else ExitCode.UNREAD


def _tell(text: str) -> None:
    from rocketaudit.report.escape import terminal

    sys.stderr.write(f"rocketaudit: {terminal(text)}\n")


def _print_links(links: Sequence[ChainLink], output: str) -> None:
    from rocketaudit.report.escape import terminal

    if output == "json":
        sys.stdout.write(json.dumps([asdict(link) for link in links], indent=2) + "\n")
        return
    for link in links:
        parts = [f"{link.state.value:14} {link.name}"]
        if link.why:
            parts.append(f": {link.why}")
        if link.expected != link.observed:
            parts.append(f" (expected {link.expected or 'nothing'}, found {link.observed or 'nothing'})")
        sys.stdout.write(terminal("".join(parts)) + "\n")


def _read_envelope(path: Path):  # type: ignore[no-untyped-def]
    from rocketaudit.formats.dsse import parse_envelope

    return parse_envelope(read_input(path, MAX_MANIFEST))


def _add(envelope: Envelope, name: str, signature: bytes, output: Path | None) -> None:
    """Write the envelope with one signature more; an older one of the same key is replaced."""
    from rocketaudit.formats.dsse import dump_envelope

    others = tuple(one for one in envelope.signatures if one[0] != name)
    write_result(output, dump_envelope(replace(envelope, signatures=(*others, (name, signature)))))
