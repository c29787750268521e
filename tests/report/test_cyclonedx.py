"""CycloneDX documents: valid by the official schemas, honest about completeness, the same every time."""

from __future__ import annotations

import hashlib
import json
import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.analysis.sbom import components
from rocketaudit.model.component import Component
from rocketaudit.model.fact import Locator
from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.report import Report
from rocketaudit.model.trust import ChainLink, LinkState
from rocketaudit.report.cyclonedx import SPEC_VERSIONS, write_cyclonedx
from tests.analysis.made import fact
from tests.analysis.sbom.test_components import image
from tests.report.cyclonedx_javascript import check_with_javascript
from tests.report.cyclonedx_schema import cyclonedx_validator, dangling, everything, problems, unreached
from tests.report.samples import clean, hostile, ordinary
from tests.support import REPO, shared_data


def full() -> Report:
    value = image()
    return replace(ordinary(), evidence=value, components=components(value), unread=())


every_report = pytest.mark.parametrize("make", [ordinary, clean, hostile, full], ids=lambda make: make.__name__)
every_version = pytest.mark.parametrize("version", SPEC_VERSIONS)


def document(report: Report, version: str = "1.6") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_cyclonedx(report, version))
    return found


def test_the_shipped_schemas_are_the_ones_that_the_readme_names() -> None:
    rows = re.findall(r"\| (\S+\.json) \|.*\| ([0-9a-f]{64}) \|", (REPO / "sbom" / "README.md").read_text())
    files = list((REPO / "sbom" / "schema").glob("*/*.json"))
    assert len(files) == 7
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == dict(rows)[path.name]


@every_version
def test_our_validator_agrees_with_every_official_sample(version: str) -> None:
    """The samples of the specification itself; without format checks two of them would be judged wrongly."""
    samples = sorted(shared_data("sbom", "cdx-official", version).glob("*.json"))
    assert len(samples) > 40
    wrong = [
        path.name
        for path in samples
        if cyclonedx_validator(version).is_valid(json.loads(path.read_text())) is not path.name.startswith("valid-")
    ]
    assert wrong == []


@every_report
@every_version
def test_every_document_is_valid(make: Callable[[], Report], version: str) -> None:
    assert problems(document(make(), version), version) == []


@every_version
def test_the_projects_own_validator_accepts_it(version: str, tmp_path: Path) -> None:
    paths = []
    for make in (full, hostile):
        paths.append(tmp_path / f"{make.__name__}.cdx.json")
        paths[-1].write_bytes(write_cyclonedx(make(), version))
    assert check_with_javascript(*paths) == ""


@every_report
def test_every_reference_leads_to_something(make: Callable[[], Report]) -> None:
    assert dangling(document(make())) == []


def test_files_stand_inside_their_package() -> None:
    top = {component["name"]: component for component in document(full())["components"]}
    inner = {component["name"] for component in top["apiserver"]["components"]}
    assert inner == {"/usr/bin/apiserver"}
    assert "tokio" in top  # Trivy reads no nested components, so it would not match crates in them
    assert "/usr/bin/nc" in top
    assert "purl" not in top["/usr/bin/nc"]


def test_only_packages_and_files_are_dependencies_of_the_system_and_its_packages() -> None:
    """Trivy takes everything that an OS package needs for a package of the OS, and then for no crate."""
    found = {item["ref"]: item.get("dependsOn", []) for item in document(full())["dependencies"]}
    assert "file:/usr/bin/apiserver" in next(
        needs for ref, needs in found.items() if ref.startswith("package:apiserver@")
    )
    for ref, needs in found.items():
        if ref == "os" or ref.startswith("package:"):
            assert [one for one in needs if one.startswith(("crate:", "go:", "pypi:", "npm:", "maven:"))] == []


