"""Licences, copyright notices and carried code out of the facts of the licence tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rocketaudit.analysis.sbom.purl import crate_purl, go_purl
from rocketaudit.analysis.sbom.system import OS_REF
from rocketaudit.formats.attribution import Carried, parse_carried
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator, Plane, State
from rocketaudit.model.records import dataclass

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
    """The same components with the licences and notices that the image states; crates by name and version."""
    everything = tuple(components)
    names = {component.ref: component.name for component in everything}
    licences = _Said(package_licences(evidence), {i.ref: i.licence for i in attributed(evidence) if i.licence})
    notices = _notices(evidence)
    for component in everything:
        licence, notice = licences.of(component, names), notices.of(component, names)
        with_one = replace(component, licences=(licence,)) if licence and not component.licences else component
        yield replace(with_one, copyright=notice) if notice else with_one


@dataclass(frozen=True, slots=True)
class _Said:
    """One text for each package, by name, and for each thing that a package carries, by ref."""

    packages: Mapping[str, str]
    carried: Mapping[str, str]

    def of(self, component: Component, names: Mapping[str, str]) -> str:
        """What is said of a component, or ""; `names` are those of all components by ref."""
        if component.found_by == "inventory":
            return self._of_package(component.name)
        if component.found_by == "source-package":  # what its packages say, when they agree
            said = {self._of_package(names[ref]) for ref in component.depends_on if ref in names}
            return said.pop() if len(said) == 1 else self._of_package(component.name)
        if component.ref.startswith("go:"):
            return self.carried.get(f"go:{component.name}@", "")
        return self.carried.get(component.ref, "")

    def _of_package(self, name: str) -> str:
        return self.packages.get(name) or self.packages.get(name.removeprefix("bottlerocket-"), "")


def _notices(evidence: Evidence) -> _Said:
    packages: dict[str, str] = {}
    carried: dict[str, str] = {}
    for fact in evidence.find("copyright", Plane.STATIC):
        if fact.state is not State.PRESENT or not isinstance(fact.value, Mapping):
            continue
        name = fact.key.subject[0]
        for folder, statements in fact.value.items():
            text = "\n".join(map(str, statements)) if isinstance(statements, tuple) else ""
            inner = parse_carried(folder)
            if inner is None:
                packages[name] = text
                packages.setdefault(name.removeprefix("bottlerocket-"), text)
            else:
                carried.setdefault(Attributed(name, inner, "", fact.where).ref, text)
    return _Said(packages, carried)


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
