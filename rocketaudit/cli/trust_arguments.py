"""Reads the trust anchors that the options name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rocketaudit.analysis.trust.judge import TrustInputs
from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.trust_options import TrustArguments, check_trust
from rocketaudit.cli.tuf_targets import read_parts
from rocketaudit.errors import UsageError
from rocketaudit.model.trust import Anchor, AnchorKind

MAX_ANCHOR = 4 << 20
MAX_METADATA = 64 << 20
MAX_METADATA_FILES = 4096
MAX_MANIFESTS = 64
_MANIFEST = re.compile(r"(?:[0-9a-f]{64,128}\.)?manifest\.json")


def read_trust(given: TrustArguments, as_of: datetime | None, min_version: str | None = None) -> TrustInputs | None:
    """The anchors as bytes; UsageError when options do not fit together, SourceError when a file cannot be read."""
    check_trust(given)
    if not given.are_given:
        return None
    return TrustInputs(
        as_of=as_of or datetime.now(UTC),
        tuf_root=_maybe(given.tuf_root, lambda path: _anchor(AnchorKind.TUF_ROOT, path)),
        tuf_metadata={} if given.tuf_metadata is None else _metadata(given.tuf_metadata),
        tuf_seen=None if given.tuf_state is None else _metadata(given.tuf_state),
        grub_keys=tuple(_anchor(AnchorKind.OPENPGP_KEY, path) for path in given.grub_keys),
        db=tuple(_anchor(AnchorKind.DB_CERTIFICATE, path) for path in given.db_certs),
        dbx=_maybe(given.dbx, lambda path: read_input(path, MAX_ANCHOR)),
        sbat_level=_maybe(given.sbat_level, lambda path: read_input(path, MAX_ANCHOR)),
        manifest=_maybe(given.manifest, lambda path: read_input(path, MAX_ANCHOR)),
        manifest_keys=tuple(_anchor(AnchorKind.MANIFEST_KEY, path) for path in given.keys),
        min_version=given.min_version or min_version,
        root_hash_signatures=tuple(read_input(path, MAX_ANCHOR) for path in given.root_hash_signatures),
        signing_certificates=tuple(
            _anchor(AnchorKind.SIGNING_CERTIFICATE, path) for path in given.signing_certificates
        ),
        parts=_maybe(given.tuf_targets, read_parts),
        update_manifests=_manifests(given),
    )


def _manifests(given: TrustArguments) -> dict[str, bytes]:
    """Files that may be the target manifest.json, with or without its digest in front of the name."""
    found: dict[str, bytes] = {}
    for folder in (given.tuf_metadata, given.tuf_targets):
        if folder is not None and folder.is_dir():
            for path in sorted(folder.glob("*manifest.json"))[:MAX_MANIFESTS]:
                if path.is_file() and _MANIFEST.fullmatch(path.name):
                    found[path.name] = read_input(path, MAX_METADATA)
    return found


T = TypeVar("T")


def _maybe(path: Path | None, read: Callable[[Path], T]) -> T | None:
    return None if path is None else read(path)


def _anchor(kind: AnchorKind, path: Path) -> Anchor:
    data = read_input(path, MAX_ANCHOR)
    return Anchor(kind, path.name, f"sha256:{hashlib.sha256(data).hexdigest()}", data)


def _metadata(folder: Path) -> dict[str, bytes]:
    """The JSON files of a folder by name, at most a bounded number and size."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file())
    if len(paths) > MAX_METADATA_FILES:
        raise UsageError(f"{folder} holds more than {MAX_METADATA_FILES} metadata files")
    return {path.name: read_input(path, MAX_METADATA) for path in paths}
