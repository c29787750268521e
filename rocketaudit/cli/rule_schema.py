"""Rule files against rule.schema.json: what editors check while you type, checked once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rocketaudit.analysis.benchmark.loader import EXAMPLES, HEAD
from rocketaudit.errors import FormatError
from rocketaudit.formats.strict_yaml import load_strict
from rocketaudit.resources import read_text

MAX_PROBLEMS = 50


def check_schema(files: Mapping[str, bytes]) -> list[str]:
    """One line for everything that the schema refuses, at most fifty."""
    from jsonschema import Draft202012Validator

    schema = json.loads(read_text("benchmarks/cis/rule.schema.json"))
    rules = Draft202012Validator(schema)
    head = Draft202012Validator({"$ref": "#/$defs/benchmark", "$defs": schema["$defs"]})
    problems: list[str] = []
    for path, data in sorted(files.items()):
        if path.endswith(EXAMPLES):
            continue
        try:
            raw = load_strict(data)
        except FormatError as error:
            problems.append(f"{path}: {error}")
            continue
        validator = head if path.rpartition("/")[2] == HEAD else rules
        problems += [
            f"{path}: {_place(error.absolute_path, raw)}{error.message}" for error in validator.iter_errors(raw)
        ]
    return problems[:MAX_PROBLEMS]


def _place(path: Any, raw: Any) -> str:
    parts = list(path)
    if not parts:
        return ""
    first = raw[parts[0]] if isinstance(raw, list) and isinstance(parts[0], int) else None
    name = first.get("id", parts[0]) if isinstance(first, Mapping) else parts[0]
    return f"{'/'.join(str(part) for part in (name, *parts[1:]))}: "
