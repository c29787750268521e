"""The JSON report keeps its promises: the schema, the way back, and the figures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.report.html import write_html
from rocketaudit.report.report_json import read_json, write_json
from tests.report.samples import clean, hostile, ordinary


@pytest.mark.parametrize("make", [ordinary, clean, hostile], ids=lambda make: make.__name__)
def test_a_report_that_was_read_back_renders_the_same(make: type) -> None:
    report = make()
    again = read_json(write_json(report))
    assert write_json(again) == write_json(report)
    assert write_html(again) == write_html(report)


def test_the_report_says_its_schema_and_score() -> None:
    raw = json.loads(write_json(ordinary()))
    assert raw["schema"] == "rocketaudit-report-1.0"
    assert raw["score"] == {"worst": 25.0, "best": 50.0}
    assert raw["integrity"]["bad_blocks"][0]["path"] == "/usr/bin/containerd"
    assert raw["results"][0]["verdict"] == "fail"
    assert raw["results"][3]["waiver"]["expires"] == "2027-01-31"


def test_a_rule_in_two_benchmarks_counts_once() -> None:
    report = ordinary()
    group = report.benchmarks[0]
    twice = replace(report, benchmarks=(group, replace(group, benchmark=replace(group.benchmark, id="other"))))
    score = json.loads(write_json(twice))["score"]
    assert score == {"worst": 25.0, "best": 50.0}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "schema None"),
        (b"[]", "schema None"),
        (b'{"schema":"rocketaudit-report-2.0"}', "report-2.0"),
        (b"x", "not JSON"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_json(data)


def test_a_report_with_an_unknown_member_is_refused() -> None:
    raw = json.loads(write_json(ordinary()))
    raw["surprise"] = 1
    with pytest.raises(FormatError, match="unknown field 'surprise'"):
        read_json(json.dumps(raw).encode())
    raw = json.loads(write_json(ordinary())) | {"schema": "rocketaudit-report-1.1"}
    with pytest.raises(UnsupportedError):
        read_json(json.dumps(raw).encode())
