"""Bytes that no file and no hash tree holds: one change a region, where nothing else tells of one there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.analysis.drift import compare
from rocketaudit.analysis.drift.judge import decide
from rocketaudit.model.change import Change, Judgement
from rocketaudit.model.disk import DiskSummary, Partition
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator, State
from rocketaudit.model.policy import DriftPolicy
from rocketaudit.model.target import TargetKind
from tests.analysis.drift.samples import fact
from tests.analysis.drift.test_compare import mirrored
from tests.analysis.drift.test_judge import NEXT, SAME, judged, swap

REGIONS = {"1": "boot-a", "3": "", "7": "data-a", "outside": ""}


def disk_of(evidence: Evidence) -> DiskSummary:
    assert evidence.disk is not None
    return evidence.disk


def whole(evidence: Evidence = SAME, **digests: str) -> Evidence:
    """With digests of four regions: boot-a, a BIOS boot partition, the data partition, and all outside."""
    facts = [
        replace(fact(f"raw:{name}#sha256", digests.get(f"region_{name}", "00" * 32)), where=Locator("disk.img", scope))
        for name, scope in REGIONS.items()
    ]
    more = (
        Partition(3, "", "BIOS-BOOT", "guid-bios", "bios", "unique-3", 1 << 20, 4096),
        Partition(7, "data-a", "BOTTLEROCKET-DATA", "guid-data", "data", "unique-7", 2 << 20, 4096),
    )
    disk = replace(disk_of(evidence), partitions=(*disk_of(evidence).partitions, *more))
    return replace(evidence, facts=(*evidence.facts, *facts), disk=disk, _facts={})


def of_bytes(one: Evidence, two: Evidence) -> list[Change]:
    return [c for c in judged(one, two).changes if (c.area, c.attribute) == ("partitions", "bytes")]


@pytest.mark.parametrize(
    ("name", "subject", "ruling"),
    [
        ("1", "1 BOOT-A", "raw-bytes"),
        ("3", "3 BIOS-BOOT", "raw-bytes"),
        ("outside", "outside of all partitions", "raw-bytes"),
        ("7", "7 BOTTLEROCKET-DATA", "data"),
    ],
)
def test_another_digest_is_one_change_of_its_region(name: str, subject: str, ruling: str) -> None:
    one, two = whole(), whole(**{f"region_{name}": "11" * 32})
    (change,) = judged(one, two).changes
    assert (change.subject, change.decided_by) == (subject, ruling)
    assert decide(judged(one, two), "unexpected")[0] == (1 if ruling == "raw-bytes" else 0)
    assert [mirrored(one) for one in compare(two, one)] == list(compare(one, two))
    assert compare(one, one) == ()


def test_a_change_that_is_told_explains_only_its_own_region() -> None:
    other = {f"region_{name}": "11" * 32 for name in REGIONS}
    named = swap(whole(**other), "/grub/grub.cfg", sha256="99" * 32)
    assert {c.subject for c in of_bytes(whole(), named)} == {
        "3 BIOS-BOOT", "7 BOTTLEROCKET-DATA", "outside of all partitions",
    }  # fmt: skip
    renamed = whole(**other)
    disk = disk_of(renamed)
    parts = tuple(replace(part, name="X") if part.number == 3 else part for part in disk.partitions)
    renamed = replace(renamed, disk=replace(disk, partitions=parts))
    assert {c.subject for c in of_bytes(whole(), renamed)} == {"1 BOOT-A", "7 BOTTLEROCKET-DATA"}


def test_the_mark_of_a_first_boot_hides_no_other_boot_code() -> None:
    disk = disk_of(SAME)
    before = replace(whole(), disk=replace(disk_of(whole()), banks=(replace(disk.banks[0], successful=False),)))
    after = whole(region_outside="11" * 32)
    after = replace(after, disk=replace(disk_of(after), banks=disk.banks[:1]))
    changes = {c.decided_by: c.judgement for c in judged(before, after).changes}
    assert changes == {"first-boot": Judgement.EXPECTED, "raw-bytes": Judgement.UNEXPECTED}


def test_a_declared_update_brings_other_bytes() -> None:
    found = judged(whole(), whole(NEXT, region_3="11" * 32), DriftPolicy(declared_update="upgrade")).changes
    assert [c.decided_by for c in found if c.attribute == "bytes" and c.area == "partitions"] == ["update-bytes"]


def test_a_side_without_digests_is_not_the_same() -> None:
    (change,) = of_bytes(whole(), SAME)
    assert change.judgement is Judgement.CANNOT_SAY
    assert decide(judged(whole(), SAME), "unexpected")[0] in (1, 3)
    plain = replace(whole(), facts=SAME.facts, _facts={})
    assert decide(judged(whole(), plain), "unexpected")[0] == 3
    assert decide(judged(plain, whole()), "unexpected")[0] == 0  # the baseline was not asked
    torn = tuple(replace(f, state=State.UNREAD, value=None, reason="torn") if str(f.key).startswith("raw:3") else f
                 for f in whole().facts)  # fmt: skip
    assert decide(judged(whole(), replace(whole(), facts=torn, _facts={})), "unexpected")[0] == 3


def test_a_node_is_not_compared_byte_by_byte_and_says_so() -> None:
    node = replace(SAME, target=replace(SAME.target, kind=TargetKind.NODE))
    (change,) = of_bytes(whole(), node)
    assert (change.judgement, change.decided_by) == (Judgement.CANNOT_SAY, "not-comparable")


@pytest.mark.parametrize("key", ["raw:[]#sha256", "raw:#x", 'raw:["1","2"]', "raw:\u00b2#sha256", "raw:1#other"])
def test_a_region_that_no_collector_names_is_compared_and_breaks_nothing(key: str) -> None:
    """As a file may hold one."""
    one, two = (
        replace(whole(), facts=(*whole().facts, fact(key, value)), _facts={})  # type: ignore[arg-type]
        for value in ("00" * 32, ("11",))
    )
    (change,) = judged(one, two).changes
    assert change.judgement is Judgement.UNEXPECTED