def test_what_no_dependency_leads_to_is_stated_with_its_reason() -> None:
    """Crates of licence texts only, and packages of Python: no file or package of the system is known to need them."""
    value = full()
    read = (fact("inventory", "packages", ()), fact("inventory", "problems", ()))
    value = replace(value, evidence=replace(value.evidence, facts=(*value.evidence.facts, *read), _facts={}))
    whole = document(value)
    stated = {item["bom-ref"].removeprefix("composition:"): item for item in whole["compositions"]}
    assert [ref.partition("@")[0] for ref in stated["named-by-licence-texts"]["dependencies"]] == ["package:apiserver"]
    assert stated["packages-beside-the-system"]["dependencies"] == ["os"]  # texts of "host", which is no package
    assert set(stated["dependencies-of-contents"]["dependencies"]) >= {"crate:serde@1.0.228", "crate:tokio@1.40.0"}
    assert unreached(whole) == []
    only_packages = [one for one in value.components if one.found_by != "attribution" or one.parent != "os"]
    stated = {
        item["bom-ref"]: item for item in document(replace(value, components=tuple(only_packages)))["compositions"]
    }
    assert "composition:packages-of-the-root" in stated
    python = Component("pypi:x@1", "library", "x", "1", found_by="pypi-metadata", parent="os")
    stated = {i["bom-ref"]: i for i in document(replace(value, components=(*only_packages, python)))["compositions"]}
    assert stated["composition:packages-beside-the-system"]["aggregate"] == "incomplete"


def test_completeness_is_stated_for_each_kind_of_knowledge() -> None:
    found = {item["bom-ref"]: item for item in document(full())["compositions"]}
    assert found["composition:files-of-the-root"]["aggregate"] == "complete"
    assert found["composition:files-of-packages"]["aggregate"] == "incomplete"
    assert found["composition:go-modules"]["dependencies"] == ["file:/usr/bin/host"]
    assert found["composition:crates-recovered-from-paths"]["aggregate"] == "incomplete"
    without = found["composition:sha-512-not-collected"]["assemblies"]
    assert "file:/usr/bin/apiserver" not in without
    assert "file:/usr/bin/nc" in without


def test_a_root_that_was_not_walked_to_the_end_is_incomplete() -> None:
    report = full()
    gone = replace(report, evidence=replace(report.evidence, walked=()))
    found = {item["bom-ref"]: item for item in document(gone)["compositions"]}
    assert found["composition:files-of-the-root"]["aggregate"] == "incomplete"


def test_each_component_says_how_it_was_found_and_how_sure_that_is() -> None:
    found = {
        component["name"]: component for component in everything(document(full())["components"]) if "name" in component
    }
    serde = found["serde"]["evidence"]
    assert serde["identity"][0]["methods"][0]["technique"] == "binary-analysis"
    assert serde["identity"][0]["confidence"] == 0.95
    assert serde["occurrences"] == [{"location": "/usr/bin/apiserver", "additionalContext": "bank-a"}]


def test_results_become_claims_counter_claims_and_mitigations() -> None:
    found = document(ordinary())
    maps = {item["requirement"]: item for item in found["declarations"]["attestations"][1]["map"]}
    assert maps["requirement:container-host:1.2:rule-2"]["conformance"]["score"] == 1.0
    failed = maps["requirement:container-host:1.1:rule-1"]
    assert failed["conformance"]["score"] == 0.0
    assert failed["counterClaims"] == ["claim:container-host:1.1:rule-1"]
    assert "score" not in maps["requirement:container-host:1.3:rule-3"]["conformance"]
    waived = maps["requirement:container-host:1.4:rule-4"]
    assert waived["conformance"]["score"] == 0.0
    mitigation = waived["conformance"]["mitigationStrategies"][0]
    evidence = {item["bom-ref"]: item for item in found["declarations"]["evidence"]}
    assert evidence[mitigation]["expires"] == "2027-01-31T00:00:00Z"


