"""What a move to another release excuses depends on who says that it is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.analysis.drift.judge import decide
from rocketaudit.model.change import Change, ChangeKind, Judgement, Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance, Locator
from rocketaudit.model.policy import DriftPolicy
from rocketaudit.model.verdict import Severity
from tests.analysis.drift.samples import PARAMETERS
from tests.analysis.drift.test_judge import NEXT, REBUILT, SAME, judged, swap, with_tree

BEFORE = with_tree(SAME, PARAMETERS)
# what somebody with an editor makes of unsigned evidence: another program, a newer version, a root hash to go with it
FORGED = replace(swap(NEXT, "/usr/bin/a", sha256="99" * 32), assurance=Assurance.ASSERTED)
READ = replace(FORGED, assurance=Assurance.DIRECT)
ROOT = REBUILT.root_hash


def said(evidence: Evidence, **words: str) -> tuple[int, set[str]]:
    """The exit code, and the rulings of all that is not expected."""
    found = judged(BEFORE, evidence, DriftPolicy(**words))  # type: ignore[arg-type]
    rulings = {c.decided_by for c in found.changes if c.judgement is not Judgement.EXPECTED}
    return decide(found, "unexpected")[0], rulings


def test_an_update_that_nobody_declared_explains_itself_and_is_not_passed() -> None:
    for evidence in (FORGED, READ):
        assert said(evidence) == (3, {"update-undeclared"})
    found = judged(BEFORE, READ)
    assert decide(found, "unexpected") == (3, ("nobody declared the update",))
    assert any("own word" in note for note in found.notes)


def test_a_declared_update_of_an_image_that_was_read_is_expected() -> None:
    for word in ("upgrade", "1.63.0", "v1.63.0", "1.63.0-ffff0000"):
        assert said(READ, declared_update=word) == (0, set())


def test_a_declared_update_in_unsigned_evidence_is_vouched_for_by_nothing() -> None:
    assert said(FORGED, declared_update="1.63.0") == (3, {"update-unvouched"})
    found = judged(BEFORE, FORGED, DriftPolicy(declared_update="1.63.0"))
    assert decide(found, "unexpected") == (3, ("nothing vouches for the root hash of the update",))
    assert any("whoever can write the unsigned evidence" in note for note in found.notes)
    signed = replace(FORGED, assurance=Assurance.SIGNED_EVIDENCE)
    assert said(signed, declared_update="1.63.0") == (0, set())


def test_a_root_hash_that_the_user_names_vouches_and_any_other_is_the_loudest() -> None:
    assert said(FORGED, declared_root_hash=ROOT) == (0, set())
    code, rulings = said(FORGED, declared_root_hash="12" * 32)
    assert code == 1 and {"not-as-declared", "update-not-declared"} <= rulings
    (change,) = [c for c in judged(BEFORE, FORGED, DriftPolicy(declared_root_hash="12" * 32)).changes
                 if c.decided_by == "not-as-declared"]  # fmt: skip
    assert (change.severity, change.before, change.after) == (Severity.CRITICAL, "12" * 32, ROOT)
    assert said(replace(BEFORE, verity=()), declared_root_hash=ROOT)[0] in (1, 3)


@pytest.mark.parametrize("word", ["none", "1.64.0", "1.62.0", "1.63.0-00000000"])
def test_another_release_than_the_declared_one_excuses_nothing(word: str) -> None:
    code, rulings = said(READ, declared_update=word)
    assert code == 1 and "update-not-declared" in rulings
    changes = judged(BEFORE, READ, DriftPolicy(declared_update=word)).changes
    assert [c.judgement for c in changes if c.subject.endswith("/usr/bin/a")] == [Judgement.UNEXPECTED]
    assert any(c.decided_by == "not-as-declared" for c in changes) == (word != "none")


def test_a_declared_update_that_did_not_happen_is_told() -> None:
    code, rulings = said(BEFORE, declared_update="1.63.0")
    assert (code, rulings) == (1, {"not-as-declared"})
    assert said(BEFORE, declared_update="upgrade") == said(BEFORE, declared_update="none") == (0, set())
    assert said(BEFORE, declared_root_hash=PARAMETERS.root_hash) == (0, set())


def test_a_downgrade_stays_unexpected_even_if_declared() -> None:
    found = judged(NEXT, BEFORE, DriftPolicy(declared_update="1.62.0"))
    assert found.relation is Relation.DOWNGRADE
    assert {c.decided_by for c in found.changes if c.judgement is Judgement.UNEXPECTED} >= {"downgrade"}
    refused = judged(NEXT, BEFORE, DriftPolicy(declared_update="upgrade")).changes
    assert {c.judgement for c in refused} == {Judgement.UNEXPECTED}


def share(before: float, after: float | None) -> Change:
    where = Locator("x")
    return Change("languages", "all programs", "rust_share_bytes", ChangeKind.CHANGED, before, after, where, where)


@pytest.mark.parametrize(
    ("before", "after", "limit", "ruling"),
    [
        (40.0, 39.99, 1.0, "score-moved"),  # other packages, another share
        (40.0, 39.0, 1.0, "score-moved"),
        (40.0, 38.9, 1.0, "share-fell"),
        (40.0, 39.99, 0.0, "share-fell"),
        (40.0, None, 5.0, "share-fell"),
        (40.0, 41.0, 1.0, "score-moved"),
    ],
)
def test_a_share_may_fall_a_little_in_an_update(before: float, after: float | None, limit: float, ruling: str) -> None:
    policy = DriftPolicy(declared_update="upgrade", share_fall=limit)
    (change,) = [c for c in judged(BEFORE, READ, policy, (share(before, after),)).changes if c.area == "languages"]
    assert change.decided_by == ruling


@pytest.mark.parametrize(("after", "ruling"), [(39.99, "share-fell"), (40.01, "share-changed")])
def test_within_one_release_any_other_share_is_unexpected(after: float, ruling: str) -> None:
    (change,) = judged(BEFORE, BEFORE, None, (share(40.0, after),)).changes
    assert (change.judgement, change.decided_by) == (Judgement.UNEXPECTED, ruling)
