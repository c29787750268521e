"""The vendor's bill of materials, as the evidence holds it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from urllib.parse import unquote

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.records import dataclass

DOCUMENTS = ("cyclonedx-sbom.json", "spdx-sbom.json")


@dataclass(frozen=True, slots=True)
class Vendor:
    """One document: its name, where it lies, what it is about, and versions by purl type and `known_name`."""

    name: str
    where: Locator
    by_type: Mapping[str, Mapping[str, set[str]]]
    subject: str = ""
    version: str = ""

    def versions(self, kind: str) -> Mapping[str, set[str]]:
        """Name as `known_name` gives it -> versions, for one purl type; RPM names without Bottlerocket's prefix."""
        return self.by_type.get(kind, {})


def read_vendor(evidence: Evidence) -> Vendor | None:
    """The first embedded document that lists anything, or None."""
    for name in DOCUMENTS:
        fact = evidence.get(Key("vendor_sbom", (name,), "components"), Plane.STATIC)
        if fact.state is not State.PRESENT or not isinstance(fact.value, tuple):
            continue
        by_type: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for row in fact.value:
            if isinstance(row, tuple) and len(row) == 3 and all(isinstance(part, str) for part in row):
                listed, version, purl = map(str, row)
                kind, known, stated = identity(listed, version, purl)
                by_type[kind][known_name(kind, known)].add(stated)
        return Vendor(name, fact.where, by_type, *_subject(evidence, name))
    return None


def _subject(evidence: Evidence, document: str) -> tuple[str, str]:
    """What the document says it is about: name in lower case and version, "" where it does not say."""
    fact = evidence.get(Key("vendor_sbom", (document,), "subject"), Plane.STATIC)
    if fact.state is State.PRESENT and isinstance(fact.value, tuple) and len(fact.value) == 2:
        name, version = map(str, fact.value)
        return name.lower(), version
    return "", ""


def known_name(kind: str, name: str) -> str:
    """A name as its registry tells names apart.

    crates.io takes "-" for "_" and no two names that differ in case; package URLs may write modules in lower case
    (purl-spec, golang).
    """
    if kind == "cargo":
        return name.replace("_", "-").casefold()
    return name.casefold() if kind == "golang" else name


def known_version(kind: str, version: str) -> str:
    """A version as lists write it in different ways: without epoch, Go's "v" and what no order counts (semver, 10)."""
    if kind == "cargo":
        return version.partition("+")[0]
    bare = version.rpartition(":")[2]
    return bare.removeprefix("v").removesuffix("+incompatible") if kind == "golang" else bare


def identity(name: str, version: str, purl: str) -> tuple[str, str, str]:
    """(purl type, name, version): out of the purl where there is one (purl-spec: type/namespace/name@version), else "".

    Syft writes the rest of a Go module's path as the purl's subpath: github.com/a/b/v2 is golang/github.com/a/b#v2.
    """
    if not purl.startswith("pkg:"):
        return "", name, version
    kind, _, rest = purl.removeprefix("pkg:").lstrip("/").partition("/")
    before, _, subpath = rest.partition("#")
    path = before.partition("?")[0]
    head, at, stated = path.rpartition("@")
    full = unquote(head if at else path)
    if kind in ("rpm", "bottlerocket"):
        return kind, full.rpartition("/")[2].removeprefix("bottlerocket-"), unquote(stated) if at else version
    if kind == "golang":
        full = "/".join(part for part in (full, unquote(subpath)) if part)
    else:
        full = full.rpartition("/")[2]
    return kind, full, unquote(stated) if at else version
