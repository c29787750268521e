"""Packages of Python, Node and Java that somebody put into the image, by the names of their own files and folders.

Nothing is read for them, so they are as sure as a name is: a Python package says name and version in the folder of its
metadata (packaging.python.org, recording installed projects), a Java archive usually in its file name, Node its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from rocketaudit.analysis.sbom.system import OS_REF
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.filesystem import FileType

BY_NAME = 0.8
_PYTHON = re.compile(
    r"/(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>\d[A-Za-z0-9.!+_]*)(?:-py[0-9.]+)?"
    r"\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)\Z"
)
_NODE = re.compile(r"/node_modules/(?P<name>(?:@[a-z0-9~._-]+/)?[a-z0-9~_-][a-z0-9~._-]*)/package\.json\Z")
_JAVA = re.compile(r"/(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:-(?P<version>\d[A-Za-z0-9_.+-]*))?\.(?:jar|war|ear)\Z")
_ENDS = ("/METADATA", ".egg-info", "/PKG-INFO", "/package.json", ".jar", ".war", ".ear")


def language_components(evidence: Evidence) -> Iterator[Component]:
    """One component a package and version; each place where it lies is an occurrence."""
    found: dict[str, tuple[str, str, str, list[Locator]]] = {}
    for record in evidence.scope_files():
        if record.type is not FileType.REGULAR or not record.path.endswith(_ENDS):
            continue
        for kind, pattern in (("pypi", _PYTHON), ("npm", _NODE), ("maven", _JAVA)):
            match = pattern.search(record.path)
            if match is not None:
                name, version = match["name"], match.groupdict().get("version") or ""
                where = Locator(evidence.target.name, record.scope, record.path)
                found.setdefault(f"{kind}:{name}@{version}", (kind, name, version, []))[3].append(where)
    for ref, (kind, name, version, places) in found.items():
        yield Component(
            ref=ref,
            kind="library",
            name=name,
            version=version,
            purl=_purl(kind, name, version),
            where=tuple(places),
            found_by=f"{kind}-name",
            confidence=BY_NAME,
            parent=OS_REF,
        )


def _purl(kind: str, name: str, version: str) -> str:
    """The package URL; "" for Java, whose archives do not say their group."""
    if kind == "maven":
        return ""
    namespace, _, plain = name.rpartition("/")
    known = plain.replace("_", "-") if kind == "pypi" else plain
    try:
        return PackageURL(kind, namespace or None, known, version or None).to_string()
    except ValueError:
        return ""
