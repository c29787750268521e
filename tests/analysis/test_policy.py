"""Waivers, attestations and thresholds: what counts today, and what needs attention."""

from __future__ import annotations

import json
import tomllib
from datetime import date

import pytest
from jsonschema import Draft202012Validator

from rocketaudit.analysis.benchmark import judge, load_benchmarks
from rocketaudit.analysis.policy import policy_problems, unmet_demands
from rocketaudit.analysis.tailored import tailoring_lines
from rocketaudit.cli.rule_examples import evidence_of
from rocketaudit.errors import UsageError
from rocketaudit.formats.policy_toml import parse_policy
from rocketaudit.model.policy import Policy, Tailoring
from rocketaudit.model.rule import BenchmarkResult
from rocketaudit.model.verdict import Verdict
from tests.support import REPO

TODAY = date(2026, 11, 22)
RULES = {
    "own/benchmark.yaml": b"""
id: own
title: Own rules
version: "1"
description: For tests.
sections: {"1": One}
""",
    "own/1.yaml": b"""
- {id: weak, section: "1.1", title: It fails, level: 1, severity: high, rationale: r, remediation: r,
   check: {fact: {key: "x:weak", one_of: [good]}}}
- {id: sound, section: "1.2", title: It passes, level: 1, severity: low, rationale: r, remediation: r,
   check: {fact: {key: "x:sound", one_of: [good]}}}
- {id: unseen, section: "1.3", title: Nobody looked, level: 2, severity: low, rationale: r, remediation: r,
   check: {fact: {key: "x:unseen", one_of: [good]}}}
- {id: asked, section: "1.4", title: A person answers, level: 1, severity: low, rationale: r, remediation: r}
""",
}
WORLD = {"facts": {"x:weak": "bad", "x:sound": "good"}}


def judged(policy: Policy, level: int = 2) -> BenchmarkResult:
    return judge(load_benchmarks(RULES), evidence_of(WORLD, ()), None, level=level, today=TODAY, policy=policy)[0]


def waiver(rule: str = "weak", expires: str = "2026-12-31", target: str = "*") -> Policy:
    text = f'[[waivers]]\nrule = "{rule}"\nreason = "r"\napproved_by = "a"\nexpires = {expires}\ntarget = "{target}"\n'
    return parse_policy(text.encode())


def problems(policy: Policy) -> tuple[str, ...]:
    return policy_problems(policy, (judged(policy),), "example", TODAY)


def test_score_is_an_interval_in_which_manual_rules_do_not_count() -> None:
    score = judged(Policy()).score
    assert (score.worst, score.best) == (33.3, 66.6)
    assert (score.passed, score.failed, score.unknown, score.manual) == (1, 1, 1, 1)


def test_score_of_level_1_leaves_level_2_out() -> None:
    assert judged(Policy(), level=1).score.worst == 50.0
    assert {level: one.worst for level, one in judged(Policy()).by_level.items()} == {"1": 50.0, "2": 33.3}


def test_waiver_takes_a_rule_out_of_the_second_score_and_never_hides_the_verdict() -> None:
    result = judged(waiver())
    weak = next(one for one in result.results if one.rule.id == "weak")
    assert weak.verdict is Verdict.FAIL
    assert weak.waiver is not None
    assert (result.score.worst, result.score_with_waivers.worst) == (33.3, 50.0)
    assert result.score.waived == 1


def test_waiver_that_expires_today_no_longer_counts() -> None:
    policy = waiver(expires="2026-11-22")
    assert all(one.waiver is None for one in judged(policy).results)
    assert "expired on 2026-11-22" in problems(policy)[0]


def test_waiver_for_another_target_does_not_count() -> None:
    policy = waiver(target="prod-*")
    assert all(one.waiver is None for one in judged(policy).results)
    assert "prod-*" in problems(policy)[0]


def test_waiver_that_nothing_needs_and_waiver_for_no_rule_are_reported() -> None:
    assert "not needed" in problems(waiver("sound"))[0]
    assert "no rule" in problems(waiver("nothing"))[0]


def test_waiver_of_an_undecided_rule_counts() -> None:
    result = judged(waiver("unseen"))
    assert next(one for one in result.results if one.rule.id == "unseen").waiver is not None


def attestation(rule: str, verdict: str = "pass", expires: str = "2027-01-01") -> Policy:
    head = f'[[attestations]]\nrule = "{rule}"\nverdict = "{verdict}"\n'
    return parse_policy(f'{head}reason = "seen"\napproved_by = "a"\nexpires = {expires}\n'.encode())


