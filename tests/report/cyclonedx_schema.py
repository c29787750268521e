"""The official CycloneDX schemas with format checks, as our tests apply them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from tests.support import REPO


@cache
def cyclonedx_validator(version: str) -> Any:
    """A validator for one spec version; every reference is answered from the repository."""
    folder = REPO / "sbom" / "schema" / f"cyclonedx-{version}"
    schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.schema.json")}
    registry = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema, default_specification=DRAFT7)) for schema in schemas.values()]
    )
    main = schemas[f"bom-{version}.schema.json"]
    kind = validator_for(main, default=Draft7Validator)
    return kind(main, registry=registry, format_checker=_remembering(kind.FORMAT_CHECKER))


def _remembering(checker: FormatChecker) -> FormatChecker:
    """The same answers, but the grammar of addresses (20 ms) is asked once for each."""
    found = FormatChecker(formats=())
    found.checkers = {name: (_asked_once(check), raises) for name, (check, raises) in checker.checkers.items()}
    return found


def _asked_once(check: Callable[[object], bool]) -> Callable[[object], bool]:
    remembered = cache(check)
    return lambda value: not isinstance(value, str) or remembered(value)


def everything(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, however deep."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from everything(part)


def dangling(document: dict[str, Any]) -> list[str]:
    """References that lead to nothing, and names that are given twice."""
    refs = [item["bom-ref"] for item in everything(document) if "bom-ref" in item]
    known = set(refs)
    found = [f"twice: {ref}" for ref in sorted(known) if refs.count(ref) > 1] if len(refs) != len(known) else []
    used: list[str] = []
    for item in document["dependencies"]:
        used += [item["ref"], *item.get("dependsOn", ())]
    for item in document["compositions"]:
        used += [*item.get("assemblies", ()), *item.get("dependencies", ())]
    for item in everything(document.get("declarations", {})):
        used += [item[name] for name in ("assessor", "requirement", "target") if isinstance(item.get(name), str)]
        for name in ("claims", "counterClaims", "evidence", "mitigationStrategies"):
            used += [one for one in item.get(name) or () if isinstance(one, str)]
    return [*found, *(f"nowhere: {ref}" for ref in used if ref not in known)]


def unreached(document: dict[str, Any]) -> list[str]:
    """Components that no dependency leads to from the system, and of which no composition says why."""
    needs = {item["ref"]: item.get("dependsOn", []) for item in document["dependencies"]}
    stated = {item["bom-ref"].removeprefix("composition:"): item for item in document["compositions"]}
    system = document["metadata"]["component"]["bom-ref"]
    seen, pending = {system}, [system]
    while pending:
        new = set(needs.get(pending.pop(), ())) - seen
        seen |= new
        pending += new
    carriers = set(stated.get("named-by-licence-texts", {}).get("dependencies", ()))
    names = {item["name"] for item in everything(document) if item.get("bom-ref") in carriers}
    names |= {name.removeprefix("bottlerocket-") for name in names}
    found = []
    for item in everything(document["components"]):
        if "bom-ref" not in item or item["bom-ref"] in seen:
            continue
        by = {one["value"] for one in item.get("properties", ()) if one["name"] == "rocketaudit:carried-by"}
        is_carried = any(name.removeprefix("bottlerocket-") in names for name in by)
        is_whole = stated.get("packages-of-the-root", {}).get("aggregate") == "complete"
        if is_whole and not is_carried:
            found.append(item["bom-ref"])
    return found


def problems(document: dict[str, Any], version: str) -> list[str]:
    """What is wrong, at most 20 lines."""
    found = cyclonedx_validator(version).iter_errors(document)
    return [f"{error.json_path}: {error.message[:200]}" for _, error in zip(range(20), found, strict=False)]
