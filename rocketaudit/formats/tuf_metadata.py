"""The Update Framework's metadata as structs (specification 1.0). Nothing here is verified yet: see tuf.py."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from rocketaudit.errors import FormatError, TrustError, UnsupportedError
from rocketaudit.formats.strict_json import canonical, loads, member, of_kind, strings
from rocketaudit.formats.tuf_key import TufKey, parse_key
from rocketaudit.model.records import dataclass

MAX_METADATA = 32 << 20
MAX_KEYS = 256
MAX_SIGNATURES = 256
_DIGESTS = ("sha256", "sha384", "sha512")
# the specification allows whole seconds only; Bottlerocket's tools write fractions and offsets
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class Role:
    """Who may sign: `threshold` different keys out of `keys` (by id; ids without a usable key are left out)."""

    keys: Mapping[str, TufKey]
    threshold: int


@dataclass(frozen=True, slots=True)
class Pin:
    """What one metadata file says about another file; None where it says nothing."""

    version: int
    length: int | None
    hashes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TargetFile:
    """Length in bytes and hex digests of a target; at least one digest that we can compute."""

    length: int
    hashes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Root:
    version: int
    expires: datetime
    consistent_snapshot: bool
    roles: Mapping[str, Role]
    key_ids: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Timestamp:
    version: int
    expires: datetime
    snapshot: Pin


@dataclass(frozen=True, slots=True)
class Snapshot:
    version: int
    expires: datetime
    meta: Mapping[str, Pin]


@dataclass(frozen=True, slots=True)
class Delegation:
    """A role that may speak for target names that match one of its patterns (or digest prefixes)."""

    name: str
    role: Role
    is_terminating: bool
    paths: tuple[str, ...]
    path_hash_prefixes: tuple[str, ...]

    def covers(self, target: str) -> bool:
        if self.path_hash_prefixes:
            digest = hashlib.sha256(target.encode()).hexdigest()
            return any(digest.startswith(prefix) for prefix in self.path_hash_prefixes)
        return any(_matches(target, pattern) for pattern in self.paths)


@dataclass(frozen=True, slots=True)
class Targets:
    version: int
    expires: datetime
    targets: Mapping[str, TargetFile]
    delegations: tuple[Delegation, ...]


Metadata = Root | Timestamp | Snapshot | Targets


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed metadata file: `payload` is what `signatures` (key id, bytes) cover."""

    role: str
    body: Metadata
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def signers(self, role: Role) -> int:
        """How many different keys of `role` signed: one key under two ids, or signing twice, counts once."""
        good: set[bytes] = set()
        for key_id, signature in self.signatures:
            key = role.keys.get(key_id)
            if key is not None and key.material not in good and key.verifies(signature, self.payload):
                good.add(key.material)
        return len(good)


def parse_metadata(raw: bytes, expected: str) -> Envelope:
    """Parse one metadata file whose type must be `expected` (root, timestamp, snapshot, targets)."""
    what = f"{expected} metadata"
    document = of_kind(loads(raw, what=what, max_bytes=MAX_METADATA), dict, what)
    signed = member(document, "signed", dict, what)
    if (found := member(signed, "_type", str, what)) != expected:
        raise FormatError(f"{what} has type {found[:40]!r}")
    spec = member(signed, "spec_version", str, what)
    if not re.fullmatch(r"1\.\d+(\.\d+)?", spec, re.ASCII):
        raise UnsupportedError(f"{what} is written for specification {spec[:20]!r}, 1.x is read")
    return Envelope(expected, _PARSERS[expected](signed, what), canonical(signed), _signatures(document, what))


def _signatures(document: dict[str, object], what: str) -> tuple[tuple[str, bytes], ...]:
    entries = member(document, "signatures", list, what)
    if len(entries) > MAX_SIGNATURES:
        raise FormatError(f"{what} has {len(entries)} signatures, at most {MAX_SIGNATURES} are read")
    found: list[tuple[str, bytes]] = []
    for entry in entries:
        text = member(entry, "sig", str, f"a signature of {what}")
        if text and not _HEX.fullmatch(text):
            raise FormatError(f"a signature of {what} is not hexadecimal")
        found.append((member(entry, "keyid", str, f"a signature of {what}"), bytes.fromhex(text)))
    if len({key_id for key_id, _ in found}) != len(found):
        raise FormatError(f"{what} carries two signatures under one key id")
    return tuple(found)


def _version(signed: dict[str, object], what: str) -> int:
    version = member(signed, "version", int, what)
    if version < 1:
        raise FormatError(f"{what} has version {version}")
    return version


