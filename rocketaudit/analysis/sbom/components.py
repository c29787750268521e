"""Components out of evidence: the system, its packages, the kernel, every ELF file, crates and Go modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rocketaudit.analysis.ownership import owners
from rocketaudit.analysis.sbom.binaries import binary_components
from rocketaudit.analysis.sbom.files import file_components
from rocketaudit.analysis.sbom.languages import language_components
from rocketaudit.analysis.sbom.licences import carried_components, with_licences
from rocketaudit.analysis.sbom.packages import package_components
from rocketaudit.analysis.sbom.stated import with_stated
from rocketaudit.analysis.sbom.system import OS_REF, system_component
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.statement import Statement

FROM_POLICY = ("rocketaudit:supplier-from", "policy: who distributes the image")


def components(
    evidence: Evidence, purl_type: str = "rpm", supplier: str = "", statements: Sequence[Statement] = ()
) -> tuple[Component, ...]:
    """Everything that the judged root is made of, the system first, then by `ref`; refs are unique.

    `purl_type` is one of `PURL_TYPES`. Every parent and every dependency is the ref of a component. `supplier` is who
    distributes the image, as the policy states it: CycloneDX counts a distributor as the supplier of what it hands
    on, so a component that names no supplier of its own gets this one, with a property that says so. `statements` are
    what the policy states of components.
    """
    owner_of = owners(evidence)
    packages = tuple(package_components(evidence, purl_type))
    by_package = {component.name: component for component in reversed(packages)}
    parents = {path: by_package[owner.package] for path, owner in owner_of.items() if owner.package in by_package}
    known = _unique(
        (
            system_component(evidence),
            *packages,
            *binary_components(evidence, owner_of, parents),
            *file_components(evidence),
            *language_components(evidence),
        )
    )
    refs = {name: component.ref for name, component in by_package.items()}
    by_name = {name.removeprefix("bottlerocket-"): ref for name, ref in refs.items()} | refs
    carried = carried_components(evidence, frozenset(known), by_name)
    everything = _unique((*known.values(), *carried))
    licensed = tuple(with_licences(_sorted(everything), evidence))
    found = with_stated(licensed, evidence, statements)
    return tuple(_supplied(component, supplier) for component in found)


def _supplied(component: Component, supplier: str) -> Component:
    if component.supplier or not supplier:
        return component
    return replace(component, supplier=supplier, properties=(*component.properties, FROM_POLICY))


def _unique(found: Iterable[Component]) -> dict[str, Component]:
    by_ref: dict[str, Component] = {}
    for component in found:
        by_ref.setdefault(component.ref, component)
    return by_ref


def _sorted(found: dict[str, Component]) -> Iterator[Component]:
    yield found[OS_REF]
    for ref in sorted(found):
        if ref != OS_REF:
            yield found[ref]
