"""The published schemas say what our writers write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.report.json_schema import drift_schema, evidence_schema, report_schema
from rocketaudit.report.report_json import write_json
from rocketaudit.resources import read_text
from tests.model.test_codec import sample
from tests.report.samples import clean, hostile, ordinary
from tests.support import REPO

SCHEMAS = {"report-1.0.json": report_schema, "evidence-1.0.json": evidence_schema, "drift-1.0.json": drift_schema}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads(read_text(f"reports/schema/{name}"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.golden
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_what_the_types_say(name: str) -> None:
    """Until a release the file follows the types; after it the types may only add, under a new name."""
    text = json.dumps(SCHEMAS[name](), indent=1) + "\n"
    path = REPO / "reports" / "schema" / name
    if os.environ.get("ROCKETAUDIT_GOLDEN") == "write":
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("make", [ordinary, clean, hostile], ids=lambda make: make.__name__)
def test_every_report_is_valid(make: Callable[[], Any]) -> None:
    assert list(validator("report-1.0.json").iter_errors(json.loads(write_json(make())))) == []


def test_evidence_is_valid() -> None:
    assert list(validator("evidence-1.0.json").iter_errors(json.loads(dump_evidence(sample(5, 5))))) == []


@pytest.mark.parametrize("change", [{"schema": "x"}, {"surprise": 1}, {"unread": [{"scope": "a"}]}, {"score": None}])
def test_a_report_that_breaks_a_promise_is_invalid(change: dict[str, Any]) -> None:
    assert not validator("report-1.0.json").is_valid(json.loads(write_json(ordinary())) | change)
