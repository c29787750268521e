"""The project about its rules: each can pass, fail and stay undecided, and asks only for what somebody collects."""

from __future__ import annotations

import json
import re
import time
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rocketaudit.analysis.benchmark import judge, needs, parse_check
from rocketaudit.analysis.benchmark.loader import MAPPINGS
from rocketaudit.analysis.benchmark.words import LOGIC, WORDS
from rocketaudit.analysis.benchmark.words.probes import PROBES
from rocketaudit.cli.rule_examples import Example, evidence_of, judge_example
from rocketaudit.cli.rule_reference import render_reference
from rocketaudit.cli.rule_schema import check_schema
from rocketaudit.cli.rules import check_rules, run_examples
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.evidence import COLLECTORS
from rocketaudit.formats.policy_toml import parse_policy
from rocketaudit.model.fact import Plane
from rocketaudit.model.verdict import Verdict
from tests.rules import RULES, all_rules, examples, judge_world, rule_files, shipped
from tests.support import REPO

# keys that no collector gives because the walk, the analyses or the judge themselves do
BUILT_IN = ("file:*", "binary:*", "verity:*", "integrity:*", "clock:*", "package:*")


@pytest.mark.parametrize("example", examples(), ids=lambda one: f"{one.rule}-{one.name}")
def test_rule_says_of_its_example_what_the_example_says(example: Example) -> None:
    outcome = judge_example(example, all_rules()[example.rule])
    assert outcome.verdict is example.verdict, outcome.why


def test_every_rule_with_a_check_has_an_example_that_passes_one_that_fails_and_one_that_is_undecided() -> None:
    told: dict[str, set[Verdict]] = {}
    for example in examples():
        told.setdefault(example.rule, set()).add(example.verdict)
    wanted = {Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN}
    assert {rule for rule in all_rules() if not wanted <= told.get(rule, set())} == set()


@pytest.mark.parametrize("rule", sorted(all_rules()))
def test_rule_decides_nothing_about_evidence_that_holds_nothing(rule: str) -> None:
    assert judge_world(rule, {}).verdict is Verdict.UNKNOWN


def test_every_decided_outcome_shows_the_facts_that_it_stands_on() -> None:
    bare = []
    for example in examples():
        outcome = judge_example(example, all_rules()[example.rule])
        if outcome.verdict in (Verdict.PASS, Verdict.FAIL) and not outcome.facts:
            bare.append((example.rule, example.name))
    assert bare == []


def test_no_rule_asks_for_what_nobody_provides() -> None:
    provided = [pattern for collector in COLLECTORS for pattern in collector.provides]
    asked = [str(key) for key in needs(shipped())]
    lost = [key for key in asked if not any(fnmatchcase(key, p) for p in (*provided, *BUILT_IN))]
    assert lost == []


def test_every_key_that_a_rule_wants_of_an_image_is_given_in_some_example() -> None:
    """By instance, not by prefix: a rule that passes on an image proves that a collector gives its keys."""
    decided = {
        example.rule
        for example in examples()
        if example.verdict is Verdict.PASS and "running" not in example.world and "facts" not in example.world
    }
    own = {"verity", "integrity", "kernel_hmac", "ca_bundle"}  # tested with real images in their own tests
    for rule in all_rules().values():
        if Plane.STATIC in rule.planes and rule.check is not None and rule.id not in decided:
            spaces = {key.namespace for key in rule.check.needs()}
            assert spaces & own or rule.id in {one for one in all_rules() if _needs_files_of_a_node(one)}, rule.id


def _needs_files_of_a_node(rule: str) -> bool:
    return rule.endswith("-is-owned-by-root") or rule.startswith("kube-proxy-config")


def test_rule_files_obey_the_schema() -> None:
    assert check_schema(rule_files()) == []


