"""The vendor's lists against what is really there; each difference is a finding with both sides shown.

An embedded bill of materials is made from build directories and over-declares: a library that it lists and no file
holds is normal and no finding. The other direction is: what is in a file, and the vendor does not list.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rocketaudit.analysis.ownership import Owner, owners
from rocketaudit.analysis.sbom.licences import attributed_packages
from rocketaudit.analysis.sbom.purl import package_version
from rocketaudit.analysis.sbom.system import os_value
from rocketaudit.analysis.sbom.vendor import Vendor, read_vendor
from rocketaudit.model.binary import Confidence
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.package import Package
from rocketaudit.model.report import Finding
from rocketaudit.model.verdict import Severity

MAX_LISTED = 100
MAX_NAMED = 25
_ORDER = tuple(Severity)
_VERSION = re.compile(r"(?<![\d.])(\d+\.\d+\.\d+)(?![\d.]*\d)")


def reconcile(evidence: Evidence) -> tuple[Finding, ...]:
    """All differences, the gravest first, then by id and place."""
    packages = [p for p in evidence.packages if p.scope == evidence.judged]
    shipped = [package for package in packages if not package.synthetic]
    vendor = read_vendor(evidence)
    owner_of = owners(evidence)
    found = [
        *_versions(evidence),
        *_twins(shipped, evidence),
        *_unexplained(evidence, shipped, owner_of),
        *_without_file(evidence, shipped, owner_of),
        *_attribution(evidence, packages),
    ]
    if vendor is not None:
        found += [*_package_lists(vendor, shipped, evidence), *_contents(vendor, evidence)]
    return tuple(sorted(found, key=lambda f: (_ORDER.index(f.severity), f.id, str(f.where), f.title, f.detail)))


def _versions(evidence: Evidence) -> Iterator[Finding]:
    stated = os_value(evidence, "VERSION_ID")
    if not stated:
        return
    where = Locator(evidence.target.name, evidence.judged, "/usr/lib/os-release")
    sources = {
        "PRETTY_NAME": os_value(evidence, "PRETTY_NAME"),
        "IMAGE_VERSION": os_value(evidence, "IMAGE_VERSION"),
        "the name of the image": evidence.target.name,
    }
    for source, text in sources.items():
        other = _VERSION.search(text)
        if other is not None and other[1] != stated:
            title = "VERSION_ID contradicts another statement of the version"
            yield Finding(
                "version-contradiction", Severity.MEDIUM, title, where, f"VERSION_ID {stated}, {source} {text}"
            )


def _twins(packages: Iterable[Package], evidence: Evidence) -> Iterator[Finding]:
    versions: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        versions[package.name].add(package_version(package))
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            title = f"the inventory lists {name} in {len(found)} versions (an embedded guest image adds its own)"
            yield Finding("package-twice", Severity.LOW, title, _inventory(evidence), ", ".join(sorted(found)))


def _unexplained(evidence: Evidence, packages: list[Package], owner_of: Mapping[str, Owner]) -> Iterator[Finding]:
    if not packages:
        return
    alone = [b for b in evidence.binaries if b.scope == evidence.judged and b.path not in owner_of]
    for binary in alone[:MAX_LISTED]:
        where = Locator(evidence.target.name, evidence.judged, binary.path)
        detail = "no package note, no package of that name, no folder of a package; the inventory lists no files"
        title = "an ELF file that no package explains"
        yield Finding("elf-unexplained", Severity.LOW, title, where, detail)
    if len(alone) > MAX_LISTED:
        title = f"{len(alone)} ELF files that no package explains, {MAX_LISTED} are listed"
        yield Finding("elf-unexplained-total", Severity.LOW, title, _inventory(evidence))


def _without_file(evidence: Evidence, packages: list[Package], owner_of: Mapping[str, Owner]) -> Iterator[Finding]:
    owned = {owner.package for owner in owner_of.values()}
    words = {part for record in evidence.scope_files() for part in record.path.split("/")}
    stems = {word.partition(".")[0].removeprefix("lib") for word in words}
    missing = []
    for name in sorted({package.name for package in packages} - owned):
        plain = name.removeprefix("bottlerocket-")
        if not {name, plain} & words and plain.removeprefix("lib") not in stems:
            missing.append(name)
    if missing and evidence.judged in evidence.walked:
        title = f"{len(missing)} packages of the inventory have no file or folder of their name"
        yield Finding("packages-without-file", Severity.INFO, title, _inventory(evidence), _names(missing))


def _attribution(evidence: Evidence, packages: list[Package]) -> Iterator[Finding]:
    texts = set(attributed_packages(evidence))
    if not texts or not packages:
        return
    names = {package.name for package in packages} | {
        package.name.removeprefix("bottlerocket-") for package in packages
    }
    where = Locator(evidence.target.name, evidence.judged, "/usr/share/licenses")
    extra = sorted(name for name in texts if name not in names and name.removeprefix("bottlerocket-") not in names)
    if extra:
        title = f"{len(extra)} packages have licence texts but are not in the inventory"
        yield Finding("attribution-without-inventory", Severity.LOW, title, where, _names(extra))
    plain = {name.removeprefix("bottlerocket-") for name in texts}
    bare = sorted({p.name for p in packages if not p.synthetic and p.name.removeprefix("bottlerocket-") not in plain})
    if bare:
        title = f"{len(bare)} packages of the inventory have no licence text"
        yield Finding("inventory-without-attribution", Severity.INFO, title, where, _names(bare))


def _package_lists(vendor: Vendor, packages: list[Package], evidence: Evidence) -> Iterator[Finding]:
    listed = vendor.versions("rpm")
    if not listed:
        return
    mine: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        mine[package.name.removeprefix("bottlerocket-")].add(package_version(package))
    other_release = []
    for name in sorted(mine):
        theirs = listed.get(name)
        if theirs is None or {_bare(v) for v in mine[name]} & {_bare(v) for v in theirs}:
            continue
        if {_upstream(v) for v in mine[name]} & {_upstream(v) for v in theirs}:
            other_release.append(f"{name} ({'/'.join(sorted(mine[name]))}, {'/'.join(sorted(theirs))})")
            continue
        title = f"inventory and vendor SBOM state different versions of {name}"
        detail = f"inventory {', '.join(sorted(mine[name]))}; {vendor.name} {', '.join(sorted(theirs))}"
        yield Finding("package-version-differs", Severity.MEDIUM, title, _inventory(evidence), detail)
    if other_release:
        title = f"inventory and vendor SBOM state different releases of {len(other_release)} packages"
        yield Finding("package-release-differs", Severity.LOW, title, _inventory(evidence), _names(other_release))
    unlisted = sorted(set(mine) - set(listed))
    if unlisted:
        title = f"{len(unlisted)} packages of the inventory are not in the vendor SBOM"
        yield Finding("inventory-not-in-vendor-sbom", Severity.LOW, title, vendor.where, _names(unlisted))
    unshipped = sorted(set(listed) - set(mine))
    if unshipped:
        title = f"{len(unshipped)} RPMs of the vendor SBOM are not in the inventory"
        yield Finding("vendor-sbom-not-in-inventory", Severity.INFO, title, vendor.where, _names(unshipped))


def _contents(vendor: Vendor, evidence: Evidence) -> Iterator[Finding]:
    for kind, what, found in (("cargo", "crate", _crates(evidence)), ("golang", "Go module", _modules(evidence))):
        listed = vendor.versions(kind)
        if not found:
            continue
        if not listed:
            title = f"the vendor SBOM lists no {what} at all; {len(found)} are in the binaries"
            yield Finding(f"vendor-sbom-without-{kind}", Severity.MEDIUM, title, vendor.where, vendor.name)
            continue
        count = 0
        for (name, version), path in sorted(found.items()):
            theirs = listed.get(name, set())
            if _bare(version) in {_bare(other) for other in theirs}:
                continue
            count += 1
            if count > MAX_LISTED:
                break
            where = Locator(evidence.target.name, evidence.judged, path)
            if theirs:
                title = f"{what} {name} {version} in a binary, other versions in the vendor SBOM"
                detail = f"{path} holds {version}; {vendor.name} lists {', '.join(sorted(theirs))}"
                yield Finding(f"{kind}-version-differs", Severity.MEDIUM, title, where, detail)
            else:
                title = f"{what} {name} {version} is in a binary and not in the vendor SBOM"
                yield Finding(f"{kind}-not-in-vendor-sbom", Severity.MEDIUM, title, where, f"not in {vendor.name}")


def _crates(evidence: Evidence) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for binary in evidence.binaries:
        if binary.scope == evidence.judged:
            for crate in binary.crates:
                public = crate.source not in ("std", "local") and not crate.root and crate.kind == "runtime"
                if public and crate.confidence is not Confidence.LOW:
                    found.setdefault((crate.name, crate.version), binary.path)
    return found


def _modules(evidence: Evidence) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for binary in evidence.binaries:
        if binary.scope == evidence.judged:
            for module in binary.go_modules:
                path, version = module.path, module.version
                if module.replaced_by:
                    path, _, version = module.replaced_by.partition("@")
                if version and version != "(devel)":
                    found.setdefault((path, version), binary.path)
    return found


def _bare(version: str) -> str:
    """A version without epoch and the "v" of Go, as the same thing is written in different lists."""
    return version.rpartition(":")[2].removeprefix("v")


def _upstream(version: str) -> str:
    """A version without the release that the packager counts."""
    return _bare(version).partition("-")[0]


def _inventory(evidence: Evidence) -> Locator:
    fact = evidence.get(Key("inventory", ("packages",)), Plane.STATIC)
    return fact.where if fact.state is State.PRESENT else Locator(evidence.target.name, evidence.judged)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
