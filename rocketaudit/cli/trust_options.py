"""Options that hand in trust anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.errors import UsageError
from rocketaudit.model.records import dataclass

PANEL = "Trust anchors"

TufRoot = Annotated[
    Path | None,
    typer.Option("--tuf-root", metavar="FILE", rich_help_panel=PANEL, help="A root.json that you trust."),
]
TufMetadata = Annotated[
    Path | None,
    typer.Option(
        "--tuf-metadata", metavar="DIR", rich_help_panel=PANEL, help="The repository's metadata: roots, timestamp ..."
    ),
]
TufState = Annotated[
    Path | None,
    typer.Option(
        "--tuf-state", metavar="DIR", rich_help_panel=PANEL, help="Metadata seen earlier, to notice a rollback."
    ),
]
GrubKey = Annotated[
    list[Path] | None,
    typer.Option(
        "--grub-key",
        metavar="FILE",
        rich_help_panel=PANEL,
        help="OpenPGP key that signs grub.cfg; needs rocketaudit[openpgp].",
    ),
]
DbCert = Annotated[
    list[Path] | None,
    typer.Option("--db-cert", metavar="FILE", rich_help_panel=PANEL, help="Secure Boot db certificate; repeatable."),
]
Dbx = Annotated[
    Path | None, typer.Option("--dbx", metavar="FILE", rich_help_panel=PANEL, help="Secure Boot revocations (dbx).")
]
SbatLevel = Annotated[
    Path | None,
    typer.Option("--sbat-level", metavar="FILE", rich_help_panel=PANEL, help="SBAT level that revokes older loaders."),
]
Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="FILE", rich_help_panel=PANEL, help="A signed manifest of the release."),
]
Key = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", rich_help_panel=PANEL, help="Public key (PEM) of the manifest's signer."),
]
TufTargets = Annotated[
    Path | None,
    typer.Option(
        "--tuf-targets",
        metavar="DIR",
        rich_help_panel=PANEL,
        help="Boot, root and verity images of the release, where the image itself is no target.",
    ),
]
RootHashSig = Annotated[
    list[Path] | None,
    typer.Option("--root-hash-sig", metavar="FILE", rich_help_panel=PANEL, help="PKCS#7 signature of a root hash."),
]
SigningCert = Annotated[
    list[Path] | None,
    typer.Option("--signing-cert", metavar="FILE", rich_help_panel=PANEL, help="Certificate for --root-hash-sig."),
]
MinVersion = Annotated[
    str | None,
    typer.Option(
        "--min-version", metavar="X.Y.Z", rich_help_panel=PANEL, help="Refuse older releases, however well signed."
    ),
]


@dataclass(frozen=True, slots=True)
class TrustArguments:
    """What the user named; nothing is read yet."""

    tuf_root: Path | None = None
    tuf_metadata: Path | None = None
    tuf_state: Path | None = None
    grub_keys: tuple[Path, ...] = ()
    db_certs: tuple[Path, ...] = ()
    dbx: Path | None = None
    sbat_level: Path | None = None
    manifest: Path | None = None
    keys: tuple[Path, ...] = ()
    tuf_targets: Path | None = None
    root_hash_signatures: tuple[Path, ...] = ()
    signing_certificates: tuple[Path, ...] = ()
    min_version: str | None = None

    @property
    def are_given(self) -> bool:
        return bool(self.tuf_root or self.grub_keys or self.db_certs or self.manifest or self.root_hash_signatures)


def check_trust(given: TrustArguments) -> None:
    """UsageError when options do not fit together."""
    needs = (
        ("--tuf-root", given.tuf_root, "--tuf-metadata", given.tuf_metadata),
        ("--tuf-metadata", given.tuf_metadata, "--tuf-root", given.tuf_root),
        ("--tuf-state", given.tuf_state, "--tuf-root", given.tuf_root),
        ("--dbx", given.dbx, "--db-cert", given.db_certs),
        ("--sbat-level", given.sbat_level, "--db-cert", given.db_certs),
        ("--manifest", given.manifest, "--key", given.keys),
        ("--key", given.keys, "--manifest", given.manifest),
        ("--tuf-targets", given.tuf_targets, "--tuf-root", given.tuf_root),
        ("--root-hash-sig", given.root_hash_signatures, "--signing-cert", given.signing_certificates),
        ("--signing-cert", given.signing_certificates, "--root-hash-sig", given.root_hash_signatures),
    )
    for name, value, needed, other in needs:
        if value and not other:
            raise UsageError(f"{name} needs {needed}")
