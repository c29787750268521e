"""The vendor's bill of materials against the inventory, and against the crates and modules in the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rocketaudit.analysis.sbom.go_modules import DEVEL, is_folder
from rocketaudit.analysis.sbom.purl import package_version
from rocketaudit.analysis.sbom.vendor import Vendor, known_name, known_version
from rocketaudit.model.binary import Binary, Confidence, GoModule
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Finding
from rocketaudit.model.verdict import Severity

MAX_LISTED = 100
MAX_NAMED = 25
_PLAIN = "bottlerocket-"
_UNASKED = frozenset({"std", "toolchain", "local"})  # the compiler's own library, and code of the build itself


@dataclass(frozen=True, slots=True)
class _Held:
    """A crate or module in a file; `replaces` is "name@version" of the one whose place it has."""

    name: str
    version: str
    path: str
    replaces: str = ""


def compare_packages(vendor: Vendor, packages: Iterable[Package], where: Locator) -> Iterator[Finding]:
    """Packages of the inventory and RPMs that the vendor lists; `where` is the inventory's place."""
    listed = vendor.versions("rpm")
    if not listed:
        return
    mine: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        mine[package.name.removeprefix(_PLAIN)].add(package_version(package))
    other_release = []
    for name in sorted(mine.keys() & listed.keys()):
        ours, theirs = mine[name], listed[name]
        if any(_is_same(one, other) for one in ours for other in theirs):
            continue
        if {_upstream(v) for v in ours} & {_upstream(v) for v in theirs}:
            other_release.append(f"{name} ({'/'.join(sorted(ours))}, {'/'.join(sorted(theirs))})")
            continue
        title = f"inventory and vendor SBOM state different versions of {name}"
        detail = f"inventory {', '.join(sorted(ours))}; {vendor.name} {', '.join(sorted(theirs))}"
        yield Finding("package-version-differs", Severity.MEDIUM, title, where, detail)
    if other_release:
        title = f"inventory and vendor SBOM state different releases of {len(other_release)} packages"
        yield Finding("package-release-differs", Severity.LOW, title, where, brief(other_release))
    unlisted = sorted(set(mine) - set(listed))
    if unlisted:
        title = f"{len(unlisted)} packages of the inventory are not in the vendor SBOM"
        yield Finding("inventory-not-in-vendor-sbom", Severity.LOW, title, vendor.where, brief(unlisted))
    unshipped = sorted(set(listed) - set(mine))
    if unshipped:
        title = f"{len(unshipped)} RPMs of the vendor SBOM are not in the inventory"
        yield Finding("vendor-sbom-not-in-inventory", Severity.INFO, title, vendor.where, brief(unshipped))


def compare_contents(vendor: Vendor, evidence: Evidence) -> Iterator[Finding]:
    """Crates and modules that files hold and the vendor does not list, or lists in other versions only."""
    mine = [binary for binary in evidence.binaries if binary.scope == evidence.judged]
    for kind, what, held in (("cargo", "crate", _crates(mine)), ("golang", "Go module", _modules(mine))):
        found: dict[tuple[str, str], _Held] = {}
        for one in held:
            found.setdefault((known_name(kind, one.name), known_version(kind, one.version)), one)
        if found and not vendor.versions(kind):
            title = f"the vendor SBOM lists no {what} at all; {len(found)} are in the binaries"
            yield Finding(f"vendor-sbom-without-{kind}", Severity.MEDIUM, title, vendor.where, vendor.name)
            continue
        differing = list(_differing(vendor, kind, what, found, evidence))
        yield from differing[:MAX_LISTED]
        if len(differing) > MAX_LISTED:
            title = f"{len(differing)} {what}s of binaries differ from the vendor SBOM, {MAX_LISTED} are listed"
            yield Finding(f"{kind}-differs-total", Severity.MEDIUM, title, vendor.where, vendor.name)


def _differing(
    vendor: Vendor, kind: str, what: str, found: Mapping[tuple[str, str], _Held], evidence: Evidence
) -> Iterator[Finding]:
    listed = vendor.versions(kind)
    for (name, version), one in sorted(found.items()):
        theirs = listed.get(name, set())
        if version in {known_version(kind, other) for other in theirs}:
            continue
        where = Locator(evidence.target.name, evidence.judged, one.path)
        instead = f" in place of {one.replaces}" if one.replaces else ""
        holds = f"{one.path} holds {one.name} {one.version}{instead}"
        if theirs:
            title = f"{what} {one.name} {one.version} in a binary, other versions in the vendor SBOM"
            detail = f"{holds}; {vendor.name} lists {', '.join(sorted(theirs))}"
            yield Finding(f"{kind}-version-differs", Severity.MEDIUM, title, where, detail)
        else:
            title = f"{what} {one.name} {one.version} is in a binary and not in the vendor SBOM"
            detail = f"{holds}; {vendor.name} lists {len(listed)} of that kind and none of that name"
            yield Finding(f"{kind}-not-in-vendor-sbom", Severity.MEDIUM, title, where, detail)


def _crates(binaries: Iterable[Binary]) -> Iterator[_Held]:
    for binary in binaries:
        for crate in binary.crates:
            is_public = crate.source not in _UNASKED and not crate.root and crate.kind == "runtime"
            if is_public and crate.confidence is not Confidence.LOW:
                yield _Held(crate.name, crate.version, binary.path)


def _modules(binaries: Iterable[Binary]) -> Iterator[_Held]:
    for binary in binaries:
        for module in binary.go_modules:
            one = _module(module, binary.path)
            if one is not None:
                yield one


def _module(module: GoModule, path: str) -> _Held | None:
    """A module with its version; None where nobody states one (a folder of the build)."""
    if not module.replaced_by:
        return _Held(module.path, module.version, path) if module.version not in ("", DEVEL) else None
    name, _, version = module.replaced_by.partition("@")
    if is_folder(name) or version in ("", DEVEL):
        return None
    return _Held(name, version, path, f"{module.path}@{module.version}")


def _is_same(one: str, other: str) -> bool:
    """Whether two versions of an RPM agree; an old inventory states no release, and then none is compared."""
    one, other = known_version("rpm", one), known_version("rpm", other)
    has_both = "-" in one and "-" in other
    return one == other if has_both else _upstream(one) == _upstream(other)


def _upstream(version: str) -> str:
    """A version without the release that the packager counts."""
    return known_version("rpm", version).partition("-")[0]


def brief(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
