"""rules, policy and compare-apiclient, called as the command line does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocketaudit.cli.compare_apiclient import compare_apiclient
from rocketaudit.cli.policy import check_policy
from rocketaudit.cli.rules import check_rules, list_rules, run_examples, show_rule
from rocketaudit.errors import UsageError
from tests.support import REPO

RULE = """
- id: own-rule
  section: "1.1"
  title: Our own rule holds
  level: 1
  severity: low
  check: {sysctl: {name: kernel.panic, one_of: ["10"]}}
  rationale: r
  remediation: r
"""
HEAD = 'id: own\ntitle: Own\nversion: "1"\ndescription: d\nsections: {"1": One}\n'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "benchmark.yaml").write_text(HEAD)
    (folder / "1.yaml").write_text(RULE)
    (folder / "rules.examples.yaml").write_text(
        'own-rule:\n  pass: {files: {/etc/sysctl.d/a.conf: "kernel.panic = 10\\n"}}\n'
        '  fail: {files: {/etc/sysctl.d/a.conf: "kernel.panic = 1\\n"}}\n'
    )
    return folder


def test_list_prints_one_json_array_of_all_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_rules(output="json") == 0
    rules = json.loads(capsys.readouterr().out)
    assert len(rules) > 150
    assert {"id", "benchmark", "section", "level", "severity", "planes", "title", "maps_to"} == set(rules[0])


def test_list_on_the_console_names_every_rule_of_a_folder(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_rules([str(own)]) == 0
    assert "own-rule" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["kernel-lockdown-is-on", "1.5.2"])
def test_show_finds_a_rule_by_id_and_by_number(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_rule(name, output="json") == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "kernel-lockdown-is-on"


def test_show_of_no_rule_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no rule is called"):
        show_rule("nothing")


def test_check_accepts_own_rules_and_names_what_the_schema_refuses(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_rules([own]) == 0
    (own / "1.yaml").write_text(RULE.replace("level: 1", "level: 7"))
    with pytest.raises(UsageError):
        check_rules([own])
    assert "own-rule/level" in capsys.readouterr().err


def test_test_runs_examples_and_fails_for_one_that_does_not_hold(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_examples(benchmark=[str(own)]) == 0
    assert "2 of 2 examples hold" in capsys.readouterr().out
    (own / "rules.examples.yaml").write_text("own-rule: {pass: {files: {}}}\n")
    assert run_examples(benchmark=[str(own)]) == 1
    assert "own-rule: pass: unknown" in capsys.readouterr().out


def test_test_of_an_example_for_no_rule_is_a_wrong_usage(own: Path) -> None:
    (own / "rules.examples.yaml").write_text("other: {pass: {files: {}}}\n")
    with pytest.raises(UsageError, match="which is no rule"):
        run_examples(benchmark=[str(own)])


def test_policy_in_order_is_0_and_one_with_an_expired_waiver_or_unknown_names_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rocketaudit.toml"
    path.write_text('level = 1\nrequire = ["kernel-lockdown-*"]\n')
    assert check_policy(path) == 0
    waiver = '[[waivers]]\nrule = "{}"\nreason = "r"\napproved_by = "a"\nexpires = 2020-01-01\n'
    path.write_text('require = ["gone-*"]\n' + waiver.format("kernel-lockdown-is-on") + waiver.format("gone"))
    assert check_policy(path) == 1
    told = capsys.readouterr().err
    assert "expired on 2020-01-01" in told
    assert "waiver for gone" in told
    assert "gone-*" in told


def test_compare_explains_a_contradiction_and_says_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.txt"
    report.write_text(
        "Benchmark name:  CIS Bottlerocket Benchmark\nVersion:         v1.0.0\nTotal checks:    1\n"
        "[FAIL] 1.4.3     Ensure unprivileged eBPF is disabled (Automatic)\n"
    )
    root = tmp_path / "root"
    (root / "usr/lib/sysctl.d").mkdir(parents=True)
    (root / "usr/lib/sysctl.d/a.conf").write_text("kernel.unprivileged_bpf_disabled = 2\n")
    (root / "usr/lib/os-release").write_text("ID=bottlerocket\n")
    assert compare_apiclient(report, root, output="json", workers=1) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["comparison"] == "contradicts"
    assert "value 2, which is off as well" in check["why"]
    assert compare_apiclient(report, root, workers=1) == 1
    assert "contradicts" in capsys.readouterr().out


def test_report_of_a_foreign_checker_is_a_wrong_usage(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text('{"name": "STIG", "results": {}}')
    with pytest.raises(UsageError, match="STIG"):
        compare_apiclient(report, tmp_path)


def test_compare_says_first_how_many_agree_and_shows_contradictions_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    report.write_text(
        "Benchmark name:  CIS Bottlerocket Benchmark\nVersion:         v1.0.0\nTotal checks:    2\n"
        "[PASS] 1.4.1     Ensure setuid programs do not create core dumps (Automatic)\n"
        "[FAIL] 1.4.3     Ensure unprivileged eBPF is disabled (Automatic)\n"
    )
    root = tmp_path / "root"
    (root / "usr/lib/sysctl.d").mkdir(parents=True)
    (root / "usr/lib/sysctl.d/a.conf").write_text("kernel.unprivileged_bpf_disabled = 2\n")
    (root / "usr/lib/os-release").write_text("ID=bottlerocket\n")
    assert compare_apiclient(report, root, workers=1) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "2 checks: 1 contradicts, 1 agrees" in lines[0]
    assert lines[1].startswith("contradicts  1.4.3")


def test_own_rules_may_not_call_themselves_as_a_shipped_benchmark_does(own: Path) -> None:
    (own / "benchmark.yaml").write_text(HEAD.replace("id: own", "id: bottlerocket"))
    with pytest.raises(UsageError, match="belongs to a benchmark that is shipped"):
        list_rules([str(own)])
    assert check_rules([REPO / "benchmarks" / "cis" / "bottlerocket"]) == 0


def test_two_benchmarks_of_one_name_are_refused(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "benchmark.yaml").write_text(HEAD)
    (other / "1.yaml").write_text(RULE.replace("own-rule", "other-rule"))
    with pytest.raises(UsageError, match="two benchmarks are called 'own'"):
        list_rules([str(own), str(other)])
