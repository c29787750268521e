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
    """One document: its name, where it lies, and versions by purl type and name."""

    name: str
    where: Locator
    by_type: Mapping[str, Mapping[str, set[str]]]

    def versions(self, kind: str) -> Mapping[str, set[str]]:
        """Name -> versions for one purl type; RPM names without Bottlerocket's prefix."""
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
                kind, known, stated = _identity(listed, version, purl)
                by_type[kind][known].add(stated)
        return Vendor(name, fact.where, by_type)
    return None


def _identity(name: str, version: str, purl: str) -> tuple[str, str, str]:
    """(purl type, name, version): out of the purl where there is one (purl-spec: type/namespace/name@version)."""
    if not purl.startswith("pkg:"):
        return "", name, version
    kind, _, rest = purl.removeprefix("pkg:").lstrip("/").partition("/")
    path = rest.partition("#")[0].partition("?")[0]
    head, at, stated = path.rpartition("@")
    full = unquote(head if at else path)
    if kind == "rpm":
        return kind, full.rpartition("/")[2].removeprefix("bottlerocket-"), unquote(stated) if at else version
    return kind, full if kind == "golang" else full.rpartition("/")[2], unquote(stated) if at else version
