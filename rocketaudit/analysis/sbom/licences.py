"""Licences and carried code out of the attribution facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rocketaudit.analysis.sbom.purl import crate_purl, go_purl
from rocketaudit.analysis.sbom.system import OS_REF
from rocketaudit.formats.attribution import Carried, parse_carried
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator, Plane, State

SAID_BY_BUILD = 0.6  # the build carried the source; whether its code is in a shipped file is another matter


@dataclass(frozen=True, slots=True)
class Attributed:
    """One thing that a package carries, with its licence ("" when the text states none)."""

    package: str
    carried: Carried
    licence: str
    where: Locator

    @property
    def is_go(self) -> bool:
        return not self.carried.version

    @property
    def ref(self) -> str:
        if self.is_go:
            return f"go:{self.carried.name}@"
        return f"crate:{self.carried.name}@{self.carried.version}"


def package_licences(evidence: Evidence) -> dict[str, str]:
    """Package name (with and without Bottlerocket's prefix) -> expression."""
    found: dict[str, str] = {}
    for name, texts, _ in _facts(evidence):
        licence = texts.get("", "")
        if licence:
            found[name] = licence
            found.setdefault(name.removeprefix("bottlerocket-"), licence)
    return found


def attributed(evidence: Evidence) -> tuple[Attributed, ...]:
    """Everything that packages say they carry."""
    found = []
    for name, texts, where in _facts(evidence):
        for folder, licence in sorted(texts.items()):
            carried = parse_carried(folder)
            if carried is not None:
                found.append(Attributed(name, carried, licence, where))
    return tuple(found)


def attributed_packages(evidence: Evidence) -> tuple[str, ...]:
    """The packages that have a text of their own or carry something."""
    return tuple(name for name, _, _ in _facts(evidence))


def with_licences(components: Iterator[Component], evidence: Evidence) -> Iterator[Component]:
    """The same components with the licences that the image states; crates and modules by name, crates by version."""
    packages = package_licences(evidence)
    carried = {item.ref: item.licence for item in attributed(evidence) if item.licence}
    everything = tuple(components)
    names = {component.ref: component.name for component in everything}
    for component in everything:
        licence = ""
        if component.found_by == "inventory":
            licence = _of_package(component.name, packages)
        elif component.found_by == "source-package":  # what its packages say, when they agree
            said = {_of_package(names[ref], packages) for ref in component.depends_on if ref in names}
            licence = said.pop() if len(said) == 1 else _of_package(component.name, packages)
        elif component.ref.startswith("crate:"):
            licence = carried.get(component.ref, "")
        elif component.ref.startswith("go:"):
            licence = carried.get(f"go:{component.name}@", "")
        yield replace(component, licences=(licence,)) if licence and not component.licences else component


def _of_package(name: str, licences: Mapping[str, str]) -> str:
    return licences.get(name) or licences.get(name.removeprefix("bottlerocket-"), "")


def carried_components(evidence: Evidence, known: frozenset[str], packages: Mapping[str, str]) -> Iterator[Component]:
    """Crates and modules that only the licence texts name; `packages` maps names to refs."""
    names = {ref.partition("@")[0] for ref in known if ref.startswith("go:")}
    for item in attributed(evidence):
        if item.ref in known or (item.is_go and item.ref.rstrip("@") in names):
            continue
        carried = item.carried
        purl = go_purl(carried.name, "") if item.is_go else crate_purl(carried.name, carried.version, "unknown")
        yield Component(
            ref=item.ref,
            kind="library",
            name=carried.name,
            version=carried.version,
            purl=purl,
            licences=(item.licence,) if item.licence else (),
            where=(item.where,),
            found_by="attribution",
            confidence=SAID_BY_BUILD,
            parent=packages.get(item.package, OS_REF),
            properties=(("rocketaudit:carried-by", item.package),),
        )


def _facts(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, str], Locator]]:
    for fact in evidence.find("attribution", Plane.STATIC):
        if fact.state is State.PRESENT and isinstance(fact.value, Mapping):
            texts = {folder: text for folder, text in fact.value.items() if isinstance(text, str)}
            yield fact.key.subject[0], texts, fact.where
