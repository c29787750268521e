"""Whatever is changed in a real image is found, in its place, and called unexpected; nothing else is blamed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark import load_benchmarks
from rocketaudit.analysis.drift import judge_drift
from rocketaudit.analysis.drift.judge import decide
from rocketaudit.audit import Looking, look
from rocketaudit.cli.running import SHIPPED, rule_files
from rocketaudit.formats.evidence_file import evidence_digest
from rocketaudit.model.change import Drift, Judgement, Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.policy import DriftPolicy
from rocketaudit.model.rule import Benchmark
from rocketaudit.model.verdict import Severity
from tests.analysis.drift.image_mutations import (
    IN_THE_ROOT,
    KINDS,
    Disk,
    Made,
    byte,
    capability,
    mode,
    sealed,
    swap_banks,
)
from tests.conftest import built
from tests.images import Built, Flip, damaged_copy
from tests.images.assemble import assemble
from tests.images.recipe import make_banks
from tests.images.tree import manifest_of
from tests.support import needs_tools

HIGH, CRITICAL = Severity.HIGH, Severity.CRITICAL
SEALING = (
    "integrity",
    "boot",
    "kernel-arguments",
    "signed-texts",
    "partitions",
)  # changed by a new tree


@cache
def rules() -> tuple[Benchmark, ...]:
    return load_benchmarks({name: data for one in SHIPPED for name, data in rule_files(one).items()})


def see(path: Path) -> Evidence:
    return look(path, Looking(workers=1, signatures=True), rules())


def drift(before: Evidence, after: Evidence) -> Drift:
    policy = DriftPolicy(declared_update="upgrade")  # by which no other release is excused
    return judge_drift(before, after, policy=policy, today=date(2026, 6, 1))


@pytest.fixture(scope="session")
def pristine(small_ext4_image: Built) -> Evidence:
    return see(small_ext4_image.path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_one_change_is_found_placed_and_unexpected(
    kind: Callable[[Disk, random.Random], Made], pristine: Evidence, small_ext4_image: Built, tmp_path: Path
) -> None:
    check(kind, 0, pristine, Disk(small_ext4_image, tmp_path / "disk.img"))


@pytest.mark.parametrize("kind", [byte, mode, capability], ids=lambda kind: kind.__name__)
def test_one_change_below_a_new_hash_tree_is_found_placed_and_unexpected(
    kind: Callable[[Disk, random.Random], Made], pristine: Evidence, small_ext4_image: Built, tmp_path: Path
) -> None:
    check(kind, 1, pristine, Disk(small_ext4_image, tmp_path / "disk.img"))


def check(kind: Callable[[Disk, random.Random], Made], number: int, pristine: Evidence, disk: Disk) -> None:
    """Change the disk and look at what is told of it; with an odd number changes in the root are sealed anew."""
    needs_tools("debugfs", "sgdisk", "veritysetup")
    chance = random.Random(f"{kind.__name__} {number}")
    made = sealed(kind, disk, chance) if number % 2 and kind in IN_THE_ROOT else kind(disk, chance)
    found = drift(pristine, see(disk.path))
    told = [change for change in found.changes if made.is_told_by(change)]
    assert told, (made, [(c.area, c.subject, c.attribute) for c in found.changes])
    assert {(change.judgement, change.decided_by) for change in told} == {(Judgement.UNEXPECTED, made.ruling)}
    assert decide(found, "unexpected")[0] == 1
    blamed = {change.subject for change in found.changes if change.area == "files"}
    if made.area == "files":
        assert {change.severity for change in told} == {HIGH if made.ruling == "boot-files" else CRITICAL}
        assert {subject for subject in blamed if not is_kin(subject, made)} == set(), made
    elif made.area in ("banks", "partitions"):
        assert blamed == set()
    if made.kind in ("owner", "mode", "label", "capability"):
        assert {change.area for change in found.changes} <= {"files", *SEALING}, made
    if made.kind == "GPT bit":
        rest = {(change.area, change.attribute) for change in found.changes if change.area != "banks"}
        assert rest <= {("partitions", "problems")}, made  # where no bank would boot any more
    check_tree(made, found)


def check_tree(made: Made, found: Drift) -> None:
    """A changed root no longer fits its tree, unless that was made anew: then the tree is another one."""
    rulings = {change.decided_by for change in found.changes if change.area == "integrity"}
    if made.is_sealed:
        assert "fixed-tree" in rulings and "tree-broken" not in rulings, made
    elif made.kind in {kind.__name__ for kind in IN_THE_ROOT}:
        assert "tree-broken" in rulings, made


def is_kin(subject: str, made: Made) -> bool:
    """The file itself, a hard link of it, or the folder that holds it; of a new seal also the boot text."""
    path = made.subject.removeprefix("boot-a").removeprefix(":")
    sealing = made.is_sealed and subject == "boot-a:/grub/grub.cfg"
    return sealing or subject.endswith(made.subject) or path.startswith(subject.partition(":")[2])


def test_two_sound_banks_that_are_swapped_change_which_one_boots_and_nothing_else(
    two_bank_image: Built, tmp_path: Path
) -> None:
    disk = Disk(two_bank_image, tmp_path / "disk.img")
    swap_banks(disk, random.Random(1))
    changes = drift(see(two_bank_image.path), see(disk.path)).changes
    assert [(c.area, c.subject, c.attribute, c.decided_by) for c in changes] == [
        ("banks", "bank-a", "state", "bank-state"),
        ("banks", "bank-b", "state", "bank-state"),
    ]


def test_an_update_into_the_other_bank_has_only_expected_changes_and_excuses_no_other(
    small_erofs_image: Built, two_bank_image: Built, tmp_path: Path
) -> None:
    disk = Disk(two_bank_image, tmp_path / "disk.img")
    swap_banks(disk, random.Random(1))
    before = see(small_erofs_image.path)

    def updated() -> Evidence:
        """Bank B as a newer release: what its os-release says is changed here, all else is the image's."""
        evidence = see(disk.path)
        assert evidence.judged == "bank-b"
        target = replace(evidence.target, version="1.63.0", build="aaaa1111")
        return replace(evidence, target=target, _facts={}, _files={}, _children={})

    found = drift(before, updated())
    assert found.relation is Relation.UPGRADE
    assert [c for c in found.changes if c.judgement is not Judgement.EXPECTED] == []
    assert {c.area for c in found.changes if c.decided_by == "updated-in-place"} == {
        "banks",
        "partitions",
        "boot",
        "kernel-arguments",
    }
    disk.sgdisk("-A", f"{disk.number('PRIVATE')}:toggle:60", "-c", f"{disk.number('BOOT-A')}:SOMETHING")
    rest = [c for c in drift(before, updated()).changes if c.judgement is not Judgement.EXPECTED]
    assert {(c.attribute, c.decided_by) for c in rest} == {("attributes", "partitions"), ("name", "partitions")}


