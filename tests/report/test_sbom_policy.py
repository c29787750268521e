"""What no image states of itself comes from the policy file, and from nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rocketaudit.errors import UsageError
from rocketaudit.formats.policy_toml import parse_policy
from rocketaudit.report.cyclonedx import write_cyclonedx
from tests.report.cyclonedx_schema import problems
from tests.report.samples import ordinary

POLICY = b"""
[sbom]
author-name = "Release team"
author-email = "release@example.org"
manufacturer = "Example"
manufacturer-url = "https://example.org"
supplier = "Example"
contact-email = "psirt@example.org"
licence = "CC0-1.0"
"""


def test_the_policys_table_reaches_the_metadata() -> None:
    report = replace(ordinary(), extra=parse_policy(POLICY).sbom)
    document = json.loads(write_cyclonedx(report))
    metadata = document["metadata"]
    assert metadata["authors"] == [{"name": "Release team", "email": "release@example.org"}]
    assert metadata["supplier"]["contact"][0]["email"] == "psirt@example.org"
    assert metadata["licenses"] == [{"expression": "CC0-1.0"}]
    assert problems(document, "1.6") == []


def test_a_misspelt_name_is_refused() -> None:
    with pytest.raises(UsageError, match="author"):
        parse_policy(b'[sbom]\nauthor = "x"\n')
