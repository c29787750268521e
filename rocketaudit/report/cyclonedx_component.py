"""One component as a CycloneDX object, and how components nest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rocketaudit.formats.spdx_expression import licence_choice
from rocketaudit.model.component import Component
from rocketaudit.model.fact import Locator
from rocketaudit.report.escape import shorten

MAX_OCCURRENCES = 1_000
_TYPES = frozenset({
    "application", "framework", "library", "container", "platform", "operating-system", "device", "device-driver",
    "firmware", "file", "machine-learning-model", "data", "cryptographic-asset",
})  # fmt: skip
# formatted string of CPE 2.3, or URI of CPE 2.2 (NIST IR 7695, 6.2 and 6.1); the schema refuses anything else
CPE = re.compile(
    r"(cpe:2\.3:[aho*-](:([A-Za-z0-9._*?~-]|\\[!-/:-@\[-`{-~])+){10}|cpe:/[aho](:[A-Za-z0-9._~%-]*){0,6})\Z"
)
_HEX = re.compile(r"[0-9a-fA-F]+")
_LENGTHS = {"SHA-256": 64, "SHA-384": 96, "SHA-512": 128}
_TECHNIQUES = {
    "inventory": "manifest-analysis",
    "source-package": "manifest-analysis",
    "os-release": "manifest-analysis",
    "attribution": "manifest-analysis",
    "elf": "binary-analysis",
    "elf-note": "binary-analysis",
    "go-buildinfo": "binary-analysis",
    "go-path": "binary-analysis",
    "crate-dep-v0": "binary-analysis",
    "crate-path": "binary-analysis",
    "vendor-sbom": "attestation",
    "pypi-metadata": "manifest-analysis",
    "npm-metadata": "manifest-analysis",
    "maven-metadata": "manifest-analysis",
    "pypi-name": "filename",
    "npm-name": "filename",
    "maven-name": "filename",
}


def component_object(component: Component) -> dict[str, Any]:
    """The object with every field that the component states."""
    out: dict[str, Any] = {
        "type": component.kind if component.kind in _TYPES else "file",
        "bom-ref": component.ref or component.name or "unnamed",
    }
    if component.supplier:
        out["supplier"] = {"name": component.supplier}
        out["publisher"] = component.supplier
    out["name"] = component.name or "unnamed"
    if component.version:
        out["version"] = shorten(component.version, 1024)
    if component.description:
        out["description"] = component.description
    hashes = [{"alg": name, "content": value} for name, value in component.hashes if is_hash(name, value)]
    if hashes:
        out["hashes"] = hashes
    licences = licence_choice(component.licences)
    if licences:
        out["licenses"] = licences
    if component.copyright:
        out["copyright"] = component.copyright
    if CPE.match(component.cpe):
        out["cpe"] = component.cpe
    if component.purl:
        out["purl"] = component.purl
    evidence = _evidence(component)
    if evidence:
        out["evidence"] = evidence
    properties = [*_bsi_properties(component), *component.properties]
    if properties:
        out["properties"] = [{"name": name, "value": value} for name, value in properties]
    return out


def nest(components: Sequence[Component], root: str) -> list[dict[str, Any]]:
    """The components as a tree of at most two levels: files stand inside their package.

    Everything else stands at the top: Trivy 0.76 does not look into nested components and would miss their crates.
    """
    by_ref = {component.ref: component for component in components}
    objects = {component.ref: component_object(component) for component in components}
    top = []
    for component in components:
        parent = by_ref.get(component.parent)
        is_inner = parent is not None and parent.ref != component.ref and parent.parent in ("", root)
        if is_inner and component.kind in ("file", "firmware"):
            objects[component.parent].setdefault("components", []).append(objects[component.ref])
        else:
            top.append(objects[component.ref])
    return top


def entity(name: str, url: str = "", email: str = "") -> dict[str, Any]:
    """An organisation, or {} when nobody is named."""
    if not name:
        return {}
    out: dict[str, Any] = {"name": name}
    if url:
        out["url"] = [url]
    if email:
        out["contact"] = [{"name": name, "email": email}]
    return out


def _bsi_properties(component: Component) -> list[tuple[str, str]]:
    """What BSI TR-03183-2 v2.1 asks of every file, spelled as its own property taxonomy."""
    if component.kind not in ("file", "firmware"):
        package = dict(component.properties).get("rocketaudit:package-file", "")
        return [("bsi:component:filename", package)] if package else []
    runs = component.found_by in ("elf", "script", "kernel", "java-archive")
    return [
        ("bsi:component:filename", component.name.rpartition("/")[2] or component.name),
        ("bsi:component:executable", "executable" if runs else "non-executable"),
        ("bsi:component:archive", "archive" if component.found_by in ("disk-image", "java-archive") else "no archive"),
        ("bsi:component:structured", "unstructured" if component.found_by == "firmware" else "structured"),
    ]


def is_hash(name: str, value: str) -> bool:
    return len(value) == _LENGTHS.get(name, -1) and _HEX.fullmatch(value) is not None


def _evidence(component: Component) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if component.found_by:
        technique = _TECHNIQUES.get(component.found_by, "filename" if component.kind == "file" else "other")
        field, value = ("purl", component.purl) if component.purl else ("name", component.name or "unnamed")
        confidence = min(1.0, max(0.0, component.confidence))
        method = {"technique": technique, "confidence": confidence, "value": component.found_by}
        identity = {"field": field, "confidence": confidence, "concludedValue": value, "methods": [method]}
        out["identity"] = [identity]
    occurrences = [_occurrence(where) for where in component.where[:MAX_OCCURRENCES] if where.path]
    if occurrences:
        out["occurrences"] = occurrences
    return out


def _occurrence(where: Locator) -> dict[str, Any]:
    out: dict[str, Any] = {"location": where.path}
    if where.offset is not None and where.offset >= 0:
        out["offset"] = where.offset
    if where.partition:
        out["additionalContext"] = where.partition
    return out
