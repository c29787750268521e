"""JSON Schemas (draft 2020-12) out of the dataclasses that the codec writes, so that both always agree."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any, Union

from rocketaudit.formats.evidence_file import HEADER_FIELDS, EvidenceHeader
from rocketaudit.model import codec
from rocketaudit.model.codec_hints import is_json
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key
from rocketaudit.model.report import REPORT_SCHEMA
from rocketaudit.model.schemas import EVIDENCE_SCHEMA
from rocketaudit.report.document import ReportDocument
from rocketaudit.report.drift_document import DRIFT_SCHEMA, DriftDocument

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    Key: {"type": "string", "description": "namespace:subject#attribute; several subjects are a JSON list"},
}
_JSON = {"description": "any JSON value"}


def report_schema() -> dict[str, Any]:
    """The schema of the JSON report."""
    definitions: dict[str, Any] = {}
    whole = _schema(ReportDocument, definitions)
    root = definitions.pop(_name_of(whole))
    root["properties"]["schema"] = {"const": REPORT_SCHEMA}
    return _document(REPORT_SCHEMA, root, definitions)


def evidence_schema() -> dict[str, Any]:
    """The schema of an evidence file; our own loader is stricter still (digest, duplicate keys)."""
    definitions: dict[str, Any] = {}
    header, body = _schema(EvidenceHeader, definitions), _schema(Evidence, definitions)
    definitions[_name_of(header)]["properties"]["schema"] = {"const": EVIDENCE_SCHEMA}
    for name in HEADER_FIELDS:
        definitions[_name_of(body)]["properties"].pop(name)
    root = {
        "type": "object",
        "properties": {"header": header, "body": body},
        "required": ["header", "body"],
        "additionalProperties": False,
    }
    return _document(EVIDENCE_SCHEMA, root, definitions)


def drift_schema() -> dict[str, Any]:
    """The schema of a drift in JSON."""
    definitions: dict[str, Any] = {}
    whole = _schema(DriftDocument, definitions)
    root = definitions.pop(_name_of(whole))
    root["properties"]["schema"] = {"const": DRIFT_SCHEMA}
    return _document(DRIFT_SCHEMA, root, definitions)


def _document(name: str, root: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "$id": f"urn:{name}",
        "title": name,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _name_of(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if is_json(hint):
        return dict(_JSON)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if isinstance(hint, type) and is_dataclass(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # a place holder, for types that hold themselves
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin in (Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not type(None))
        return {"anyOf": [_schema(inner, definitions), {"type": "null"}]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no schema for {hint!r}")


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    known = [field for field in fields(cls) if not field.name.startswith("_")]
    properties = {}
    for field in known:
        schema = _schema(hints[field.name], definitions)
        default = _default(field)
        if default is not MISSING and "$ref" not in schema and not (default is None and schema == _JSON):
            schema["default"] = default
        properties[field.name] = schema
    out: dict[str, Any] = {"type": "object"}
    if cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}("):
        out["description"] = " ".join(cls.__doc__.split())
    out["properties"] = properties
    out["required"] = [field.name for field in known if _default(field) is MISSING]
    out["additionalProperties"] = False
    return out


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        return MISSING if field.default_factory is MISSING else []
    value = field.default
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return codec.encode(value)
    return list(value) if isinstance(value, tuple) else value
