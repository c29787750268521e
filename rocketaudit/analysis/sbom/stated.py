"""What the image and the policy state of each component besides what it is: creator, licences, where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import translate

from rocketaudit.analysis.sbom.files import changed_at
from rocketaudit.analysis.sbom.system import OS_REF, os_value
from rocketaudit.formats.spdx_expression import is_expression, joined
from rocketaudit.formats.statement_value import fill, is_email, is_url
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.records import dataclass
from rocketaudit.model.statement import STATED, Statement

STATED_BY_POLICY = "rocketaudit:stated-by-policy"
CREATOR_FROM = "rocketaudit:creator-from"
UNKNOWN = "rocketaudit:unknown"


def with_stated(
    components: Sequence[Component], evidence: Evidence, statements: Sequence[Statement]
) -> Iterator[Component]:
    """The same components with what the policy states of them, and else with the home page that the image states.

    BSI TR-03183-2 calls the project's web page a creator where no e-mail address is known. A file has the creator of
    its package, as it has its supplier.
    """
    matching = _Matching(statements)
    homes = {OS_REF: _first_url(os_value(evidence, "VENDOR_URL"), os_value(evidence, "HOME_URL"))}
    packages: dict[str, Component] = {}
    for component in components:
        if component.kind not in ("file", "firmware"):
            known = _from_home(matching.state(component, None, homes.get(component.ref)), homes)
            packages[component.ref] = known
    for component in components:
        if component.ref in packages:
            yield _with_unknowns(_dated(packages[component.ref], evidence))
        else:
            yield _file(component, packages.get(component.parent), matching)


def _dated(component: Component, evidence: Evidence) -> Component:
    """A main module without a version is its program: it has the time of that file's last change, as the file has."""
    if component.version or ("rocketaudit:go-main-module", "true") not in component.properties:
        return component
    places = [(where.path, where.partition) for where in component.where if where.path and where.partition]
    times = {changed_at(evidence.file(path, scope)) for path, scope in places} - {""}
    if not times:
        return component
    said = ("rocketaudit:version-from", "last change of its program (BSI TR-03183-2, 5.2.2)")
    return replace(component, version=max(times), properties=(*component.properties, said))


def _with_unknowns(component: Component) -> Component:
    """CISA: what the author does not know is said so, not left out in silence."""
    said = []
    if not component.hashes:
        no_digest = "the inventory states no digest of its RPM"
        reason = no_digest if component.found_by == "inventory" else "no file of its own lies in the image"
        said.append((UNKNOWN, f"hash: {reason}"))
    if not component.version:
        said.append((UNKNOWN, "version: neither the image nor the build states one"))
    if not component.licences:
        said.append((UNKNOWN, "licence: no licence text of the image names it"))
    return replace(component, properties=(*component.properties, *said)) if said else component


def _file(component: Component, parent: Component | None, matching: _Matching) -> Component:
    package = None if parent is None or parent.ref == OS_REF else parent
    known = matching.state(component, package, None)
    if known.creator or package is None or not package.creator:
        return known
    properties = (*known.properties, (CREATOR_FROM, "its package"))
    return replace(known, creator=package.creator, creator_name=package.creator_name, properties=properties)


def _from_home(component: Component, homes: Mapping[str, str]) -> Component:
    """The component with the home page that the image states, when nobody states a creator."""
    if component.creator:
        return component
    home = homes.get(component.ref) or _stated_url(component)
    if not home:
        return component
    said = "home page in os-release" if component.ref == OS_REF else "home page in the inventory"
    return replace(component, creator=home, properties=(*component.properties, (CREATOR_FROM, said)))


def _stated_url(component: Component) -> str:
    return next((_first_url(value) for name, value in component.properties if name == "rocketaudit:url"), "")


def _first_url(*texts: str) -> str:
    return next((text for text in texts if is_url(text)), "")


@dataclass(frozen=True, slots=True)
class _Pattern:
    statement: Statement
    pattern: re.Pattern[str]


class _Matching:
    """Statements with their patterns compiled once; the first that states a value counts, value by value."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._patterns = [
            _Pattern(one, re.compile("|".join(translate(pattern) for pattern in one.match))) for one in statements
        ]

    def state(self, component: Component, package: Component | None, home: str | None) -> Component:
        """The component with what the statements say of it; `package` is that of a file."""
        if not self._patterns:
            return component
        names = [name for name in (component.purl, component.ref) if name]
        if component.found_by in ("inventory", "source-package") and component.supplier:
            names.append(f"publisher:{component.supplier}")
        found: dict[str, str] = {}
        said: list[tuple[str, str]] = []
        for one in self._patterns:
            if not any(one.pattern.match(name) for name in names):
                continue
            new = dict(_values(component, package, home, one.statement, found))
            if new:
                found |= new
                said.append((STATED_BY_POLICY, f"{', '.join(sorted(new))}: {one.statement.basis}"))
        if not found:
            return component
        return replace(
            component,
            creator=found.get("creator", component.creator),
            creator_name=found.get("creator-name", component.creator_name),
            licences=(found["licence"],) if "licence" in found else component.licences,
            distribution_licence=found.get("distribution-licence", component.distribution_licence),
            source_url=found.get("source-url", component.source_url),
            distribution_url=found.get("distribution-url", component.distribution_url),
            properties=(*component.properties, *said),
        )


def _values(
    component: Component, package: Component | None, home: str | None, statement: Statement, found: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The values that a statement gives and no earlier one gave; a creator's name only with the creator."""
    wanted = dict(statement.values)
    if "creator" in found:
        wanted.pop("creator-name", None)
    if component.licences:
        wanted.pop("licence", None)  # what the image declares stands
    given: dict[str, str] = {}
    for name in (name for name in STATED if name in wanted and name not in found):
        known = {
            "name": component.name,
            "version": component.version,
            "path": component.name if component.kind in ("file", "firmware") else "",
            "url": home or _stated_url(component),
            "declared": joined(component.licences) or given.get("licence", found.get("licence", "")),
            "package": "" if package is None else _of_package(package, name),
        }
        template = wanted[name]
        is_text = name in ("creator-name", "licence", "distribution-licence") and "{" not in template
        value = template if is_text else fill(template, known)
        if value and _is_good(name, value):
            given[name] = value
    if "creator" not in given:
        given.pop("creator-name", None)
    elif wanted["creator"] == "{package}" and package is not None and package.creator_name:
        given.setdefault("creator-name", package.creator_name)
    yield from given.items()


def _of_package(package: Component, name: str) -> str:
    if name == "licence":
        return joined(package.licences)
    return str(getattr(package, name.replace("-", "_")))


def _is_good(name: str, value: str) -> bool:
    """Whether a value that holds something of the target still is what it has to be."""
    if name == "creator-name":
        return True
    if name.endswith("licence"):
        return is_expression(value)
    return is_url(value) or (name == "creator" and is_email(value))
