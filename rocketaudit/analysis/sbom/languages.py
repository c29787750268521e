"""Packages of Python, Node and Java that somebody put into the image.

What a file says of itself (METADATA, package.json, pom.properties, a manifest) comes first; where it could not be read
or says nothing, the name of the file or folder is all there is, and the component says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rocketaudit.analysis.sbom.files import changed_at
from rocketaudit.analysis.sbom.purl import make_purl
from rocketaudit.analysis.sbom.system import OS_REF, file_ref
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.language_package import LanguagePackage

BY_NAME = 0.8
_PYTHON = re.compile(
    r"/(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>\d[A-Za-z0-9.!+_]*)(?:-py[0-9.]+)?"
    r"\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)\Z"
)
_NODE = re.compile(r"/node_modules/(?P<name>(?:@[a-z0-9~._-]+/)?[a-z0-9~_-][a-z0-9~._-]*)/package\.json\Z")
_JAVA = re.compile(r"/(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:-(?P<version>\d[A-Za-z0-9_.+-]*))?\.(?:jar|war|ear)\Z")
_ARCHIVES = (".jar", ".war", ".ear")
_ENDS = ("/METADATA", ".egg-info", "/PKG-INFO", "/package.json", *_ARCHIVES)


def language_components(evidence: Evidence) -> Iterator[Component]:
    """One component a package and version, each place an occurrence; and every Java archive as a file that needs it."""
    facts = {fact.key.subject[0]: fact for fact in evidence.find("language_package", Plane.STATIC)}
    found: dict[str, Component] = {}
    for record in evidence.scope_files():
        if record.type is not FileType.REGULAR or not record.path.endswith(_ENDS):
            continue
        mine = list(_of_file(evidence, record, facts.get(record.path)))
        for component in mine:
            known = found.get(component.ref)
            surer = component if known is None or component.confidence > known.confidence else known
            places = component.where if known is None else (*known.where, *component.where)
            found[component.ref] = replace(surer, where=tuple(dict.fromkeys(places)))
        if record.path.endswith(_ARCHIVES):
            yield _archive(evidence, record, mine)
    yield from found.values()


def _of_file(evidence: Evidence, record: FileRecord, fact: Fact | None) -> Iterator[Component]:
    where = Locator(evidence.target.name, record.scope, record.path)
    if fact is not None and fact.state is State.PRESENT:
        yield from (_stated(package, where) for package in _packages(fact))
        return
    for kind, pattern in (("pypi", _PYTHON), ("npm", _NODE), ("maven", _JAVA)):
        match = pattern.search(record.path)
        if match is not None:
            named = LanguagePackage(kind, match["name"], match.groupdict().get("version") or "")
            reason = "" if fact is None else fact.reason
            properties = (("rocketaudit:unread", reason),) if reason else ()
            yield replace(_component(named, where, f"{kind}-name", BY_NAME), properties=properties)


def _packages(fact: Fact) -> Iterator[LanguagePackage]:
    """The rows of a fact; evidence may come from a file that somebody wrote, so each is looked at."""
    for row in fact.value if isinstance(fact.value, tuple) else ():
        if isinstance(row, tuple) and len(row) == 7 and all(isinstance(part, str) for part in row):
            kind, group, name, version, licence, summary, inside = map(str, row)
            if name and kind in ("pypi", "npm", "maven"):
                yield LanguagePackage(kind, name, version, licence, summary, group, inside)


def _stated(package: LanguagePackage, where: Locator) -> Component:
    """A package that says what it is; a Java archive that does not say its group is known by its name only."""
    is_sure = package.kind != "maven" or bool(package.group)
    method = f"{package.kind}-metadata" if is_sure else f"{package.kind}-name"
    component = _component(package, where, method, 1.0 if is_sure else BY_NAME)
    properties = (("rocketaudit:inside", package.inside),) if package.inside else ()
    licences = (package.licence,) if package.licence else ()
    return replace(component, licences=licences, description=package.summary, properties=properties)


def _component(package: LanguagePackage, where: Locator, method: str, confidence: float) -> Component:
    name = f"{package.group}:{package.name}" if package.group else package.name
    known = re.sub(r"[-_.]+", "-", name).lower() if package.kind == "pypi" else name  # packaging.python.org, names
    return Component(
        ref=f"{package.kind}:{known}@{package.version}",
        kind="library",
        name=name,
        version=package.version,
        purl=_purl(package),
        where=(where,),
        found_by=method,
        confidence=confidence,
        parent=OS_REF,
    )


def _archive(evidence: Evidence, record: FileRecord, inside: Iterable[Component]) -> Component:
    """A Java archive as a file, with its digests and what it holds."""
    digests = (("SHA-256", record.sha256), ("SHA-512", record.sha512))
    properties = [("rocketaudit:role", "java-archive"), ("rocketaudit:size", str(record.size))]
    if record.unread:
        properties.append(("rocketaudit:unread", record.unread))
    return Component(
        ref=file_ref(record.path),
        kind="file",
        name=record.path,
        version=changed_at(record),
        hashes=tuple((name, value) for name, value in digests if value),
        where=(Locator(evidence.target.name, record.scope, record.path),),
        found_by="java-archive",
        parent=OS_REF,
        depends_on=tuple(sorted({component.ref for component in inside})),
        properties=tuple(properties),
    )


def _purl(package: LanguagePackage) -> str:
    """The package URL; "" for a Java archive that does not say its group."""
    namespace, plain, version = package.group, package.name, package.version
    if package.kind == "maven" and not namespace:
        return ""
    if package.kind == "npm":
        namespace, _, plain = plain.rpartition("/")
    known = re.sub(r"[-_.]+", "-", plain).lower() if package.kind == "pypi" else plain
    return make_purl(package.kind, namespace, known, version, {})
