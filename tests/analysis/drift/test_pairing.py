"""The modules of one kernel stand against those of the next, and no record in another's place."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.model.binary import BinaryKind
from rocketaudit.model.change import Change, Judgement
from rocketaudit.model.evidence import Evidence
from tests.analysis.drift.samples import BANK, binary, file
from tests.analysis.drift.test_judge import NEXT, SAME, judged

ROOT = "/usr/lib/modules"


def with_kernel(evidence: Evidence, kernel: str, *paths: str, **changes: object) -> Evidence:
    """With modules at these paths; `changes` are of their hardening."""
    target = replace(evidence.target, kernel_version=kernel)
    one = replace(binary(), kind=BinaryKind.KERNEL_MODULE, hardening=replace(binary().hardening, **changes))
    return replace(
        evidence,
        target=target,
        files=(*evidence.files, *(file(path, content="elf", sha256=f"{len(kernel):02x}" * 32) for path in paths)),
        binaries=(*evidence.binaries, *(replace(one, path=path) for path in paths)),
        _files={},
        _children={},
    )


def found(before: Evidence, after: Evidence) -> list[Change]:
    return [c for c in judged(before, after).changes if "/lib/modules/" in c.subject]


def test_modules_of_a_new_kernel_are_no_new_programs() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/kernel/udf.ko", f"{ROOT}/6.18.4/modules.dep")
    new = with_kernel(NEXT, "6.18.10", f"{ROOT}/6.18.10/kernel/udf.ko", f"{ROOT}/6.18.10/modules.dep")
    changes = found(old, new)
    assert {c.subject for c in changes} == {
        f"{BANK}:{ROOT}/(kernel)/kernel/udf.ko",
        f"{BANK}:{ROOT}/(kernel)/modules.dep",
    }
    assert {(c.area, c.attribute, c.judgement) for c in changes} == {("files", "content", Judgement.EXPECTED)}
    assert {(c.where_before.path, c.where_after.path) for c in changes} >= {
        (f"{ROOT}/6.18.4/kernel/udf.ko", f"{ROOT}/6.18.10/kernel/udf.ko")
    }
    back = found(new, old)
    assert {(c.subject, c.attribute) for c in back} == {(c.subject, c.attribute) for c in changes}


def test_a_module_that_lost_a_protection_with_its_new_kernel_is_told() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    new = with_kernel(NEXT, "6.18.5", f"{ROOT}/6.18.5/udf.ko", ibt=False)
    (change,) = [c for c in found(old, new) if c.area == "binaries"]
    assert (change.judgement, change.decided_by) == (Judgement.UNEXPECTED, "hardening-lost")


def test_a_module_that_only_one_kernel_has_came_or_went() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    new = with_kernel(NEXT, "6.18.5", f"{ROOT}/6.18.5/rootkit.ko")
    assert {(c.subject, c.kind.value) for c in found(old, new) if c.area == "files"} == {
        (f"{BANK}:{ROOT}/(kernel)/rootkit.ko", "added"),
        (f"{BANK}:{ROOT}/(kernel)/udf.ko", "removed"),
    }


def test_the_folder_of_another_kernel_is_a_folder_like_any_other() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    new = with_kernel(NEXT, "6.18.5", f"{ROOT}/6.18.5/udf.ko", f"{ROOT}/6.18.4/udf.ko")
    assert f"{BANK}:{ROOT}/6.18.4/udf.ko" in {c.subject for c in found(old, new)}


def test_a_name_that_would_stand_for_two_files_stands_for_none() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    new = with_kernel(NEXT, "6.18.5", f"{ROOT}/6.18.5/udf.ko", f"{ROOT}/(kernel)/udf.ko")
    assert {c.subject for c in found(old, new) if c.area == "files"} == {
        f"{BANK}:{ROOT}/{place}/udf.ko" for place in ("6.18.4", "6.18.5", "(kernel)")
    }


def test_no_version_that_is_a_path_moves_a_folder() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    new = with_kernel(NEXT, "6.18.5/kernel", f"{ROOT}/6.18.5/kernel/udf.ko")
    assert {c.kind.value for c in found(old, new) if c.area == "files"} == {"added", "removed"}


def test_a_kernel_that_is_only_claimed_moves_no_folder() -> None:
    old = with_kernel(SAME, "6.18.4", f"{ROOT}/6.18.4/udf.ko")
    claimed = replace(old, target=replace(old.target, kernel_version="9"))
    assert found(old, claimed) == []
