"""Components out of evidence: the system, its packages, the kernel, every ELF file, crates and Go modules."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.ownership import owners
from rocketaudit.analysis.sbom.binaries import binary_components
from rocketaudit.analysis.sbom.files import file_components
from rocketaudit.analysis.sbom.packages import package_components
from rocketaudit.analysis.sbom.system import OS_REF, system_component
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence


def components(evidence: Evidence, purl_type: str = "rpm") -> tuple[Component, ...]:
    """Everything that the judged root is made of, sorted by `ref`; refs are unique and every parent exists."""
    owner_of = owners(evidence)
    packages = tuple(package_components(evidence, purl_type))
    refs = {component.name: component.ref for component in reversed(packages)}
    parents = {path: refs[owner.package] for path, owner in owner_of.items() if owner.package in refs}
    found: dict[str, Component] = {}
    for component in (
        system_component(evidence),
        *packages,
        *binary_components(evidence, owner_of, parents),
        *file_components(evidence),
    ):
        found.setdefault(component.ref, component)
    return tuple(_sorted(found))


def _sorted(found: dict[str, Component]) -> Iterator[Component]:
    yield found[OS_REF]
    for ref in sorted(found):
        if ref != OS_REF:
            yield found[ref]