def test_an_image_that_is_built_twice_has_not_drifted(
    small_ext4_image: Built, pristine: Evidence, tmp_path: Path
) -> None:
    spec = small_ext4_image.spec
    banks = make_banks(spec)
    again = assemble(spec, banks, {name: manifest_of(bank.tree) for name, bank in banks.items()}, tmp_path)
    evidence = see(again.path)
    assert drift(pristine, evidence).changes == ()
    assert evidence_digest(evidence) == evidence_digest(pristine)


def test_two_looks_at_one_image_have_not_drifted(small_ext4_image: Built, pristine: Evidence) -> None:
    assert drift(pristine, see(small_ext4_image.path)).changes == ()


def test_an_update_from_one_release_to_the_next_has_only_expected_changes(
    small_erofs_image: Built,
) -> None:
    release = replace(small_erofs_image.spec.release, version="1.63.0", build="aaaa1111")
    newer = built(replace(small_erofs_image.spec, release=release))
    found = drift(see(small_erofs_image.path), see(newer.path))
    assert found.relation is Relation.UPGRADE
    assert [(c.area, c.subject, c.attribute) for c in found.changes if c.judgement is not Judgement.EXPECTED] == []
    assert {"identity", "integrity", "packages", "files"} <= {change.area for change in found.changes}
    back = drift(see(newer.path), see(small_erofs_image.path))
    assert back.relation is Relation.DOWNGRADE
    assert {c.judgement for c in back.changes if c.area == "identity"} == {Judgement.UNEXPECTED}


@pytest.mark.parametrize("number", range(4))
def test_any_byte_of_a_compressed_root_that_changes_breaks_the_tree(
    small_erofs_image: Built, tmp_path: Path, number: int
) -> None:
    chance = random.Random(number)
    used = small_erofs_image.verity["A"].data_blocks * 4096
    copy = damaged_copy(small_erofs_image, tmp_path / "disk.img", Flip("ROOT-A", chance.randrange(1 << 12, used)))
    found = drift(see(small_erofs_image.path), see(copy))
    told = {change.attribute: change for change in found.changes if change.area == "integrity"}
    assert told["verdict"].decided_by == told["bad_blocks"].decided_by == "tree-broken"
    assert told["bad_blocks"].severity is Severity.CRITICAL