def test_attestation_answers_a_manual_rule_and_says_who_answered() -> None:
    asked = next(one for one in judged(attestation("asked")).results if one.rule.id == "asked")
    assert asked.verdict is Verdict.PASS
    assert "attested by a until 2027-01-01" in asked.outcome.why


def test_attestation_that_expired_leaves_the_rule_manual() -> None:
    asked = next(one for one in judged(attestation("asked", expires="2026-11-22")).results if one.rule.id == "asked")
    assert asked.verdict is Verdict.MANUAL


def test_attestation_never_overrules_facts() -> None:
    policy = attestation("weak")
    assert next(one for one in judged(policy).results if one.rule.id == "weak").verdict is Verdict.FAIL
    assert "facts decide" in problems(policy)[0]
    unseen = next(one for one in judged(attestation("unseen")).results if one.rule.id == "unseen")
    assert unseen.verdict is Verdict.UNKNOWN


def test_thresholds_use_the_worst_score_with_waivers() -> None:
    assert unmet_demands(parse_policy(b"min_score = 40"), (judged(Policy()),), 10.0) != ()
    assert unmet_demands(parse_policy(b"min_score = 40"), (judged(waiver()),), 10.0) == ()
    assert unmet_demands(parse_policy(b"[min_score]\nother = 99"), (judged(Policy()),), 10.0) == ()


def test_benchmark_in_which_nothing_was_judged_meets_no_threshold() -> None:
    policy = parse_policy(b'min_score = 1\n[tailoring]\nselect = ["asked"]')
    benchmarks = judge(load_benchmarks(RULES, policy.tailoring), evidence_of(WORLD, ()), None, today=TODAY)
    assert benchmarks[0].score.worst is None
    assert "no rule was judged" in unmet_demands(policy, benchmarks, None)[0]


def test_share_of_c_that_is_not_known_meets_no_threshold() -> None:
    assert unmet_demands(parse_policy(b"max_c_share = 60"), (), None) != ()
    assert unmet_demands(parse_policy(b"max_c_share = 60"), (), 61.0) != ()
    assert unmet_demands(parse_policy(b"max_c_share = 60"), (), 60.0) == ()


def test_tailoring_selects_skips_and_changes_levels_and_values() -> None:
    text = b"""
[tailoring]
skip = ["asked", "uns*"]
[tailoring.levels]
sound = 2
[tailoring.values.weak]
one_of = ["bad"]
"""
    loaded = load_benchmarks(RULES, parse_policy(text).tailoring)[0]
    assert [(rule.id, rule.level) for rule in loaded.rules] == [("weak", 1), ("sound", 2)]
    result = judge((loaded,), evidence_of(WORLD, ()), None, today=TODAY)[0]
    assert result.score.worst == 100.0


@pytest.mark.parametrize("text", ['skip = ["nothing"]', "levels = {nothing = 1}", "values = {asked = {one_of = [1]}}"])
def test_tailoring_of_what_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        load_benchmarks(RULES, parse_policy(f"[tailoring]\n{text}".encode()).tailoring)


