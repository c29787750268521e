"""What all reports lead with: the tasks in order, the scores in parts, the results by control."""

from __future__ import annotations

import csv
from dataclasses import replace

from rocketaudit.model.fact import Locator
from rocketaudit.model.report import Finding
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report.controls import controls
from rocketaudit.report.csv_results import write_controls
from rocketaudit.report.summary import benchmark_name, score_rows, tasks
from tests.report.samples import clean, ordinary


def test_many_findings_of_one_kind_are_one_task() -> None:
    where = Locator(path="/usr/bin/x")
    alike = tuple(Finding("crate-not-in-sbom", Severity.MEDIUM, f"crate {n} is not listed", where) for n in range(77))
    found = [task for task in tasks(replace(ordinary(), findings=alike)) if task.id == "crate-not-in-sbom"]
    assert [task.title for task in found] == ["crate 0 is not listed, and 76 more of the kind"]
    assert found[0].where == "/usr/bin/x"


def test_findings_come_after_failed_rules_of_level_1_that_weigh_the_same() -> None:
    report = ordinary()
    failed = next(one for group in report.benchmarks for one in group.results if one.verdict is Verdict.FAIL)
    finding = Finding("a", failed.rule.severity, "something", Locator())
    order = [task.id for task in tasks(replace(report, findings=(finding,)))]
    assert order.index(failed.rule.id) < order.index("a")


def test_control_fails_when_one_of_its_rules_fails_and_passes_only_when_all_pass() -> None:
    for control in controls(ordinary()):
        verdicts = {result.verdict for result in control.results}
        assert (control.verdict is Verdict.FAIL) == (Verdict.FAIL in verdicts)
        if control.verdict is Verdict.PASS:
            assert verdicts <= {Verdict.PASS, Verdict.NOT_APPLICABLE}
    assert controls(ordinary())


def test_controls_are_one_line_each_in_natural_order() -> None:
    lines = list(csv.DictReader(write_controls(ordinary()).decode().splitlines()))
    assert [line["control"] for line in lines] == [control.number for control in controls(ordinary())]
    assert all(line["catalogue"] and line["rules"] for line in lines)


def test_scores_are_shown_whole_waived_by_level_and_by_section() -> None:
    parts = [part for _, part, _ in score_rows(ordinary())]
    assert parts[:2] == ["all rules, as found", "all rules, with waivers"]
    group = ordinary().benchmarks[0]
    assert len(parts) == 2 + len(group.by_level) - 1 + len(group.by_section)
    assert "all rules, with waivers" not in [part for _, part, _ in score_rows(clean())]


def test_version_of_a_benchmark_is_not_said_twice() -> None:
    made = replace(ordinary().benchmarks[0].benchmark, title="Numbering of 1.0.0", version="1.0.0")
    assert benchmark_name(made) == "Numbering of 1.0.0"
    assert benchmark_name(replace(made, title="Own")) == "Own 1.0.0"
