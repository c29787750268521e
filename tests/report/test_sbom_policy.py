"""What no image states of itself comes from the policy file, and from nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rocketaudit.analysis.sbom import components
from rocketaudit.errors import UsageError
from rocketaudit.formats.policy_toml import parse_policy
from rocketaudit.report.cyclonedx import write_cyclonedx
from rocketaudit.report.spdx_2 import write_spdx
from rocketaudit.report.spdx_3 import write_spdx3
from tests.analysis.sbom.test_components import image
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


COMPONENTS = b"""
[[sbom.component]]
match = ["*"]
basis = "we know"
creator = "psirt@example.org"
creator-name = "Example"
licence = "MIT"
distribution-licence = "Apache-2.0 OR MIT"
source-url = "https://example.org/source"
distribution-url = "https://example.org/image"
"""


def test_what_is_stated_of_components_reaches_spdx() -> None:
    """Where BSI TR-03183-2 v2.1 puts it in 3.0.1 (8.2), and the nearest in 2.3."""
    policy = parse_policy(COMPONENTS)
    report = replace(ordinary(), components=components(image(), statements=policy.sbom_components))
    graph = json.loads(write_spdx3(report))["@graph"]
    by_id = {one["spdxId"]: one for one in graph if "spdxId" in one}
    (program,) = (one for one in graph if one.get("name") == "/usr/bin/apiserver")
    (maker,) = (by_id[ref] for ref in program["originatedBy"])
    assert (maker["name"], maker["externalIdentifier"][0]["identifier"]) == ("Example", "psirt@example.org")
    assert set(program["software_additionalPurpose"]) == {"executable", "container"}
    assert program["externalRef"][0]["externalRefType"] == "binaryArtifact"
    kinds = {one["relationshipType"]: one for one in graph if one["type"] == "Relationship"}
    assert {"hasDeclaredLicense", "hasConcludedLicense", "generates"} <= set(kinds)
    assert by_id[kinds["generates"]["from"]]["software_primaryPurpose"] == "source"
    assert program["spdxId"] in kinds["generates"]["to"]
    crate = next(one for one in graph if one.get("name") == "serde")
    assert {one["externalIdentifierType"] for one in crate["externalIdentifier"]} == {"packageUrl"}
    (older,) = (one for one in json.loads(write_spdx(report))["packages"] if one["name"] == "serde")
    assert older["originator"] == "Organization: Example (psirt@example.org)"
    assert (older["licenseConcluded"], older["licenseDeclared"]) == ("Apache-2.0 OR MIT", "MIT")
    assert older["downloadLocation"] == "https://example.org/image"


def test_the_identity_of_components_may_be_one_object_for_older_readers() -> None:
    """Valid by the schema of 1.6 and 1.7, which call that form old; Syft 1.18 refuses the list."""
    report = ordinary()
    for extra, kind in ((None, list), ({"sbom:identity": "object"}, dict)):
        for version in ("1.6", "1.7"):
            document = json.loads(write_cyclonedx(replace(report, extra=extra), version))
            assert isinstance(document["metadata"]["component"]["evidence"]["identity"], kind)
            assert problems(document, version) == []
