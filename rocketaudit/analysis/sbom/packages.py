"""Packages of the inventory as components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rocketaudit.analysis.sbom.purl import package_purl, package_version
from rocketaudit.analysis.sbom.system import OS_REF, version_id
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.package import Package

MAX_NAME = 255  # characters of an RPM's name that are looked at


def package_components(evidence: Evidence, purl_type: str = "rpm") -> Iterator[Component]:
    """Every row of the judged root's inventory; a "(source package)" row is marked."""
    distro = version_id(evidence)
    mine = [package for package in evidence.packages if package.scope == evidence.judged]
    built = _built_from(mine)
    for package in mine:
        component = _component(package, distro, purl_type)
        yield replace(component, depends_on=built.get(component.ref, ())) if package.synthetic else component


def _built_from(packages: Sequence[Package]) -> dict[str, tuple[str, ...]]:
    """Ref of a source package -> refs of what came out of it.

    That has its version and release and a name that starts with its own; of several sources the longest name counts.
    """
    sources = {(one.version, one.release, one.name): package_ref(one) for one in packages if one.synthetic}
    lengths = sorted({len(name) for _, _, name in sources if len(name) <= MAX_NAME}, reverse=True)
    found: dict[str, dict[str, None]] = {}
    for package in packages:
        if package.synthetic:
            continue
        keys = (
            (package.version, package.release, package.name[:size]) for size in lengths if size <= len(package.name)
        )
        source = next((sources[key] for key in keys if key in sources), None)
        if source is not None:
            found.setdefault(source, {})[package_ref(package)] = None
    return {source: tuple(refs) for source, refs in found.items()}


def package_ref(package: Package) -> str:
    """A reference that stays the same for the same package."""
    kind = "source" if package.synthetic else "package"
    return f"{kind}:{package.name}@{package.epoch or '0'}:{package_version(package)}.{package.arch}"


def _component(package: Package, distro: str, purl_type: str) -> Component:
    hashes = (("SHA-256", package.package_sha256),) if package.package_sha256 else ()
    properties = [
        ("rocketaudit:package-file", package.package_file),
        ("rocketaudit:application-type", package.application_type),
        ("rocketaudit:url", package.url),
        ("rocketaudit:source-package", "true" if package.synthetic else ""),
        ("rocketaudit:rpm-sha256", package.package_sha256 or ""),
    ]
    return Component(
        ref=package_ref(package),
        kind="library" if package.synthetic else "application",
        name=package.name,
        version=package_version(package),
        purl=package_purl(package, distro, purl_type),
        supplier=package.publisher,
        hashes=() if package.synthetic else hashes,
        where=(package.where,),
        found_by="source-package" if package.synthetic else "inventory",
        parent=OS_REF,
        properties=tuple((name, value) for name, value in properties if value),
        description=package.summary,
    )
