"""Bills of materials of other programs, as far as they can be compared: CycloneDX, SPDX 2 and SPDX 3 in JSON.

Formats: cyclonedx.org/docs (1.2 to 1.7), spdx.github.io/spdx-spec/v2.3 and v3.0.1. Anything that is not a list of named
things with versions is left out; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rocketaudit.errors import BudgetError, FormatError, UnsupportedError
from rocketaudit.formats.strict_json import loads
from rocketaudit.model.component import Component
from rocketaudit.model.target import Target, TargetKind

MAX_COMPONENTS = 1_000_000
MAX_BYTES = 512 << 20
_DEPTH = 32
_OURS = "rocketaudit:"  # starts the names of properties that our own documents hold


def is_sbom(record: object) -> bool:
    """Whether parsed JSON says that it is a bill of materials that `parse_sbom` reads."""
    if not isinstance(record, Mapping):
        return False
    return record.get("bomFormat") == "CycloneDX" or "spdxVersion" in record or _is_spdx_3(record)


def parse_sbom(data: bytes, name: str) -> tuple[Target, tuple[Component, ...]]:
    """What the document is about and what it lists; FormatError for another document, or one that contradicts."""
    record = loads(data, what="bill of materials", max_bytes=MAX_BYTES)
    if not is_sbom(record):
        raise UnsupportedError("not a bill of materials that we read: CycloneDX or SPDX in JSON expected")
    if record.get("bomFormat") == "CycloneDX":
        return _target(record, name), tuple(_bounded(_cyclonedx(record.get("components", []), 0)))
    listed = tuple(_bounded(_spdx_3(record) if _is_spdx_3(record) else _spdx(record)))
    systems = [component for component in listed if component.kind == "operating-system"]
    if len(systems) != 1:
        return Target(name, TargetKind.IMAGE), listed
    (one,) = systems
    return Target(name, TargetKind.IMAGE, os_id=one.name.lower(), os_name=one.name, version=one.version), listed


def _is_spdx_3(record: Mapping[str, Any]) -> bool:
    context = record.get("@context")
    return isinstance(context, str) and "spdx.org/rdf/3." in context and isinstance(record.get("@graph"), list)


def _target(record: Mapping[str, Any], name: str) -> Target:
    metadata = record.get("metadata")
    root = metadata.get("component") if isinstance(metadata, Mapping) else None
    if not isinstance(root, Mapping) or root.get("type") != "operating-system":
        return Target(name, TargetKind.IMAGE)
    said = {_text(one, "name"): _text(one, "value") for one in _list(root, "properties") if isinstance(one, Mapping)}
    return Target(
        name,
        TargetKind.IMAGE,
        os_id=_text(root, "name").lower(),  # of both names this is the one that os-release writes in small letters
        os_name=_text(root, "name"),
        variant=said.get(f"{_OURS}variant", ""),
        version=_text(root, "version"),
        build=said.get(f"{_OURS}build-id", ""),
        arch=said.get(f"{_OURS}arch", ""),
    )


def _bounded(found: Iterator[Component]) -> Iterator[Component]:
    for number, component in enumerate(found):
        if number >= MAX_COMPONENTS:
            raise BudgetError(f"a bill of materials with more than {MAX_COMPONENTS} components")
        yield component


def _cyclonedx(components: object, depth: int) -> Iterator[Component]:
    if not isinstance(components, list) or depth > _DEPTH:
        raise FormatError("components of a bill of materials are no list, or nested too deeply")
    for number, one in enumerate(components):
        if not isinstance(one, Mapping) or not _text(one, "name"):
            raise FormatError(f"component {number} of a bill of materials has no name")
        hashes = tuple(
            (_text(each, "alg"), _text(each, "content")) for each in _list(one, "hashes") if isinstance(each, Mapping)
        )
        group = _text(one, "group")
        name = f"{group}/{one['name']}" if group else str(one["name"])
        yield Component(
            _text(one, "bom-ref") or name, _text(one, "type"), name, _text(one, "version"), _text(one, "purl"),
            hashes=hashes,
        )  # fmt: skip
        if one.get("components"):
            yield from _cyclonedx(one["components"], depth + 1)


def _spdx(record: Mapping[str, Any]) -> Iterator[Component]:
    for number, one in enumerate(_list(record, "packages")):
        if not isinstance(one, Mapping) or not _text(one, "name"):
            raise FormatError(f"package {number} of a bill of materials has no name")
        purls = (
            _text(each, "referenceLocator")
            for each in _list(one, "externalRefs")
            if isinstance(each, Mapping) and each.get("referenceType") == "purl"
        )
        yield Component(
            _text(one, "SPDXID"), _spdx_kind(one), str(one["name"]), _text(one, "versionInfo"), next(purls, ""),
            hashes=_checksums(one),
        )  # fmt: skip
    for one in _list(record, "files"):
        if isinstance(one, Mapping) and _text(one, "fileName"):
            name = _text(one, "fileName").removeprefix(".")
            yield Component(_text(one, "SPDXID"), "file", name, hashes=_checksums(one))


def _spdx_3(record: Mapping[str, Any]) -> Iterator[Component]:
    """Packages and files of the graph; a File of SPDX 3 has no version."""
    kinds = {"operatingSystem": "operating-system", "firmware": "firmware"}
    for number, one in enumerate(_list(record, "@graph")):
        kind = one.get("type") if isinstance(one, Mapping) else None
        if kind not in ("software_Package", "software_File"):
            continue
        if not _text(one, "name"):
            raise FormatError(f"element {number} of a bill of materials has no name")
        hashes = tuple(
            (_text(each, "algorithm").replace("sha", "SHA-"), _text(each, "hashValue"))
            for each in _list(one, "verifiedUsing")
            if isinstance(each, Mapping)
        )
        otherwise = "file" if kind == "software_File" else "library"
        yield Component(
            _text(one, "spdxId"), kinds.get(_text(one, "software_primaryPurpose"), otherwise), _text(one, "name"),
            _text(one, "software_packageVersion"), _text(one, "software_packageUrl"), hashes=hashes,
        )  # fmt: skip


def _spdx_kind(package: Mapping[str, Any]) -> str:
    """CycloneDX's type for what a package of SPDX 2.3 is for (7.24)."""
    purpose = _text(package, "primaryPackagePurpose")
    kinds = {"FILE": "file", "FIRMWARE": "firmware", "OPERATING_SYSTEM": "operating-system"}
    return kinds.get(purpose.replace("-", "_"), "library")


def _checksums(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    names = {"SHA256": "SHA-256", "SHA512": "SHA-512"}
    found = (each for each in _list(record, "checksums") if isinstance(each, Mapping))
    return tuple((names.get(_text(e, "algorithm"), _text(e, "algorithm")), _text(e, "checksumValue")) for e in found)


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    found = record.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise FormatError(f"{name} of a bill of materials are no list")
    return found


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""
