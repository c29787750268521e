"""What a node does not tell, or no release can: gone where the node tells all, and never taken for the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.analysis.drift.judge import decide
from rocketaudit.model.change import Change, ChangeKind, Judgement
from rocketaudit.model.evidence import Coverage, Evidence
from rocketaudit.model.fact import Locator, Plane
from rocketaudit.model.target import TargetKind
from tests.analysis.drift.test_judge import CLEAN, RELEASE, judged, node, running

LOCKDOWN = "setting:kernel.lockdown"
ADMIN = 'setting:["host-containers","admin","enabled"]'


def without(evidence: Evidence, *keys: str) -> Evidence:
    kept = tuple(one for one in evidence.facts if one.plane is Plane.STATIC or str(one.key) not in keys)
    return replace(evidence, facts=kept, _facts={})


def of(changes: tuple[Change, ...], key: str) -> tuple[Judgement, str]:
    (change,) = [c for c in changes if c.subject == f"node:{key}"]
    return change.judgement, change.decided_by


def test_a_default_that_a_node_no_longer_has_is_gone() -> None:
    bare = without(node(*CLEAN), LOCKDOWN, ADMIN)
    changes = judged(RELEASE, bare).changes
    assert of(changes, LOCKDOWN) == (Judgement.UNEXPECTED, "anything-else")
    assert of(changes, ADMIN) == (Judgement.UNEXPECTED, "host-container")
    assert {c.subject for c in judged(bare, RELEASE).changes} >= {f"node:{LOCKDOWN}", f"node:{ADMIN}"}


def test_settings_of_a_node_that_was_not_asked_are_not_those_of_its_release() -> None:
    silent = replace(without(node(*CLEAN), LOCKDOWN), covered=(Coverage(Plane.STATIC, "node", "*"),), _facts={})
    assert of(judged(RELEASE, silent).changes, LOCKDOWN) == (Judgement.CANNOT_SAY, "unreadable")


@pytest.mark.parametrize("key", ["listening:sockets", "units:running", "secure_boot:enabled", "iptables:INPUT#policy"])
def test_what_no_release_can_state_is_said_once_and_weighs_nothing(key: str) -> None:
    release = replace(
        RELEASE,
        facts=tuple(one for one in RELEASE.facts if one.key.namespace != key.partition(":")[0]),
        covered=(),
        _facts={},
    )
    name = key.partition(":")[0]
    found = node(*CLEAN, running(key, "x"), running(f"{name}:another", "y"))
    facts = tuple(one for one in found.facts if one.plane is Plane.RUNTIME or one.key.namespace != name)
    changes = judged(release, replace(found, facts=facts, _facts={})).changes
    assert of(changes, name) == (Judgement.CANNOT_SAY, "not-comparable")


def test_a_rule_that_fails_where_only_a_node_could_be_asked_is_unexpected() -> None:
    where = Locator("x")
    rule = Change("rules", "b:r", "verdict", ChangeKind.CHANGED, "unknown", "fail", where, where)
    score = Change("score", "b", "score", ChangeKind.CHANGED, {"worst": 50, "best": 80}, {"worst": 50, "best": 60},
                   where, where)  # fmt: skip
    found = judged(RELEASE, node(*CLEAN), results=(rule, score))
    told = {c.area: c.decided_by for c in found.changes if c.area in ("rules", "score")}
    assert told == {"rules": "rule-fails", "score": "score-fell"}
    assert decide(found, "unexpected") == (1, ("2 unexpected changes",))
    less = replace(score, after={"worst": 40, "best": 80})
    undecided = judged(RELEASE, node(*CLEAN), results=(replace(rule, before="fail", after="unknown"), less))
    assert {c.decided_by for c in undecided.changes if c.area in ("rules", "score")} == {"another-kind"}
    alike = judged(RELEASE, RELEASE, results=(rule, score))
    assert {c.decided_by for c in alike.changes} == {"rule-fails", "score-fell"}
    broken = judged(RELEASE, node(*CLEAN), results=(replace(rule, before="pass"),))
    assert {c.decided_by for c in broken.changes if c.area == "rules"} == {"rule-broken"}


def test_a_folder_says_that_it_has_no_disk_and_no_signed_texts() -> None:
    """So that an image whose evidence calls itself a folder is not the same for want of a word."""
    target = replace(RELEASE.target, kind=TargetKind.DIRECTORY)
    folder = replace(RELEASE, target=target, disk=None, verity=(), blobs=())
    for one, two in ((RELEASE, folder), (folder, RELEASE)):
        told = {c.area for c in judged(one, two).changes if c.decided_by == "not-comparable"}
        assert told >= {"integrity", "partitions", "banks", "boot", "signed-texts", "tuf-root"}
