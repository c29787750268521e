"""Formats that others define, checked by the programs that their readers use."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from rocketaudit.model.report import Report
from rocketaudit.report.junit import write_junit
from rocketaudit.report.oscal import write_oscal
from rocketaudit.report.pack import write_pack
from rocketaudit.report.report_json import read_json
from rocketaudit.report.sarif import write_sarif
from rocketaudit.report.xccdf import write_xccdf
from tests.report.samples import clean, hostile, ordinary
from tests.support import find_tool, needs_tools


def bare() -> Report:
    return replace(ordinary(), benchmarks=(), findings=(), created="")


every_report = pytest.mark.parametrize("make", [ordinary, clean, hostile, bare], ids=lambda make: make.__name__)


@every_report
def test_openscap_validates_the_xccdf_results(make: Callable[[], Report], tmp_path: Path) -> None:
    needs_tools("oscap")
    path = tmp_path / "report.xml"
    path.write_bytes(write_xccdf(make()))
    done = subprocess.run([str(find_tool("oscap")), "xccdf", "validate", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_xccdf_keeps_undecided_apart_from_passed() -> None:
    root = ET.fromstring(write_xccdf(ordinary()))
    found = [element.text for element in root.iter("{http://checklists.nist.gov/xccdf/1.2}result")]
    assert found == ["fail", "pass", "unknown", "fail", "notchecked", "notapplicable"]


@every_report
def test_trestle_reads_the_oscal_results(make: Callable[[], Report], tmp_path: Path) -> None:
    trestle = pytest.importorskip("trestle.oscal.assessment_results", reason="compliance-trestle is not installed")
    path = tmp_path / "report.oscal.json"
    path.write_bytes(write_oscal(make()))
    assert trestle.AssessmentResults.oscal_read(path) is not None


def test_oscal_has_no_finding_for_what_nobody_decided() -> None:
    result = json.loads(write_oscal(ordinary()))["assessment-results"]["results"][0]
    assert len(result["observations"]) == 6
    assert [finding["target"]["status"]["state"] for finding in result["findings"]] == [
        "not-satisfied", "satisfied", "not-satisfied",
    ]  # fmt: skip
    assert "waived until 2027-01-31" in result["findings"][2]["remarks"]
    names = {prop["name"]: prop["value"] for prop in result["findings"][0]["props"]}
    assert names["nist-800-53"] == "SI-16"


def test_sarif_says_fail_open_review_and_suppressed() -> None:
    run = json.loads(write_sarif(ordinary()))["runs"][0]
    kinds = {item["ruleId"]: (item["kind"], item["level"]) for item in run["results"]}
    assert kinds["rule-1"] == ("fail", "error")
    assert kinds["rule-2"] == ("pass", "none")
    assert kinds["rule-3"] == ("open", "none")
    assert kinds["rule-5"] == ("review", "none")
    waived = next(item for item in run["results"] if item["ruleId"] == "rule-4")
    assert waived["suppressions"][0]["status"] == "accepted"
    for item in run["results"]:
        assert run["tool"]["driver"]["rules"][item["ruleIndex"]]["id"] == item["ruleId"]
        assert item["locations"]
        assert item["message"]["text"]


@every_report
def test_sarif_is_valid_by_its_official_schema(make: Callable[[], Report]) -> None:
    schema = sarif_schema()
    from jsonschema import Draft4Validator, Draft7Validator

    kind = Draft4Validator if "draft-04" in schema.get("$schema", "") else Draft7Validator
    errors = list(kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(json.loads(write_sarif(make()))))
    assert errors == []


def sarif_schema() -> dict[str, Any]:
    from tests.support import REPO

    for path in (REPO / "tests" / "node_modules").glob("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0*.json"):
        schema: dict[str, Any] = json.loads(path.read_text())
        return schema
    pytest.skip("no SARIF schema (npm ci in tests/)")


def test_junit_counts_what_it_holds() -> None:
    root = ET.fromstring(write_junit(ordinary()))
    assert root.get("tests") == str(len(root.findall(".//testcase")))
    assert root.get("failures") == str(len(root.findall(".//failure"))) == "3"
    assert root.get("skipped") == str(len(root.findall(".//skipped"))) == "5"


def test_the_bundle_holds_what_its_list_says_and_is_an_ordinary_zip() -> None:
    data = write_pack(ordinary())
    assert data == write_pack(ordinary())
    with zipfile.ZipFile(BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        sums = dict(line.split("  ")[::-1] for line in bundle.read("SHA256SUMS").decode().splitlines())
        assert {*sums, "SHA256SUMS"} == set(bundle.namelist())
        for name, digest in sums.items():
            assert sha256(bundle.read(name)).hexdigest() == digest
        assert read_json(bundle.read("report.json")).target.name == ordinary().target.name


def test_bundle_holds_the_policy_that_it_was_judged_by_and_the_results_by_control() -> None:
    policy = replace(ordinary().policy, text="level = 1\n", tailoring=("2 rules above level 1 were not judged",))
    with zipfile.ZipFile(BytesIO(write_pack(replace(ordinary(), policy=policy)))) as bundle:
        assert bundle.read("policy.toml") == b"level = 1\n"
        assert json.loads(bundle.read("rules.json"))["tailoring"] == ["2 rules above level 1 were not judged"]
        assert {"controls.csv", "schema/policy-1.0.json"} <= set(bundle.namelist())