@pytest.mark.parametrize(
    ("verdict", "whole", "vouched"),
    [("verified", 1.0, 1.0), ("consistent_unsigned", 1.0, None), ("broken", 0.0, None), ("unknown", None, None)],
)
def test_integrity_is_a_claim_for_each_bank(verdict: str, whole: float | None, vouched: float | None) -> None:
    report = ordinary()
    bank = replace(report.integrity.banks[0], verdict=IntegrityVerdict(verdict), populated=True)
    found = document(replace(report, integrity=replace(report.integrity, banks=(bank,), chain=())))
    assert found["definitions"]["standards"][0]["name"] == "Integrity of the root file system"
    maps = {item["requirement"]: item for item in found["declarations"]["attestations"][0]["map"]}
    for kind, expected in (("hash-tree", whole), ("chain-of-trust", vouched)):
        item = maps[f"requirement:integrity:{bank.scope}:{kind}"]
        assert item["conformance"].get("score") == expected
        assert ("claims" in item) is (expected == 1.0)
        assert ("counterClaims" in item) is (expected == 0.0)
    evidence = {item["bom-ref"]: item for item in found["declarations"]["evidence"]}
    assert evidence[f"evidence:integrity:{bank.scope}:hash-tree"]["description"] == bank.why


def test_a_chain_that_breaks_over_a_whole_tree_is_a_claim_against_the_chain_only() -> None:
    report = ordinary()
    bank = replace(report.integrity.banks[0], verdict=IntegrityVerdict.BROKEN, populated=True, odd_ones_out=())
    chain = (ChainLink("tuf", "root signs targets", LinkState.BROKEN, "a signature is wrong"),)
    integrity = replace(report.integrity, banks=(bank,), chain=chain, bad_blocks=())
    found = document(replace(report, integrity=integrity))
    scores = [item["conformance"].get("score") for item in found["declarations"]["attestations"][0]["map"]]
    assert scores == [None, 0.0]


def test_the_serial_number_follows_from_the_input() -> None:
    first, again = document(ordinary()), document(ordinary())
    assert first["serialNumber"] == again["serialNumber"]
    assert document(replace(ordinary(), created="2026-09-02T00:00:00Z"))["serialNumber"] != first["serialNumber"]


def test_no_time_is_made_up() -> None:
    report = replace(ordinary(), created="", evidence=replace(ordinary().evidence, when=""))
    text = write_cyclonedx(report).decode()
    assert "timestamp" not in json.loads(text)["metadata"]
    assert '"created"' not in text


def test_authors_and_manufacturer_come_from_the_policy_only() -> None:
    assert "authors" not in document(ordinary())["metadata"]
    stated = replace(
        ordinary(),
        extra={
            "sbom:author-name": "Ada",
            "sbom:manufacturer": "Example",
            "sbom:manufacturer-url": "https://example.org",
        },
    )
    metadata = document(stated)["metadata"]
    assert metadata["authors"] == [{"name": "Ada"}]
    assert metadata["manufacturer"] == {"name": "Example", "url": ["https://example.org"]}


def test_parents_that_form_a_ring_end() -> None:
    ring = (
        Component("a", "file", "a", parent="b"),
        Component("b", "file", "b", parent="a"),
        Component("c", "file", "c", parent="c"),
    )
    found = document(replace(ordinary(), components=ring))
    assert {item["name"] for item in everything(found["components"]) if "type" in item} == {"a", "b", "c"}


def test_twenty_thousand_components_are_written_in_bounded_time_and_memory() -> None:
    parts = tuple(
        Component(
            f"file:/usr/lib/file-{i:05}", "file", f"/usr/lib/file-{i:05}", "2026-01-01T00:00:00Z",
            hashes=(("SHA-256", "ab" * 32), ("SHA-512", "cd" * 64)), where=(Locator("i", "bank-a", "/x"),),
            found_by="elf", parent="os", depends_on=(f"file:/usr/lib/file-{i // 2:05}",),
            properties=tuple((f"rocketaudit:p{n}", "value") for n in range(12)),
        )
        for i in range(20_000)
    )  # fmt: skip
    report = replace(ordinary(), components=parts)
    started = time.process_time()
    data = write_cyclonedx(report)
    assert time.process_time() - started < 30  # quadratic work would take minutes; the figure is in docs/benchmarks.md
    few = replace(report, components=parts[:2_000])
    tracemalloc.start()
    data = write_cyclonedx(few)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(data)