def parse_time(text: str, what: str) -> datetime:
    """A time of TUF metadata in UTC, fractions of seconds cut off; FormatError for another spelling."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise FormatError(f"{what} has time {text[:40]!r}")
    try:
        return datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FormatError(f"{what} has time {text[:40]!r}") from None


def _expires(signed: dict[str, object], what: str) -> datetime:
    return parse_time(member(signed, "expires", str, what), what)


def _keys(record: dict[str, object], what: str) -> dict[str, TufKey]:
    """Keys by id; one of an unknown kind is left out, which can only lose a signature."""
    if len(record) > MAX_KEYS:
        raise FormatError(f"{what} has {len(record)} keys, at most {MAX_KEYS} are read")
    found: dict[str, TufKey] = {}
    for key_id, entry in record.items():
        try:
            found[key_id] = parse_key(entry, f"key {key_id[:16]} of {what}")
        except UnsupportedError:
            continue
    return found


def _role(record: object, keys: dict[str, TufKey], what: str) -> tuple[Role, tuple[str, ...]]:
    ids = strings(member(record, "keyids", list, what), what)
    threshold = member(record, "threshold", int, what)
    if threshold < 1:
        raise FormatError(f"{what} has threshold {threshold}")
    if len(set(ids)) != len(ids):
        raise FormatError(f"{what} names a key id twice")
    return Role({key_id: keys[key_id] for key_id in ids if key_id in keys}, threshold), ids


def _root(signed: dict[str, object], what: str) -> Root:
    keys = _keys(member(signed, "keys", dict, what), what)
    record = member(signed, "roles", dict, what)
    roles: dict[str, Role] = {}
    ids: dict[str, tuple[str, ...]] = {}
    for name in ("root", "timestamp", "snapshot", "targets"):
        roles[name], ids[name] = _role(member(record, name, dict, what), keys, f"role {name} of {what}")
    consistent = of_kind(signed.get("consistent_snapshot", False), bool, f"consistent_snapshot of {what}")
    return Root(_version(signed, what), _expires(signed, what), consistent, roles, ids)


def _hashes(record: object, what: str) -> tuple[tuple[str, str], ...]:
    """Digests that we can compute; FormatError when there are digests but none of those."""
    given = of_kind(record, dict, f"hashes of {what}")
    usable: list[tuple[str, str]] = []
    for name, value in given.items():
        digest = of_kind(value, str, f"{name} of {what}").lower()
        if name in _DIGESTS:
            if not _HEX.fullmatch(digest) or len(digest) != hashlib.new(name).digest_size * 2:
                raise FormatError(f"{name} of {what} is no digest")
            usable.append((name, digest))
    if not usable:
        raise FormatError(f"{what} has no digest that can be computed")
    return tuple(usable)


def _length(value: object, what: str) -> int:
    length = of_kind(value, int, f"length of {what}")
    if length < 0:
        raise FormatError(f"length of {what} is {length}")
    return length


def _pin(record: object, what: str) -> Pin:
    entry = of_kind(record, dict, what)
    length = _length(entry["length"], what) if "length" in entry else None
    hashes = _hashes(entry["hashes"], what) if entry.get("hashes") is not None else ()
    return Pin(_version(entry, what), length, hashes)


def _timestamp(signed: dict[str, object], what: str) -> Timestamp:
    meta = member(signed, "meta", dict, what)
    pin = _pin(member(meta, "snapshot.json", dict, what), f"snapshot.json in {what}")
    return Timestamp(_version(signed, what), _expires(signed, what), pin)


def _snapshot(signed: dict[str, object], what: str) -> Snapshot:
    meta = member(signed, "meta", dict, what)
    pins = {name: _pin(entry, f"{name[:80]} in {what}") for name, entry in meta.items()}
    return Snapshot(_version(signed, what), _expires(signed, what), pins)


def _targets(signed: dict[str, object], what: str) -> Targets:
    targets: dict[str, TargetFile] = {}
    for name, entry in member(signed, "targets", dict, what).items():
        where = f"target {name[:80]}"
        length = _length(member(entry, "length", int, where), where)
        targets[name] = TargetFile(length, _hashes(member(entry, "hashes", dict, where), where))
    record = signed.get("delegations")
    delegations = () if record is None else _delegations(of_kind(record, dict, what), what)
    return Targets(_version(signed, what), _expires(signed, what), targets, delegations)


def _delegations(record: dict[str, object], what: str) -> tuple[Delegation, ...]:
    if "succinct_roles" in record:
        raise UnsupportedError(f"{what} delegates to hash bins (succinct_roles)")
    keys = _keys(member(record, "keys", dict, what), what)
    found: list[Delegation] = []
    for entry in member(record, "roles", list, what):
        name = member(entry, "name", str, f"a delegation of {what}")
        where = f"delegation {name[:80]!r} of {what}"
        if not name or name in ("root", "timestamp", "snapshot", "targets"):
            raise FormatError(f"{where}: the name is reserved")
        role, _ = _role(entry, keys, where)
        paths = strings(entry["paths"], where) if "paths" in entry else ()
        prefixes = strings(entry["path_hash_prefixes"], where) if "path_hash_prefixes" in entry else ()
        if bool(paths) and bool(prefixes):
            raise FormatError(f"{where} has both paths and path_hash_prefixes")
        found.append(Delegation(name, role, member(entry, "terminating", bool, where), paths, prefixes))
    return tuple(found)


_PARSERS: dict[str, Callable[[dict[str, object], str], Metadata]] = {
    "root": _root,
    "timestamp": _timestamp,
    "snapshot": _snapshot,
    "targets": _targets,
}


def _matches(target: str, pattern: str) -> bool:
    """Shell patterns where a star does not cross a slash (specification, 4.5)."""
    parts, patterns = target.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def check_content(raw: bytes, length: int | None, hashes: tuple[tuple[str, str], ...], what: str) -> None:
    """TrustError unless `raw` has the signed length and every signed digest."""
    if length is not None and len(raw) != length:
        raise TrustError(f"{what} has {len(raw)} bytes, the signed length is {length}")
    for name, expected in hashes:
        observed = hashlib.new(name, raw).hexdigest()
        if observed != expected:
            raise TrustError(f"{what} has {name} {observed}, signed is {expected}")
