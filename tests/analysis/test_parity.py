"""Reports of Bottlerocket's own checker are read in every shape, and every difference is explained."""

from __future__ import annotations

import json
from datetime import date

import pytest

from rocketaudit.analysis.benchmark import judge
from rocketaudit.analysis.parity import KNOWN, Comparison, compare
from rocketaudit.cli.rule_examples import evidence_of
from rocketaudit.errors import FormatError
from rocketaudit.formats.apiclient_report import CheckStatus, parse_apiclient_report
from rocketaudit.model.rule import BenchmarkResult
from tests.rules import all_rules, data_file, shipped

TODAY = date(2026, 11, 22)
REAL = {
    "cis-k8s-report-eksworkshop-2023-11.txt": ("cis-k8s", "1.7.1", 22, True),
    "cis-k8s-report-pr3239-2023.txt": ("cis-k8s", "1.7.1", 4, False),
    "cis-report-l1-eksworkshop-2023-11.txt": ("cis", "1.0.0", 15, True),
    "cis-report-l1-pr3258-2023-07.txt": ("cis", "1.0.0", 3, False),
    "cis-report-l2-corekit665-2025-10.txt": ("cis", "1.0.0", 14, False),
    "fips-report-pr3894-head.json.txt": ("fips", "1.0.0", 0, False),
    "fips-report-pr3894.txt": ("fips", "1.0.0", 3, True),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_report_is_read_and_a_cut_one_says_so(name: str) -> None:
    report = parse_apiclient_report(data_file("live", name).read_bytes())
    assert (report.kind, report.version, len(report.rows), not report.problems) == REAL[name]


def test_every_row_of_every_real_report_is_answered_by_a_rule_of_ours() -> None:
    results = judged({"files": {}})
    for name in REAL:
        report = parse_apiclient_report(data_file("live", name).read_bytes())
        lost = [row.check.id for row in compare(report, results) if row.comparison is Comparison.NO_RULE]
        assert lost == [], name


def judged(world: dict[str, object]) -> tuple[BenchmarkResult, ...]:
    keys = tuple(key for rule in all_rules().values() if rule.check is not None for key in rule.check.needs())
    return judge(shipped(), evidence_of(world, keys), None, today=TODAY)


def report_of(*rows: dict[str, object], name: str = "CIS Bottlerocket Benchmark", version: str = "v1.0.0") -> bytes:
    results = {
        str(row["id"]): {"name": "x", "title": "t", "mode": "Automatic", "level": 1, "error": "", **row} for row in rows
    }
    return json.dumps({"level": 2, "name": name, "version": version, "status": "PASS", "results": results}).encode()


@pytest.mark.parametrize("status", [{"OVERRIDE": "PASS"}, "OVERRIDE", {"override": "SKIP"}, {"EXCEPTION": "PASS"}])
def test_exception_is_never_a_pass(status: object) -> None:
    report = parse_apiclient_report(report_of({"id": "3.4.1.1", "status": status, "override_reason": "kube"}))
    assert report.rows[0].status is CheckStatus.EXCEPTION
    (row,) = compare(report, judged({"files": {}}))
    assert row.comparison is Comparison.EXCEPTION
    assert "kube" in row.why


def test_a_cut_report_with_control_characters_or_endless_numbers_is_no_traceback() -> None:
    cut = (
        b'{"name": "CI\0S", "total": '
        + b"9" * 5000
        + b', "version": "1", "results": {"br01010101": {"id": '
        + b"9" * 5000
    )
    report = parse_apiclient_report(cut + b"}")
    assert report.rows == ()
    assert report.version == "1"


def test_exception_in_text_keeps_its_reason() -> None:
    text = (
        b"Benchmark name:  CIS Bottlerocket Benchmark\nTotal checks:    1\n"
        b"[PASS] 3.4.1.1   Firewall (Exception)\n\nExceptions:\n*  3.4.1.1 CNI needs FORWARD\n"
    )
    row = parse_apiclient_report(text).rows[0]
    assert (row.status, row.stands_for, row.reason) == (CheckStatus.EXCEPTION, "pass", "CNI needs FORWARD")


def test_contradiction_is_explained_with_our_evidence_and_their_weakness() -> None:
    files = {"/usr/bin/kubelet": "x", "/etc/kubernetes/kubelet/config": "streamingConnectionIdleTimeout: 0s\n"}
    data = report_of(
        {"id": "4.2.5", "status": "PASS"}, name="CIS Kubernetes Benchmark (Worker Node)", version="v1.11.1"
    )
    (row,) = compare(parse_apiclient_report(data), judged({"files": files}))
    assert row.comparison is Comparison.CONTRADICTS
    assert "0s" in row.why
    assert "reads a duration as a number" in row.why


def test_agreement_skip_and_undecided_are_told_apart() -> None:
    files = {"/usr/lib/sysctl.d/a.conf": "user.max_user_namespaces = 0\n", "/usr/lib/os-release": "ID=bottlerocket\n"}
    rows = (
        {"id": "1.4.4", "status": "PASS"},
        {"id": "1.4.1", "status": "SKIP", "error": "e"},
        {"id": "1.5.2", "status": "FAIL"},
    )
    compared = compare(parse_apiclient_report(report_of(*rows)), judged({"files": files}))
    assert [row.comparison for row in compared] == [Comparison.AGREES, Comparison.ONLY_OURS, Comparison.ONLY_THEIRS]


def test_number_that_no_rule_answers_is_named() -> None:
    (row,) = compare(parse_apiclient_report(report_of({"id": "9.9.9", "status": "PASS"})), judged({}))
    assert row.comparison is Comparison.NO_RULE


def test_row_with_an_unknown_status_is_a_problem_and_the_others_are_read() -> None:
    report = parse_apiclient_report(report_of({"id": "1.4.4", "status": "MAYBE"}, {"id": "1.4.1", "status": "PASS"}))
    assert [row.id for row in report.rows] == ["1.4.1"]
    assert "MAYBE" in report.problems[0]


def test_known_weaknesses_are_about_numbers_that_we_answer() -> None:
    mapped = {
        number for rule in all_rules().values() for numbers in (rule.maps_to or {}).values() for number in numbers
    }
    mapped |= {rule.section for one in shipped() if one.id == "fips" for rule in one.rules}
    assert {number for _, number in KNOWN} <= mapped


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"[1]", b'{"results": 1}', b"\xff\xfe", b"{" * 100_000])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_apiclient_report(data)
