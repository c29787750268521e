"""Advisories held against installed packages: by package version in RPM's order, never by the release's version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rocketaudit.analysis.drift.packages import version_text
from rocketaudit.formats.advisory_toml import FOREIGN
from rocketaudit.formats.rpm_version import compare_versions
from rocketaudit.model.advisory import (
    Advisory,
    AdvisoryChange,
    AdvisoryMatch,
    AdvisoryMove,
    AdvisoryStatus,
    FixedPackage,
)
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.package import Package
from rocketaudit.model.verdict import Severity

PREFIX = "bottlerocket-"  # the name of the binary package that a kit's source package gives
NOT_THEIR_OWN = "the inventory states one version for all packages, so it is not the packages' own"
_NO_VERSION = "the inventory states no version"
_FOREIGN_RELEASE = "the version is the fixed one, but the fixed release is another distribution's and has no order here"


def installed(evidence: Evidence) -> tuple[Package, ...]:
    """The packages of the judged root."""
    return tuple(p for p in evidence.packages if p.scope == evidence.judged and not p.synthetic)


def match_advisories(packages: Sequence[Package], advisories: Iterable[Advisory]) -> tuple[AdvisoryMatch, ...]:
    """Every advisory that names an installed package, the gravest first; what is not installed is left out."""
    lies = has_one_version(packages)
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.name.removeprefix(PREFIX), []).append(package)
    found = {
        (match.advisory.id, match.package, match.installed, match.status): match
        for advisory in advisories
        for fixed in advisory.fixed
        for package in by_name.get(fixed.name.removeprefix(PREFIX), ())
        if _concerns(advisory, fixed, package)
        for match in (_match(advisory, fixed, package, lies=lies),)
    }
    return tuple(sorted(found.values(), key=_order))


def has_one_version(packages: Sequence[Package]) -> bool:
    """Whether the inventory gives every package the release's version, as those before the core kit did."""
    return len({package.name for package in packages}) > 1 and len({package.version for package in packages}) == 1


def compare_advisories(
    before: Sequence[Package], after: Sequence[Package], advisories: Sequence[Advisory]
) -> tuple[AdvisoryChange, ...]:
    """What became of every advisory that reaches a package of either side."""
    old, new = _by_package(before, advisories), _by_package(after, advisories)
    found = []
    for key in old.keys() | new.keys():
        left, right = old.get(key), new.get(key)
        move = _move(left, right)
        told = right or left
        if move is not None and told is not None:
            found.append(
                AdvisoryChange(
                    told.advisory.id,
                    told.advisory.aliases,
                    told.advisory.title,
                    told.advisory.severity,
                    told.package,
                    "" if left is None else left.installed,
                    "" if right is None else right.installed,
                    told.fixed_in,
                    move,
                )
            )
    moves = tuple(AdvisoryMove)
    return tuple(sorted(found, key=lambda c: (moves.index(c.move), tuple(Severity).index(c.severity), c.id, c.package)))


def _move(left: AdvisoryMatch | None, right: AdvisoryMatch | None) -> AdvisoryMove | None:
    was, now = (None if match is None else match.status for match in (left, right))
    if AdvisoryStatus.CANNOT_SAY in (was, now):
        return AdvisoryMove.CANNOT_SAY
    if now is AdvisoryStatus.AFFECTED:
        return AdvisoryMove.STILL_OPEN if was is AdvisoryStatus.AFFECTED else AdvisoryMove.OPENED
    return AdvisoryMove.CLOSED if was is AdvisoryStatus.AFFECTED else None


def _by_package(packages: Sequence[Package], advisories: Iterable[Advisory]) -> dict[tuple[str, str], AdvisoryMatch]:
    """Of several versions of one package the worst counts."""
    worst: dict[tuple[str, str], AdvisoryMatch] = {}
    order = (AdvisoryStatus.AFFECTED, AdvisoryStatus.CANNOT_SAY, AdvisoryStatus.FIXED)
    for match in match_advisories(packages, advisories):
        key = (match.advisory.id, match.package.removeprefix(PREFIX))
        known = worst.get(key)
        if known is None or order.index(match.status) < order.index(known.status):
            worst[key] = match
    return worst


def _concerns(advisory: Advisory, fixed: FixedPackage, package: Package) -> bool:
    arches = (fixed.arch,) if fixed.arch else advisory.arches
    return not arches or not package.arch or package.arch in (*arches, "noarch") or "noarch" in arches


def _match(advisory: Advisory, fixed: FixedPackage, package: Package, *, lies: bool) -> AdvisoryMatch:
    status, why = _status(fixed, package, lies=lies)
    release = f"-{fixed.release}" if fixed.release not in ("", FOREIGN) else ""
    epoch = f"{fixed.epoch}:" if fixed.epoch not in ("", "0") else ""
    return AdvisoryMatch(advisory, package.name, version_text(package), f"{epoch}{fixed.version}{release}", status, why)


def _status(fixed: FixedPackage, package: Package, *, lies: bool) -> tuple[AdvisoryStatus, str]:
    if lies:
        return AdvisoryStatus.CANNOT_SAY, NOT_THEIR_OWN
    if not package.version or not fixed.version:
        return AdvisoryStatus.CANNOT_SAY, _NO_VERSION
    order = compare_versions(package.epoch or "0", fixed.epoch or "0") or compare_versions(
        package.version, fixed.version
    )
    if order == 0 and fixed.release == FOREIGN:
        return AdvisoryStatus.CANNOT_SAY, _FOREIGN_RELEASE
    if order == 0 and fixed.release:
        if not package.release:
            return AdvisoryStatus.CANNOT_SAY, "the inventory states no release"
        order = compare_versions(package.release, fixed.release)
    return (AdvisoryStatus.AFFECTED, "older than the fixed version") if order < 0 else (AdvisoryStatus.FIXED, "")


def _order(match: AdvisoryMatch) -> tuple[int, int, str, str, str]:
    statuses = (AdvisoryStatus.AFFECTED, AdvisoryStatus.CANNOT_SAY, AdvisoryStatus.FIXED)
    severity = tuple(Severity).index(match.advisory.severity)
    return statuses.index(match.status), severity, match.advisory.id, match.package, match.installed
