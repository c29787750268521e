"""Packages of the inventory as components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rocketaudit.analysis.sbom.purl import package_purl, package_version
from rocketaudit.analysis.sbom.system import OS_REF, version_id
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.package import Package


def package_components(evidence: Evidence, purl_type: str = "rpm") -> Iterator[Component]:
    """Every row of the judged root's inventory; a "(source package)" row is marked."""
    distro = version_id(evidence)
    mine = [package for package in evidence.packages if package.scope == evidence.judged]
    for package in mine:
        component = _component(package, distro, purl_type)
        yield replace(component, depends_on=_built_from(package, mine)) if package.synthetic else component


def _built_from(source: Package, packages: Sequence[Package]) -> tuple[str, ...]:
    """The packages that came out of a source package: its version and release, and a name that starts with its own."""
    return tuple(
        package_ref(package)
        for package in packages
        if not package.synthetic
        and package.name.startswith(source.name)
        and (package.version, package.release) == (source.version, source.release)
    )


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