WRONG = {
    "levle = 1": "did you mean 'level'",
    "level = 3": "expected 1 or 2",
    "level = true": "expected 1 or 2",
    'fail_on = "sometimes"': "expected some of never",
    "fail_on = []": "at least one",
    "min_score = 101": "from 0 to 100",
    "min_score = {a = true}": "from 0 to 100",
    "max_c_share = nan": "from 0 to 100",
    'require = "x"': "a list of texts",
    "waivers = 1": "[[waivers]]",
    '[[waivers]]\nrule = "a"': "reason is missing",
    '[[waivers]]\nrule = "a"\nreason = " "': "expected text",
    '[[waivers]]\nrule = "a"\nreason = "b"\napproved_by = "c"': "expires is missing",
    '[[waivers]]\nrule = "a"\nreason = "b"\napproved_by = "c"\nexpires = 2027-01-01T00:00:00': "expected a day",
    '[[waivers]]\nrule = "a"\nreason = "b"\napproved_by = "c"\nexpires = "soon"': "expected a day",
    '[[attestations]]\nverdict = "unknown"': "expected one of pass, fail",
    "[tailoring.levels]\nx = 0": "expected 1 or 2",
    "[tailoring.values]\nx = 1": "arguments of the rule",
    "a = [": "not TOML",
    "\xff": "not UTF-8",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_policy_is_refused_with_a_message_that_says_what_is_expected(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text.encode("latin-1"))
    assert WRONG[text] in f"{caught.value.message} {caught.value.hint}"


def test_policy_schema_accepts_a_whole_policy_and_refuses_a_waiver_without_expiry() -> None:
    schema = json.loads((REPO / "reports" / "schema" / "policy-1.0.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    given = {"rule": "a", "reason": "b", "approved_by": "c", "expires": "2027-01-01"}
    whole = {"level": 2, "fail_on": ["integrity"], "min_score": {"*": 80}, "waivers": [given], "require": ["a-*"]}
    validator.validate(whole)
    assert list(validator.iter_errors({"waivers": [{"rule": "a", "reason": "b", "approved_by": "c"}]}))


def test_day_of_judging_moves_expiry_of_metadata_and_never_that_of_waivers() -> None:
    own = {**RULES, "own/2.yaml": RULES["own/1.yaml"].split(b"- {id: sound")[0].replace(b"id: weak", b"id: root")}
    own["own/2.yaml"] = own["own/2.yaml"].replace(
        b'{fact: {key: "x:weak", one_of: [good]}}', b"{probe: update_root_current}"
    )
    policy = waiver(expires="2026-12-31")
    evidence = evidence_of({"facts": {"x:weak": "bad", "update_root:root#expires": "2027-01-01T00:00:00Z"}}, ())
    for as_of, verdict in ((None, Verdict.PASS), (date(2027, 6, 1), Verdict.FAIL)):
        (result,) = judge(load_benchmarks(own), evidence, None, today=TODAY, policy=policy, as_of=as_of)
        found = {one.rule.id: one for one in result.results}
        assert found["root"].verdict is verdict
        assert found["weak"].waiver is not None


def test_report_says_how_the_rules_differ_from_those_shipped() -> None:
    text = b'[tailoring]\nskip = ["asked"]\n[tailoring.levels]\nsound = 2\n[tailoring.values.weak]\none_of = ["bad"]\n'
    change = parse_policy(text).tailoring
    untailored, tailored = load_benchmarks(RULES), load_benchmarks(RULES, change)
    assert tailoring_lines(untailored, tailored, change, 2) == (
        "1 of 4 rules are left out: asked",
        "levels changed: sound (1 to 2)",
        "values changed: weak (one_of bad)",
    )
    assert tailoring_lines(untailored, untailored, Tailoring(), 2) == ()
    assert tailoring_lines(untailored, untailored, Tailoring(), 2, ("fips",)) == ("rules of your own: own",)
    assert tailoring_lines(untailored, untailored, Tailoring(), 1) == ("1 rules above level 1 were not judged",)


def test_requirement_that_no_judged_rule_can_meet_is_not_met() -> None:
    judged_rules = (judged(Policy()),)
    assert unmet_demands(parse_policy(b'require = ["weak", "unse*"]'), judged_rules, None) == ()
    unmet = unmet_demands(parse_policy(b'require = ["waek"]'), judged_rules, None)
    assert unmet == ("the policy requires 'waek', and no such rule was judged",)
    (skipped,) = judge(load_benchmarks(RULES, Tailoring(skip=("weak",))), evidence_of(WORLD, ()), None, today=TODAY)
    assert unmet_demands(parse_policy(b'require = ["weak"]'), (skipped,), None) != ()


def test_threshold_for_a_benchmark_that_was_not_judged_is_reported() -> None:
    assert problems(parse_policy(b"[min_score]\nother = 99")) == ("min_score names 'other', which was not judged",)


def test_policy_schema_accepts_every_table_that_the_reader_takes() -> None:
    """The example of docs/sbom.md as JSON, and an exception for drift."""
    validator = Draft202012Validator(json.loads((REPO / "reports" / "schema" / "policy-1.0.json").read_text()))
    example = tomllib.loads((REPO / "docs" / "bottlerocket-sbom.toml").read_text())
    validator.validate(example)
    excused = {"subject": "a", "reason": "b", "approved_by": "c", "expires": "2027-01-01"}
    validator.validate({"drift": {"allow": [excused], "fail_on": "never"}, "min_version": "1.57.0"})
    example["sbom"]["component"][0].pop("basis")
    assert not validator.is_valid(example)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('match = ["*"]\nbasis = "b"\n', "a value is missing"),
        ('basis = "b"\ncreator = "https://a.example"\n', "match is missing"),
        ('match = ["*"]\ncreator = "https://a.example"\n', "basis is missing"),
        ('match = ["*"]\nbasis = "b"\ncreator = "Example"\n', "an e-mail address, a URL"),
        ('match = ["*"]\nbasis = "b"\nlicence = "free"\n', "an SPDX expression"),
        ('match = ["*"]\nbasis = "b"\nlicence = "MIT"\nsource_url = "x"\n', "did you mean 'source-url'"),
    ],
)
def test_a_statement_about_components_is_whole_or_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(f"[[sbom.component]]\n{text}".encode())
    assert said in f"{caught.value.message} {caught.value.hint}"
