"""What changed between two bills of materials: packages, files, crates and modules.

Either side may be a document of another program, so a thing is known by its package URL where it has one, and by its
name otherwise. What one side does not list at all, or could not read, is no change and no agreement: it is "unknown".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cmp_to_key

from rocketaudit.analysis.sbom.vendor import identity, known_name
from rocketaudit.formats.rpm_version import compare_evr, compare_versions, parse_evr
from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass

GROUPS = ("target", "system", "package", "crate", "go module", "language package", "file", "other")
_LANGUAGES = frozenset({"pypi", "npm", "maven", "gem", "nuget", "composer", "hex", "conan", "swift", "cran", "pub"})
_SYSTEMS = frozenset({"rpm", "deb", "apk", "bottlerocket", "alpm"})
_FILES = ("file", "firmware")
_UNSTATED = frozenset({"(devel)", "UNKNOWN", "unknown"})  # what Go and Syft write where there is no version
NO_VERSION = "no version"
MAX_ORDERED = 1_000  # versions of one name that are put into their order; more is no bill of anything real


@dataclass(frozen=True, slots=True)
class SbomChange:
    """`change` is added, removed, changed or unknown; `before` and `after` are versions or digests, "" for none.

    `order` is "newer" or "older" where one version became another one. An unknown one says why in `after`.
    """

    group: str
    change: str
    name: str
    before: str = ""
    after: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class SbomSide:
    """One side: its components, whether it may leave whole kinds out (a document), and what it could not read."""

    components: tuple[Component, ...]
    is_document: bool = False
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """All components of one group and identity: the name that is shown, versions, and digests."""

    name: str
    versions: set[str]
    digests: set[str]


_Index = Mapping[tuple[str, str], _Seen]


def compare(before: SbomSide, after: SbomSide) -> tuple[SbomChange, ...]:
    """All changes by group and name; a name in several versions is compared as the set of them."""
    is_foreign = before.is_document or after.is_document
    old, new = (_index(side.components, is_foreign=is_foreign) for side in (before, after))
    missing = dict(_not_listed(before, after, old, new))
    found = [SbomChange(group, "unknown", "*", after=why) for group, why in missing.items()]
    for label, side in (("before", before), ("after", after)):
        found += [SbomChange("target", "unknown", label, after=f"could not be read: {line}") for line in side.unread]
    for key in old.keys() | new.keys():
        if key[0] not in missing:
            found += _changes(key[0], old.get(key), new.get(key))
    return tuple(sorted(found, key=lambda c: (GROUPS.index(c.group), c.name, c.change, c.before, c.after)))


def _not_listed(before: SbomSide, after: SbomSide, old: _Index, new: _Index) -> Iterator[tuple[str, str]]:
    """Groups that a document does not list at all, with the reason why they are not compared."""
    mine, theirs = ({group for group, _ in index} for index in (old, new))
    for group in mine ^ theirs:
        lacking, label = (before, "before") if group in theirs else (after, "after")
        if lacking.is_document:
            yield group, f"the document of the side {label!r} lists none of this kind"


def _changes(group: str, was: _Seen | None, now: _Seen | None) -> Iterator[SbomChange]:
    if was is None or now is None:
        there = was or now
        if there is not None:
            states = _joined(group, there.digests if group == "file" else there.versions)
            before, after = (states, "") if now is None else ("", states)
            yield SbomChange(group, "removed" if now is None else "added", there.name, before, after)
    elif group == "file":
        if not was.digests or not now.digests:
            yield SbomChange(group, "unknown", now.name, after="one side states no SHA-256")
        elif was.digests != now.digests:
            yield _changed(group, was.digests, now.digests, now.name)
    elif was.versions != now.versions:
        yield _changed(group, was.versions, now.versions, now.name)
    elif was.digests and now.digests and was.digests != now.digests:  # built again under the same version
        yield _changed(group, was.digests, now.digests, now.name)


def _changed(group: str, was: set[str], now: set[str], name: str) -> SbomChange:
    gone, come = was - now, now - was
    order = ""
    if group != "file" and len(gone) == len(come) == 1:
        (one,), (other,) = gone, come
        way = _order(group, one, other) if one and other else 0
        order = {1: "older", -1: "newer", 0: ""}[way]
    before, after = (_joined(group, {state or NO_VERSION for state in states}) for states in (gone, come))
    return SbomChange(group, "changed", name, before, after, order)


def _order(group: str, one: str, other: str) -> int:
    """-1, 0 or 1; outside of RPM a "-" begins a pre-release, which comes before the version (semver, 11)."""
    if group == "package":
        return compare_evr(parse_evr(one), parse_evr(other))
    return compare_versions(one.replace("-", "~", 1), other.replace("-", "~", 1))


def _joined(group: str, states: set[str]) -> str:
    def order(one: str, other: str) -> int:
        return _order(group, one, other)

    plain = sorted(states)
    return ", ".join(plain if len(plain) > MAX_ORDERED else sorted(plain, key=cmp_to_key(order)))


def _index(components: Iterable[Component], *, is_foreign: bool) -> dict[tuple[str, str], _Seen]:
    """By group and identity; an RPM's prefix belongs to its name unless another program may have written it."""
    found: dict[tuple[str, str], _Seen] = {}
    by_digest: dict[str, set[str]] = defaultdict(set)
    for component in components:
        group = group_of(component)
        known = _identity(group, component) if is_foreign or group != "package" else component.name
        seen = found.setdefault((group, known), _Seen(component.name, set(), set()))
        seen.versions.add(_version(component))
        digest = dict(component.hashes).get("SHA-256", "").lower()
        if digest and group in ("file", "package"):
            seen.digests.add(digest)
            by_digest[group].add(digest)
    return found


def group_of(component: Component) -> str:
    """Which of `GROUPS` a component belongs to, by its kind and its package URL."""
    if component.kind == "operating-system":
        return "system"
    if component.kind in _FILES:
        return "file"
    by_ref = component.ref.partition(":")[0]  # ours: local code has no package URL
    kind = identity(component.name, component.version, component.purl)[0] or by_ref
    if kind in ("cargo", "crate"):
        return "crate"
    if kind in ("golang", "go"):
        return "go module"
    if kind in _LANGUAGES:
        return "language package"
    return "package" if kind in _SYSTEMS or by_ref in ("package", "source") else "other"


def _identity(group: str, component: Component) -> str:
    """The name that both sides write alike."""
    kind, name, _ = identity(component.name, component.version, component.purl)
    if group in ("crate", "go module"):
        return known_name("cargo" if group == "crate" else "golang", name)
    if group == "language package" and kind:
        return f"{kind}:{known_name(kind, name)}"
    if group == "file":
        return f"/{component.name.removeprefix('.').removeprefix('/')}"
    return name if group == "package" else component.name


def _version(component: Component) -> str:
    """The version, with the epoch where the package URL has one that is not 0; of Go modules the package URL's."""
    if component.purl.startswith("pkg:golang/"):  # for Go's library: Syft go1.23.4, Trivy v1.23.4, both stdlib@1.23.4
        stated = identity(component.name, component.version, component.purl)[2]
        return "" if stated in _UNSTATED else f"v{stated.removeprefix('v')}" if stated else ""
    _, _, epoch = component.purl.partition("?")[2].partition("epoch=")
    number = epoch.partition("&")[0]
    bare = component.version
    if number in ("", "0") or ":" in bare or not component.purl.startswith(("pkg:rpm/", "pkg:bottlerocket/")):
        return bare.removeprefix("0:")
    return f"{number}:{bare}"