def test_every_word_is_in_the_schema_with_an_example_that_can_be_built_and_judged() -> None:
    schema = json.loads((RULES / "rule.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    words = {name for name, _ in WORDS} | set(LOGIC)
    assert set(schema["$defs"]["check"]["properties"]) == words
    checks = Draft202012Validator({"$ref": "#/$defs/check", "$defs": schema["$defs"]})
    for word in sorted(words):
        given = schema["$defs"][f"word_{word}"].get("examples")
        assert given, f"{word} has no example"
        for arguments in given:
            checks.validate({word: arguments})
            parse_check({word: arguments}, word)


def test_schema_lists_every_probe() -> None:
    schema = json.loads((RULES / "rule.schema.json").read_text())
    assert schema["$defs"]["word_probe"]["enum"] == [probe.name for probe in PROBES]


def test_every_word_and_probe_is_used_by_a_rule() -> None:
    text = b"\n".join(data for path, data in rule_files().items() if ".examples." not in path).decode()
    for word, _ in WORDS:
        assert re.search(rf"\b{word}:", text), word
    for probe in PROBES:
        assert f"probe: {probe.name}" in text, probe.name


def test_no_id_was_used_before() -> None:
    lines = (REPO / "docs" / "rules-retired.txt").read_text().splitlines()
    retired = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert retired & set(all_rules()) == set()


def test_benchmarks_answer_every_item_of_the_checkers_they_stand_beside() -> None:
    numbers = {name: set() for name in MAPPINGS}
    for rule in all_rules().values():
        for name, given in (rule.maps_to or {}).items():
            numbers[name] |= set(given)
    assert len(numbers["cis_bottlerocket"]) == 28
    assert len(numbers["cis_kubernetes_1_11"]) == 26
    assert len(numbers["cis_kubernetes_1_8"]) == 23
    bottlerocket = next(one for one in shipped() if one.id == "bottlerocket")
    assert sum(rule.level == 1 for rule in bottlerocket.rules) == 15
    assert len(next(one for one in shipped() if one.id == "container-host").rules) >= 60


def test_every_rule_maps_to_nist() -> None:
    assert [rule.id for rule in all_rules().values() if not (rule.maps_to or {}).get("nist_800_53")] == []


def test_reference_of_the_rules_is_current() -> None:
    page = (REPO / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == render_reference(read_benchmarks(SHIPPED)), "run: python docs/generate_rules.py"


def test_judging_2000_programs_and_8000_files_is_quick() -> None:
    """Measured at 0.1 s of processor time; the bound leaves room for slow machines and still catches a square."""
    files = {f"/usr/bin/p{n}": {"text": "x", "mode": "0755"} for n in range(2000)}
    files |= {f"/usr/share/d{n // 50}/f{n}": "x" for n in range(6000)}
    evidence = evidence_of({"files": files, "binaries": [{"path": f"/usr/bin/p{n}"} for n in range(2000)]}, ())
    start = time.process_time()
    judge(shipped(), evidence, None, today=date(2026, 11, 22))
    assert time.process_time() - start < 1.0


def test_example_of_the_manual_is_a_rule_and_its_examples_hold(tmp_path: Path) -> None:
    text = (REPO / "docs" / "writing-rules.md").read_text(encoding="utf-8")
    rule, worlds = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "benchmark.yaml").write_text('id: own\ntitle: t\nversion: "1"\ndescription: d\nsections: {"1": One}\n')
    (tmp_path / "1.yaml").write_text(rule)
    (tmp_path / "rules.examples.yaml").write_text(worlds)
    assert check_rules([tmp_path]) == 0
    assert run_examples(benchmark=[str(tmp_path)]) == 0


def test_policy_of_the_manual_is_read_and_tailors_the_rules() -> None:
    text = (REPO / "docs" / "policy.md").read_text(encoding="utf-8")
    policy = parse_policy(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0].encode())
    assert (len(policy.waivers), len(policy.attestations)) == (1, 1)
    loaded = read_benchmarks(policy.benchmarks, policy.tailoring)
    assert "no-debugger" not in {rule.id for one in loaded for rule in one.rules}
