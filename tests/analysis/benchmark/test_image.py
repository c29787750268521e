"""Rules over a real disk image: most are decided, and what is planted turns exactly the rules that it should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache

import pytest

from rocketaudit.analysis.benchmark import judge, needs
from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.analysis.integrity_facts import integrity_facts
from rocketaudit.evidence import COLLECTORS
from rocketaudit.evidence.collect import collect
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Evidence, Wants
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.target import Tool
from rocketaudit.model.verdict import Verdict
from rocketaudit.source.opening import open_target
from tests.images import TOOLS, ImageSpec, build
from tests.rules import shipped
from tests.support import needs_tools

TODAY = date(2026, 11, 22)
DECIDED = (Verdict.PASS, Verdict.FAIL)


@cache
def evidence_of(plants: tuple[str, ...] = ()) -> Evidence:
    needs_tools(*TOOLS)
    source = open_target(build(ImageSpec(plants=plants)).path, budget=Budget(), tmp_dir=None, progress=NoProgress())
    try:
        wants = Wants(keys=needs(shipped()))
        return collect(
            source, wants, collectors=COLLECTORS, workers=1, progress=NoProgress(), tool=Tool("t", ""), when=""
        )
    finally:
        source.close()


def verdicts(plants: tuple[str, ...] = ()) -> dict[str, Verdict]:
    evidence = evidence_of(plants)
    integrity = judge_integrity(evidence, ())
    known = replace(evidence, facts=evidence.facts + integrity_facts(integrity), _facts={})
    results = judge(shipped(), known, integrity, today=TODAY)
    return {result.rule.id: result.verdict for one in results for result in one.results}


def turned(*plants: str) -> Iterator[str]:
    """The rules that plants turn; each from pass to fail."""
    before, after = verdicts(), verdicts(plants)
    for rule, verdict in before.items():
        if after[rule] is not verdict:
            assert (verdict, after[rule]) == (Verdict.PASS, Verdict.FAIL), f"{rule}: {verdict} to {after[rule]}"
            yield rule


def test_most_rules_are_decided_on_an_image() -> None:
    found = verdicts()
    assert sum(verdict in DECIDED for verdict in found.values()) >= 150


def test_every_decided_rule_shows_a_fact() -> None:
    evidence = evidence_of()
    results = judge(shipped(), evidence, None, today=TODAY)
    for result in (each for one in results for each in one.results if each.verdict in DECIDED):
        assert result.outcome.facts, result.rule.id
        assert result.outcome.why, result.rule.id


def test_rules_that_need_a_node_are_unknown_and_say_so() -> None:
    results = judge(shipped(), evidence_of(), None, today=TODAY)
    of_node = [each for one in results for each in one.results if each.rule.needs_node]
    assert len(of_node) >= 10
    for result in of_node:
        assert result.verdict in (Verdict.UNKNOWN, Verdict.NOT_APPLICABLE), result.rule.id
        if result.verdict is Verdict.UNKNOWN:
            assert "needs a node" in result.outcome.why


PLANTED = {
    ("selinux0",): {"boot-does-not-turn-selinux-off", "selinux-enforces-the-fortified-policy"},
    ("weak_sysctl",): {"kernel-pointers-are-hidden", "unprivileged-bpf-is-off"},
    (
        "anonymous_kubelet",
        "debug_shell",
        "init_shell",
        "selinux_permissive",
        "shell_script",
        "slack",
        "unlabelled_file",
        "world_writable",
    ): {
        "boot-starts-the-real-init",
        "debug-shell-is-off",
        "everything-is-labelled",
        "kubelet-refuses-anonymous-requests",
        "no-scripts",
        "nothing-hides-behind-the-tree",
        "nothing-is-world-writable",
        "selinux-enforces-the-fortified-policy",
    },
}


@pytest.mark.parametrize("plants", sorted(PLANTED), ids="+".join)
def test_plants_turn_exactly_the_rules_that_they_should(plants: tuple[str, ...]) -> None:
    assert set(turned(*plants)) == PLANTED[plants]


def test_setuid_shell_turns_the_rules_about_shells_setuid_and_the_weak_program_that_it_is() -> None:
    """What else its compiler flags do wrong, programs of the image do wrong already."""
    about_its_build = {"stack-permission-is-stated", "stacks-are-not-executable"}
    assert set(turned("setuid_shell")) == {"no-shell", "no-setuid-programs"} | about_its_build


def test_wrong_root_hash_in_the_boot_text_fails_the_rules_about_the_tree() -> None:
    assert {"verity-statements-agree", "verity-tree-holds", "integrity-is-not-broken"} & set(turned("wrong_root_hash"))
