"""The official CycloneDX schemas with format checks, as our tests apply them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
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
    return kind(main, registry=registry, format_checker=kind.FORMAT_CHECKER)


def problems(document: dict[str, Any], version: str) -> list[str]:
    """What is wrong, at most 20 lines."""
    found = cyclonedx_validator(version).iter_errors(document)
    return [f"{error.json_path}: {error.message[:200]}" for _, error in zip(range(20), found, strict=False)]
