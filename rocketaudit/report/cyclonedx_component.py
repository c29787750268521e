"""One component as a CycloneDX object, and how components nest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rocketaudit.formats.spdx_expression import licence_choice
from rocketaudit.model.component import Component
from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass
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


@dataclass(frozen=True, slots=True)
class Form:
    """How a component is written: 1.6 allows one licence expression or a list of licences, later versions both."""

    spec_version: str = "1.6"
    has_identity_list: bool = True


PLAIN = Form()


_BUILD = ("rocketaudit:crate-kind", "build")  # used to build, and not reachable at run time


def component_object(component: Component, form: Form = PLAIN) -> dict[str, Any]:
    """The object with every field that the component states."""
    out: dict[str, Any] = {
        "type": component.kind if component.kind in _TYPES else "file",
        "bom-ref": component.ref or component.name or "unnamed",
    }
    if component.supplier:
        out["supplier"] = {"name": component.supplier}
        out["publisher"] = component.supplier
    if component.creator:
        out["manufacturer"] = _creator(component)
    out["name"] = component.name or "unnamed"
    licences, observed = _licences(component, form)
    evidence = _evidence(component, form)
    if observed:
        evidence["licenses"] = observed
    hashes = [{"alg": name, "content": value} for name, value in component.hashes if is_hash(name, value)]
    properties = [*bsi_properties(component), *component.properties]
    members = {
        "version": shorten(component.version, 1024),
        "description": component.description,
        "scope": "excluded" if _BUILD in component.properties else "",
        "hashes": hashes,
        "licenses": licences,
        "copyright": component.copyright,
        "cpe": component.cpe if CPE.match(component.cpe) else "",
        "purl": component.purl,
        "evidence": evidence,
        "externalReferences": _references(component),
        "properties": [{"name": name, "value": value} for name, value in properties],
    }
    return out | {name: value for name, value in members.items() if value}


def nest(components: Sequence[Component], root: str, form: Form = PLAIN) -> list[dict[str, Any]]:
    """The components as a tree of at most two levels: files stand inside their package.

    Everything else stands at the top: Trivy 0.76 does not look into nested components and would miss their crates.
    """
    by_ref = {component.ref: component for component in components}
    objects = {component.ref: component_object(component, form) for component in components}
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


def _creator(component: Component) -> dict[str, Any]:
    """Who made it, by an e-mail address or a URL, never both (BSI TR-03183-2 v2.1, 8.2)."""
    named = {"name": component.creator_name} if component.creator_name else {}
    if "://" in component.creator:
        return {**named, "url": [component.creator]}
    return {**named, "contact": [{**named, "email": component.creator}]}


def _licences(component: Component, form: Form) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(licences, licences that are only observed): what is declared, and under what it is handed on.

    Where 1.6 has no place for both, because one is an expression, what is declared stands as evidence.
    """
    declared = licence_choice(component.licences)
    if not component.distribution_licence:
        return declared, []
    concluded = licence_choice((component.distribution_licence,), "concluded")
    is_mixed = any("expression" in one for one in (*declared, *concluded))
    if declared and is_mixed and form.spec_version == "1.6":
        return concluded, declared
    return [*declared, *concluded], []


def _references(component: Component) -> list[dict[str, Any]]:
    """Where the source and the deployable form are; the latter with the file's digest, where BSI's table puts it."""
    out: list[dict[str, Any]] = []
    if component.source_url:
        out.append({"type": "source-distribution", "url": component.source_url})
    if component.distribution_url:
        digest = dict(component.hashes).get("SHA-512", "")
        hashes = {"hashes": [{"alg": "SHA-512", "content": digest}]} if is_hash("SHA-512", digest) else {}
        out.append({"type": "distribution", "url": component.distribution_url, **hashes})
    return out


def bsi_properties(component: Component) -> list[tuple[str, str]]:
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


def _evidence(component: Component, form: Form) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if component.found_by:
        technique = _TECHNIQUES.get(component.found_by, "filename" if component.kind == "file" else "other")
        field, value = ("purl", component.purl) if component.purl else ("name", component.name or "unnamed")
        confidence = min(1.0, max(0.0, component.confidence))
        method = {"technique": technique, "confidence": confidence, "value": component.found_by}
        identity = {"field": field, "confidence": confidence, "concludedValue": value, "methods": [method]}
        out["identity"] = [identity] if form.has_identity_list else identity
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
