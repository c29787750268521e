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
from rocketaudit.analysis.sbom.reconcile_vendor import MAX_LISTED, brief, compare_contents, compare_packages
from rocketaudit.analysis.sbom.system import os_value
from rocketaudit.analysis.sbom.vendor import Vendor, read_vendor
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.package import Package
from rocketaudit.model.report import Finding
from rocketaudit.model.verdict import Severity

_ORDER = tuple(Severity)
_VERSION = re.compile(r"(?<![\d.])(\d+\.\d+\.\d+)(?![\d.]*\d)")


def reconcile(evidence: Evidence) -> tuple[Finding, ...]:
    """All differences, the gravest first, then by id and place."""
    packages = [p for p in evidence.packages if p.scope == evidence.judged]
    shipped = [package for package in packages if not package.synthetic]
    vendor = read_vendor(evidence)
    owner_of = owners(evidence)
    found = [
        *_versions(evidence, vendor),
        *_twins(shipped, evidence),
        *_unexplained(evidence, shipped, owner_of),
        *_without_file(evidence, shipped, owner_of),
        *_attribution(evidence, packages),
    ]
    if vendor is not None:
        found += compare_packages(vendor, shipped, _inventory(evidence))
        found += compare_contents(vendor, evidence)
    return tuple(sorted(found, key=lambda f: (_ORDER.index(f.severity), f.id, str(f.where), f.title, f.detail)))


def _versions(evidence: Evidence, vendor: Vendor | None) -> Iterator[Finding]:
    """VERSION_ID against whatever else names the version of this system; other numbers in a file's name do not."""
    stated = os_value(evidence, "VERSION_ID")
    if not stated:
        return
    where = Locator(evidence.target.name, evidence.judged, "/usr/lib/os-release")
    system = os_value(evidence, "ID") or "bottlerocket"
    base = evidence.target.name.rpartition("/")[2]
    sources = {
        "PRETTY_NAME": os_value(evidence, "PRETTY_NAME"),
        "IMAGE_VERSION": os_value(evidence, "IMAGE_VERSION"),
        "the name of the image": base if base.startswith(f"{system}-") else "",
        "the vendor SBOM": vendor.version if vendor is not None and vendor.subject.startswith(system) else "",
    }
    for source, text in sources.items():
        others = _VERSION.findall(text)  # a variant may have a version of its own
        if others and not any(_is_version(stated, other) for other in others):
            title = "VERSION_ID contradicts another statement of the version"
            yield Finding(
                "version-contradiction", Severity.MEDIUM, title, where, f"VERSION_ID {stated}, {source} {text}"
            )


def _is_version(stated: str, other: str) -> bool:
    """Whether VERSION_ID ("1.57.0", "1.57.0-rc.1+dev", "12") can be the X.Y.Z that another place states."""
    mine = _VERSION.search(stated)
    return mine[1] == other if mine is not None else other.startswith(f"{stated}.")


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
    words = set("/".join([record.path for record in evidence.scope_files()]).split("/"))
    stems = {word.partition(".")[0].removeprefix("lib") for word in words}
    missing = []
    for name in sorted({package.name for package in packages} - owned):
        plain = name.removeprefix("bottlerocket-")
        if not {name, plain} & words and plain.removeprefix("lib") not in stems:
            missing.append(name)
    if missing and evidence.judged in evidence.walked:
        title = f"{len(missing)} packages of the inventory have no file or folder of their name"
        yield Finding("packages-without-file", Severity.INFO, title, _inventory(evidence), brief(missing))


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
        yield Finding("attribution-without-inventory", Severity.LOW, title, where, brief(extra))
    plain = {name.removeprefix("bottlerocket-") for name in texts}
    bare = sorted({p.name for p in packages if not p.synthetic and p.name.removeprefix("bottlerocket-") not in plain})
    if bare:
        title = f"{len(bare)} packages of the inventory have no licence text"
        yield Finding("inventory-without-attribution", Severity.INFO, title, where, brief(bare))


def _inventory(evidence: Evidence) -> Locator:
    fact = evidence.get(Key("inventory", ("packages",)), Plane.STATIC)
    return fact.where if fact.state is State.PRESENT else Locator(evidence.target.name, evidence.judged)
