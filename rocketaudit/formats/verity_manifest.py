"""Our signed manifest of a release: an in-toto Statement (v1) whose predicate holds the verity parameters of each bank.

docs/trust.md describes the predicate. Unknown fields are refused: a verifier that skips a field that a signer meant is
no verifier.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from rocketaudit.errors import FormatError
from rocketaudit.formats.strict_json import loads, member, of_kind, strings
from rocketaudit.formats.verity import layout_of
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import VerityParameters

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:rocketaudit:verity-manifest:1"
MAX_BANKS = 16
MAX_SUBJECTS = 64
_RELEASE = ("variant", "version", "build", "arch")
_BANK = (
    "scope",
    "root_hash",
    "salt",
    "algorithm",
    "hash_type",
    "data_block_size",
    "hash_block_size",
    "data_blocks",
    "hash_start_block",
    "options",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subject:
    """A file that the statement is about."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class VerityManifest:
    """What a release pipeline vouches for. `banks` are verity parameters by scope ("bank-a", "root")."""

    variant: str
    version: str
    build: str
    arch: str
    banks: Mapping[str, VerityParameters]
    subjects: tuple[Subject, ...]
    not_after: datetime | None = None

    @property
    def release(self) -> dict[str, str]:
        return {name: str(getattr(self, name)) for name in _RELEASE}


def dump_manifest(manifest: VerityManifest) -> bytes:
    """The statement as canonical JSON: sorted keys, no blanks."""
    predicate: dict[str, object] = {
        **manifest.release,
        "banks": [
            {"scope": scope, **{name: _plain(getattr(bank, name)) for name in _BANK[1:]}}
            for scope, bank in sorted(manifest.banks.items())
        ],
    }
    if manifest.not_after is not None:
        predicate["not_after"] = manifest.not_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in manifest.subjects],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def parse_manifest(payload: bytes) -> VerityManifest:
    """Parse a statement with our predicate, or say which field is wrong."""
    what = "manifest"
    statement = of_kind(loads(payload, what=what), dict, what)
    _only(statement, ("_type", "subject", "predicateType", "predicate"), what)
    if (kind := member(statement, "_type", str, what)) != STATEMENT_TYPE:
        raise FormatError(f"{what} is of type {kind[:80]!r}, {STATEMENT_TYPE} expected")
    if (kind := member(statement, "predicateType", str, what)) != PREDICATE_TYPE:
        raise FormatError(f"{what} has a predicate of type {kind[:80]!r}, {PREDICATE_TYPE} expected")
    predicate = member(statement, "predicate", dict, what)
    _only(predicate, (*_RELEASE, "banks", "not_after"), f"predicate of {what}")
    entries = member(predicate, "banks", list, what)
    if not 1 <= len(entries) <= MAX_BANKS:
        raise FormatError(f"{what} has {len(entries)} banks, 1 to {MAX_BANKS} expected")
    banks: dict[str, VerityParameters] = {}
    for entry in entries:
        scope, parameters = _bank(entry)
        if scope in banks:
            raise FormatError(f"{what} states bank {scope[:40]!r} twice")
        banks[scope] = parameters
    return VerityManifest(
        **{name: member(predicate, name, str, what) for name in _RELEASE},
        banks=banks,
        subjects=_subjects(member(statement, "subject", list, what)),
        not_after=_moment(predicate["not_after"]) if "not_after" in predicate else None,
    )


def _only(record: dict[str, object], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(record.keys() - set(known))
    if unknown:
        raise FormatError(f"{what} has the unknown field {unknown[0][:40]!r}")


def _bank(entry: object) -> tuple[str, VerityParameters]:
    what = "a bank of the manifest"
    record = of_kind(entry, dict, what)
    _only(record, _BANK, what)
    parameters = VerityParameters(
        hash_type=member(record, "hash_type", int, what),
        algorithm=member(record, "algorithm", str, what),
        data_block_size=member(record, "data_block_size", int, what),
        hash_block_size=member(record, "hash_block_size", int, what),
        data_blocks=member(record, "data_blocks", int, what),
        salt=member(record, "salt", str, what),
        root_hash=member(record, "root_hash", str, what),
        hash_start_block=member(record, "hash_start_block", int, what),
        options=strings(member(record, "options", list, what), f"options of {what}"),
    )
    layout_of(parameters)
    return member(record, "scope", str, what), parameters


def _subjects(entries: list[object]) -> tuple[Subject, ...]:
    if not 1 <= len(entries) <= MAX_SUBJECTS:
        raise FormatError(f"manifest has {len(entries)} subjects, 1 to {MAX_SUBJECTS} expected")
    found: list[Subject] = []
    for entry in entries:
        _only(of_kind(entry, dict, "a subject of the manifest"), ("name", "digest"), "a subject of the manifest")
        digests = member(entry, "digest", dict, "a subject of the manifest")
        _only(digests, ("sha256",), "digests of a subject")
        digest = member(digests, "sha256", str, "digests of a subject").lower()
        if not _SHA256.fullmatch(digest):
            raise FormatError("sha256 of a subject is no digest")
        found.append(Subject(member(entry, "name", str, "a subject of the manifest"), digest))
    if len({one.name for one in found}) != len(found):
        raise FormatError("manifest names a subject twice")
    return tuple(found)


def _moment(value: object) -> datetime:
    text = of_kind(value, str, "not_after of the manifest")
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError(text)
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise FormatError(f"not_after of the manifest is {text[:40]!r}, as in 2027-01-31T00:00:00Z") from None
