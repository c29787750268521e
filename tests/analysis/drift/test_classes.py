"""Within one release every kind of difference has a class; a new kind of fact or record without one fails here."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from rocketaudit.analysis.drift.areas import AREAS
from rocketaudit.analysis.drift.judge import judge_drift
from rocketaudit.model.change import Change, Judgement, Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Plane
from rocketaudit.model.policy import DriftPolicy
from tests.analysis.drift.mutations import Mutation
from tests.analysis.drift.samples import FACTS, fact
from tests.analysis.drift.test_compare import LOUD, REMOVED, SAMPLE

# by area, the rulings that its changes may have; "" is of a namespace that nobody sorted into an area
CLASSES = {
    "identity": {"anything-else", "other-system"},
    "integrity": {
        "anything-else", "bank-filled", "fixed-tree", "tree-broken", "unprotected-bytes", "unreadable", "verity-weaker",
    },
    "banks": {"bank-state"},
    "boot": {"boot-text"},
    "signed-texts": {"boot-text"},
    "partitions": {"partitions", "unreadable"},
    "tuf-root": {"tuf-root"},
    "trust-store": {"anything-else"},
    "kernel": {"anything-else"},
    "kernel-arguments": {"boot-text"},
    "modules": {"anything-else"},
    "lockdown": {"kernel-protection"},
    "selinux": {"kernel-protection"},
    "sysctls": {"anything-else"},
    "mounts": {"anything-else", "mounted-view", "overlay"},
    "units": {"anything-else"},
    "sockets": {"anything-else"},
    "users": {"users"},
    "settings": {"anything-else"},
    "host-containers": {"host-container"},
    "configuration": {"anything-else"},
    "packages": {"anything-else", "package-down", "unreadable"},
    "binaries": {"anything-else", "hardening-lost", "unsafe-language", "unreadable"},
    "files": {"same-root-hash", "boot-files", "unreadable"},
    "licences": {"anything-else"},
    "updates": {"anything-else"},
    "rules": {"anything-else", "rule-broken", "rule-fails", "rule-undecided"},
    "": {"anything-else"},
}  # fmt: skip


def judged(before: Evidence, after: Evidence) -> tuple[Change, ...]:
    found = judge_drift(before, after, policy=DriftPolicy(), today=date(2026, 6, 1))
    assert found.relation in (Relation.SAME_RELEASE, Relation.UNRELATED)
    return found.changes


def check(changes: tuple[Change, ...]) -> None:
    (change,) = changes
    assert change.judgement is not Judgement.EXPECTED, change
    assert (change.judgement is Judgement.CANNOT_SAY) == (change.decided_by in ("unreadable", "rule-undecided"))
    assert change.decided_by in CLASSES[change.area if change.area in AREAS else ""], change


@pytest.mark.parametrize("mutation", LOUD + REMOVED, ids=lambda mutation: mutation.path)
def test_one_other_value_of_any_field_has_a_class(mutation: Mutation) -> None:
    check(judged(SAMPLE, mutation.evidence))


@pytest.mark.parametrize(("key", "value", "another"), FACTS, ids=[key for key, _, _ in FACTS])
@pytest.mark.parametrize("plane", Plane)
def test_one_other_fact_of_any_kind_has_a_class(key: str, value: object, another: object, plane: Plane) -> None:
    rest = tuple(f for f in SAMPLE.facts if str(f.key) != key)
    one, two = (
        replace(SAMPLE, facts=(*rest, fact(key, it, plane)), _facts={})  # type: ignore[arg-type]
        for it in (value, another)
    )
    check(judged(one, two))
    check(judged(one, replace(SAMPLE, facts=rest, _facts={})))


def test_every_area_that_a_side_tells_has_a_class() -> None:
    concluded = {"score", "languages", "evidence"}  # of both sides together: see the command's tests
    assert set(AREAS) - concluded == set(CLASSES) - {""}
