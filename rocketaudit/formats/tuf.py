"""Verifies TUF metadata step by step, without reading anything: bytes go in, in the order of the specification.

root -> newer roots -> timestamp -> snapshot -> targets -> delegated targets. A step that fails raises and changes
nothing. Time is an argument; the given root is the only thing trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from rocketaudit.errors import TrustError
from rocketaudit.formats.tuf_metadata import (
    Delegation,
    Envelope,
    Metadata,
    Pin,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    check_content,
    parse_metadata,
)

T = TypeVar("T", Root, Timestamp, Snapshot, Targets)

MAX_ROOTS = 256
MAX_DELEGATIONS = 256


class TrustedSet:
    """What has been verified so far, as of one moment (`as_of`, with a time zone)."""

    def __init__(self, root: bytes, as_of: datetime) -> None:
        """Trust `root`, which the user vouches for; it must still be signed by its own threshold."""
        if as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        self.as_of = as_of
        envelope = parse_metadata(root, "root")
        self.root = _body(envelope, Root)
        _check_signed(envelope, self.root.roles["root"], "root by its own keys")
        self.roots = {self.root.version: envelope.payload}  # what was signed, by version
        self.timestamp: Timestamp | None = None
        self.snapshot: Snapshot | None = None
        self.targets: dict[str, Targets] = {}

    def update_root(self, raw: bytes) -> None:
        """Go on to the next root: version one higher, signed by the thresholds of both the old and the new one."""
        if self.timestamp is not None:
            raise ValueError("roots come before the timestamp")
        envelope = parse_metadata(raw, "root")
        body = _body(envelope, Root)
        if body.version != self.root.version + 1:
            raise TrustError(f"root has version {body.version}, {self.root.version + 1} expected")
        _check_signed(envelope, self.root.roles["root"], f"root {body.version} by root {self.root.version}")
        _check_signed(envelope, body.roles["root"], f"root {body.version} by its own keys")
        self.root = body
        self.roots[body.version] = envelope.payload

    def check_root(self) -> None:
        """TrustError when the newest root has expired."""
        self._check_fresh(self.root, "root")

    def update_timestamp(self, raw: bytes, seen: Timestamp | None = None) -> None:
        """Take the timestamp; `seen` is one verified earlier, which must not be newer (rollback)."""
        self.check_root()
        envelope = parse_metadata(raw, "timestamp")
        body = _body(envelope, Timestamp)
        _check_signed(envelope, self.root.roles["timestamp"], "timestamp")
        if seen is not None:
            _check_not_older("timestamp", body.version, seen.version)
            _check_not_older("snapshot in timestamp", body.snapshot.version, seen.snapshot.version)
        self._check_fresh(body, "timestamp")
        self.timestamp = body

    def update_snapshot(self, raw: bytes, seen: Snapshot | None = None) -> None:
        """Take the snapshot that the timestamp names."""
        if self.timestamp is None:
            raise ValueError("the timestamp comes before the snapshot")
        pin = self.timestamp.snapshot
        check_content(raw, pin.length, pin.hashes, "snapshot")
        envelope = parse_metadata(raw, "snapshot")
        body = _body(envelope, Snapshot)
        _check_signed(envelope, self.root.roles["snapshot"], "snapshot")
        _check_version("snapshot", body.version, pin)
        for name, earlier in (seen.meta if seen is not None else {}).items():
            if name not in body.meta:
                raise TrustError(f"snapshot no longer lists {name[:80]}, which an earlier one did")
            _check_not_older(f"{name[:80]} in snapshot", body.meta[name].version, earlier.version)
        self._check_fresh(body, "snapshot")
        self.snapshot = body

    def update_targets(self, raw: bytes) -> None:
        """Take the top-level targets that the snapshot names."""
        self._update_targets(raw, "targets", self.root.roles["targets"])

    def update_delegated(self, raw: bytes, delegation: Delegation) -> None:
        """Take the targets of a role that an already trusted one delegates to."""
        if not any(delegation in parent.delegations for parent in self.targets.values()):
            raise ValueError(f"nobody trusted delegates to {delegation.name!r}")
        self._update_targets(raw, delegation.name, delegation.role)

    def _update_targets(self, raw: bytes, name: str, role: Role) -> None:
        if self.snapshot is None:
            raise ValueError("the snapshot comes before targets")
        pin = self.snapshot.meta.get(f"{name}.json")
        if pin is None:
            raise TrustError(f"snapshot does not list {name[:80]}.json")
        check_content(raw, pin.length, pin.hashes, name[:80])
        envelope = parse_metadata(raw, "targets")
        body = _body(envelope, Targets)
        _check_signed(envelope, role, name[:80])
        _check_version(name[:80], body.version, pin)
        self._check_fresh(body, name[:80])
        self.targets[name] = body

    def find_target(self, target: str) -> tuple[str, TargetFile] | None:
        """(role, file) of the first trusted role that may speak for `target` and lists it, in the order of trust.

        Raises TrustError when a role that would have to be asked first is not loaded: it might say otherwise.
        """
        for name in self._speakers(target):
            body = self.targets.get(name)
            if body is None:
                raise TrustError(f"role {name[:80]!r} speaks for {target[:80]!r} but its metadata was not given")
            if target in body.targets:
                return name, body.targets[target]
        return None

    def _speakers(self, target: str) -> Iterator[str]:
        """Names of roles, depth first, ending at a terminating delegation that covers the target."""
        pending = ["targets"]
        visited: set[str] = set()
        while pending and len(visited) < MAX_DELEGATIONS:
            name = pending.pop()
            if name in visited:
                continue
            visited.add(name)
            yield name
            further: list[str] = []
            for delegation in self.targets[name].delegations if name in self.targets else ():
                if delegation.covers(target):
                    further.append(delegation.name)
                    if delegation.is_terminating:
                        pending.clear()
                        break
            pending.extend(reversed(further))

    def _check_fresh(self, body: Metadata, what: str) -> None:
        if body.expires <= self.as_of:
            raise TrustError(f"{what} expired at {body.expires.isoformat()}, judged as of {self.as_of.isoformat()}")


def load_seen(root: Root, raw: bytes, role: str) -> Timestamp | Snapshot:
    """Metadata seen earlier, for a rollback check: signed by the present keys, expired or not; TrustError otherwise."""
    envelope = parse_metadata(raw, role)
    _check_signed(envelope, root.roles[role], f"earlier {role}")
    if not isinstance(envelope.body, Timestamp | Snapshot):
        raise ValueError(f"no rollback check with {role}")
    return envelope.body


def _body(envelope: Envelope, kind: type[T]) -> T:
    assert isinstance(envelope.body, kind)
    return envelope.body


def _check_signed(envelope: Envelope, role: Role, what: str) -> None:
    signers = envelope.signers(role)
    if signers < role.threshold:
        raise TrustError(f"{what}: {signers} valid signatures of different keys, {role.threshold} needed")


def _check_version(what: str, version: int, pin: Pin) -> None:
    if version != pin.version:
        raise TrustError(f"{what} has version {version}, signed is {pin.version}")


def _check_not_older(what: str, version: int, seen: int) -> None:
    if version < seen:
        raise TrustError(f"{what} has version {version}, version {seen} was seen earlier: rolled back")
