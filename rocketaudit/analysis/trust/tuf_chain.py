"""From a TUF root that the user gave down to files whose length and digest it signs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from urllib.parse import quote

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.tuf import MAX_DELEGATIONS, MAX_ROOTS, TrustedSet, load_seen
from rocketaudit.formats.tuf_metadata import Delegation, Role, Snapshot, TargetFile, Timestamp, parse_metadata
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import Anchor, ChainLink, LinkState

CHAIN = "tuf"
_ROOT = re.compile(r"[1-9][0-9]{0,8}\.root\.json")
_DIGEST_PREFIX = re.compile(r"(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\.")


@dataclass(frozen=True, slots=True)
class ObservedFile:
    """A file that was read to its end: its length in bytes and digests in hex by algorithm (sha256 at least)."""

    name: str
    length: int
    digests: Mapping[str, str]
    what: str


@dataclass(frozen=True, slots=True)
class TufChain:
    """The links, and what was verified up to the first broken one; `is_complete` when targets are trusted."""

    links: tuple[ChainLink, ...]
    trusted: TrustedSet | None
    is_complete: bool


def tuf_chain(
    anchor: Anchor,
    metadata: Mapping[str, bytes],
    *,
    as_of: datetime,
    seen: Mapping[str, bytes] | None = None,
) -> TufChain:
    """Verify `metadata` (bytes by file name, as in a repository's metadata folder) from the root in `anchor`.

    `seen` is the metadata of an earlier check (timestamp.json, snapshot.json): what is older than it was rolled
    back. Stops at the first link that does not hold.
    """
    return _Builder(metadata, as_of, seen).run(anchor)


class _StopError(Exception):
    """The chain ends here; the link that says why has been noted."""


class _Builder:
    def __init__(self, metadata: Mapping[str, bytes], as_of: datetime, seen: Mapping[str, bytes] | None) -> None:
        self.metadata, self.as_of, self.seen = metadata, as_of, seen
        self.links: list[ChainLink] = []
        self.trusted: TrustedSet | None = None

    def run(self, anchor: Anchor) -> TufChain:
        try:
            trusted = self._roots(anchor)
            self._note_rollback_check()
            self._timestamp(trusted)
            self._snapshot(trusted)
            self._targets(trusted)
        except _StopError:
            return TufChain(tuple(self.links), self.trusted, is_complete=False)
        return TufChain(tuple(self.links), self.trusted, is_complete=True)

    def _roots(self, anchor: Anchor) -> TrustedSet:
        def start() -> str:
            self.trusted = TrustedSet(anchor.data, self.as_of)
            return f"version {self.trusted.root.version}, sha256 {anchor.digest}"

        self._link("given root is signed by its own keys", anchor.name, start)
        trusted = self.trusted
        assert trusted is not None
        for _ in range(MAX_ROOTS):
            name = f"{trusted.root.version + 1}.root.json"
            raw = self.metadata.get(name)
            if raw is None:
                break
            step = f"root {trusted.root.version} signs root {trusted.root.version + 1}"
            self._link(step, name, lambda raw=raw: trusted.update_root(raw))  # type: ignore[misc]
        else:
            self._stop("roots end", "", f"more than {MAX_ROOTS} root versions")

        def check() -> str:
            trusted.check_root()
            return f"version {trusted.root.version} expires {trusted.root.expires.isoformat()}"

        self._link("newest root has not expired", "", check)
        self._check_seen_roots(trusted)
        return trusted

    def _check_seen_roots(self, trusted: TrustedSet) -> None:
        """Whoever withholds a new root keeps keys in force that it took back."""
        for name, raw in sorted((self.seen or {}).items()):
            if name != "root.json" and not _ROOT.fullmatch(name):
                continue
            step = "newest root is not older than the one seen earlier"
            try:
                version = parse_metadata(raw, "root").body.version
            except (TrustError, FormatError) as error:
                why = f"the earlier one cannot be used: {error.message}"
                self.links.append(ChainLink(CHAIN, step, LinkState.NOT_CHECKABLE, why, name, needed=False))
                continue
            if version > trusted.root.version:
                self._stop(step, name, f"root {version} was seen earlier, the metadata end at {trusted.root.version}")

    def _note_rollback_check(self) -> None:
        if self.seen is None or not {"timestamp.json", "snapshot.json"} & self.seen.keys():
            why = "rollback not checkable: no metadata of an earlier check was given"
            link = ChainLink(CHAIN, "not rolled back", LinkState.NOT_CHECKABLE, why, needed=False)
            self.links.append(link)

    def _timestamp(self, trusted: TrustedSet) -> None:
        raw = self._find("timestamp.json", "timestamp")
        seen = self._seen(trusted, "timestamp")
        earlier = seen if isinstance(seen, Timestamp) else None

        def step() -> str:
            trusted.update_timestamp(raw, earlier)
            return _version(trusted.timestamp) + _compared(earlier)

        self._link("root signs timestamp", "timestamp.json", step)

    def _snapshot(self, trusted: TrustedSet) -> None:
        assert trusted.timestamp is not None
        name = self._name(trusted, "snapshot", trusted.timestamp.snapshot.version)
        raw = self._find(name, "snapshot")
        seen = self._seen(trusted, "snapshot")
        earlier = seen if isinstance(seen, Snapshot) else None

        def step() -> str:
            trusted.update_snapshot(raw, earlier)
            return _version(trusted.snapshot) + _compared(earlier)

        self._link("timestamp names snapshot", name, step)

    def _targets(self, trusted: TrustedSet) -> None:
        assert trusted.snapshot is not None
        pin = trusted.snapshot.meta.get("targets.json")
        name = self._name(trusted, "targets", 1 if pin is None else pin.version)
        raw = self._find(name, "targets")

        def step() -> str:
            trusted.update_targets(raw)
            return _version(trusted.targets["targets"])

        self._link("snapshot names targets", name, step)
        loaded: dict[str, Role] = {}
        pending = list(trusted.targets["targets"].delegations)
        while pending and len(loaded) < MAX_DELEGATIONS:
            delegation = pending.pop(0)
            if loaded.get(delegation.name, delegation.role) != delegation.role:
                name = delegation.name[:80]
                self._stop(f"targets delegate to {name}", "", "two roles delegate to this name with different keys")
            if delegation.name not in loaded and self._delegated(trusted, delegation):
                pending.extend(trusted.targets[delegation.name].delegations)
            loaded[delegation.name] = delegation.role

    def _delegated(self, trusted: TrustedSet, delegation: Delegation) -> bool:
        """One delegated role; when its metadata was not given, targets that it speaks for stay unknown."""
        assert trusted.snapshot is not None
        pin = trusted.snapshot.meta.get(f"{delegation.name}.json")
        name = self._name(trusted, delegation.name, 1 if pin is None else pin.version)
        raw = self.metadata.get(name)
        step = f"targets delegate to {delegation.name[:80]}"
        if raw is None:
            why = "metadata not given"
            self.links.append(ChainLink(CHAIN, step, LinkState.NOT_CHECKABLE, why, name, needed=False))
            return False
        self._link(step, name, lambda: trusted.update_delegated(raw, delegation))
        return True

    def _name(self, trusted: TrustedSet, role: str, version: int) -> str:
        """The file of a role; names are percent-encoded, but some repositories keep them as they are."""
        prefix = f"{version}." if trusted.root.consistent_snapshot else ""
        plain = f"{prefix}{role}.json"
        encoded = f"{prefix}{quote(role, safe='')}.json"
        return plain if encoded not in self.metadata and plain in self.metadata else encoded

    def _seen(self, trusted: TrustedSet, role: str) -> Timestamp | Snapshot | None:
        raw = (self.seen or {}).get(f"{role}.json")
        if raw is None:
            return None
        try:
            return load_seen(trusted.root, raw, role)
        except (TrustError, FormatError) as error:
            link = ChainLink(
                CHAIN,
                f"{role} is not older than the one seen earlier",
                LinkState.NOT_CHECKABLE,
                f"the earlier one cannot be used: {error.message}",
                needed=False,
            )
            self.links.append(link)
            return None

    def _find(self, name: str, role: str) -> bytes:
        raw = self.metadata.get(name)
        if raw is None:
            self.links.append(ChainLink(CHAIN, role, LinkState.MISSING, "no such file in the metadata given", name))
            raise _StopError
        return raw

    def _link(self, name: str, where: str, step: Callable[[], str | None]) -> None:
        try:
            why = step()
        except (TrustError, FormatError) as error:
            self._stop(name, where, error.message)
        else:
            self.links.append(ChainLink(CHAIN, name, LinkState.VERIFIED, why or "", where))

    def _stop(self, name: str, where: str, why: str) -> None:
        self.links.append(ChainLink(CHAIN, name, LinkState.BROKEN, why, where))
        raise _StopError


def _version(body: object) -> str:
    return f"version {getattr(body, 'version', '?')}"


def _compared(earlier: Timestamp | Snapshot | None) -> str:
    return "" if earlier is None else f", {earlier.version} was seen earlier"


def file_link(chain: TufChain, file: ObservedFile) -> ChainLink:
    """Whether the trusted targets sign this file: under its name, or under any name with its very digest."""
    name = f"targets sign {file.what}"
    if chain.trusted is None or not chain.is_complete:
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, "no trusted targets", file.name)
    for candidate in _candidates(chain.trusted, file):
        try:
            found = chain.trusted.find_target(candidate)
        except TrustError as error:
            return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, error.message, file.name)
        if found is not None:
            return _compare(name, file, candidate, *found)
    why = "no target has this name or this digest"
    return ChainLink(CHAIN, name, LinkState.MISSING, why, file.name, observed=file.digests.get("sha256", ""))


def _candidates(trusted: TrustedSet, file: ObservedFile) -> Iterator[str]:
    """Names under which the file may be signed: its own, then those of equal content, as of a file that was renamed.

    A file that has the name of one target and the content of another is not what its name says.
    """
    plain = file.name.rpartition("/")[2]
    prefix = _DIGEST_PREFIX.match(plain)
    yield plain
    if prefix is not None:
        yield plain[prefix.end() :]
    signed = sorted({name for body in trusted.targets.values() for name in body.targets})
    yield from (
        name
        for name in signed
        if any(_same(file, body.targets[name]) for body in trusted.targets.values() if name in body.targets)
    )


def _same(file: ObservedFile, target: TargetFile) -> bool:
    """Whether length and every signed digest that was computed agree, and at least one was."""
    known = [(algorithm, digest) for algorithm, digest in target.hashes if algorithm in file.digests]
    return bool(known) and target.length == file.length and all(file.digests[name] == digest for name, digest in known)


def _compare(name: str, file: ObservedFile, signed_name: str, role: str, target: TargetFile) -> ChainLink:
    expected = _describe(target.length, dict(target.hashes), file.digests)
    observed = _describe(file.length, file.digests, dict(target.hashes))
    if not any(algorithm in file.digests for algorithm, _ in target.hashes):
        why = "none of the signed digests was computed"
        return ChainLink(CHAIN, name, LinkState.NOT_CHECKABLE, why, signed_name, expected, observed)
    if _same(file, target):
        why = f"{signed_name[:120]} in {role[:80]}"
        return ChainLink(CHAIN, name, LinkState.VERIFIED, why, file.name, expected, observed)
    why = f"{signed_name[:120]} in {role[:80]} is signed with other content"
    return ChainLink(CHAIN, name, LinkState.BROKEN, why, file.name, expected, observed)


def _describe(length: int, digests: Mapping[str, str], common: Mapping[str, str]) -> str:
    parts = [f"{name}:{digests[name]}" for name in sorted(digests) if name in common]
    return ", ".join([f"{length} bytes", *parts])
