"""Which changes are expected, which are not, and which nobody can say; by which line of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pytest

from rocketaudit.analysis.drift.areas import RUN_TIME_FOLDERS
from rocketaudit.analysis.drift.judge import decide, judge_drift
from rocketaudit.analysis.drift.rulings import NAMES, RULINGS
from rocketaudit.model.bank_verity import BankVerity, Statement
from rocketaudit.model.binary import Canary, Language, Pie
from rocketaudit.model.change import Change, ChangeKind, Drift, Judgement, Relation
from rocketaudit.model.evidence import Coverage, Evidence, Gap
from rocketaudit.model.fact import Assurance, Fact, Locator, Plane, State
from rocketaudit.model.files import FileCapability
from rocketaudit.model.policy import DriftException, DriftPolicy
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verdict import Severity
from rocketaudit.model.verity import TreeVerdict
from tests.analysis.drift.samples import BANK, PARAMETERS, binary, fact, file, package, sound
from tests.support import REPO

TODAY = date(2026, 6, 1)
SAME = sound()
BROKEN = replace(SAME, target=replace(SAME.target, version="1.63.0", build="ffff0000"))
REBUILT = replace(PARAMETERS, root_hash="77" * 32)


def judged(
    before: Evidence, after: Evidence, policy: DriftPolicy | None = None, results: Iterable[Change] = ()
) -> Drift:
    return judge_drift(before, after, policy=policy or DriftPolicy(), today=TODAY, results=results)


def with_tree(evidence: Evidence, parameters: object) -> Evidence:
    bank = evidence.verity[0]
    assert bank.check is not None
    statement = replace(bank.statements[0], parameters=parameters)  # type: ignore[arg-type]
    check = replace(bank.check, bad_blocks=(), bad_blocks_total=0, verdict=TreeVerdict.VERIFIED)
    return replace(evidence, verity=(replace(bank, statements=(statement,), check=check), *evidence.verity[1:]))


NEXT = with_tree(BROKEN, REBUILT)
DECLARED = DriftPolicy(declared_update="1.63.0")


def swap(evidence: Evidence, path: str, **changes: object) -> Evidence:
    files = tuple(replace(f, **changes) if f.path == path else f for f in evidence.files)  # type: ignore[arg-type]
    return replace(evidence, files=files, _files={}, _children={})


def set_fact(evidence: Evidence, key: str, value: object, plane: Plane = Plane.STATIC, scope: str = BANK) -> Evidence:
    rest = tuple(f for f in evidence.facts if (str(f.key), f.plane, f.scope) != (key, plane, scope))
    return replace(evidence, facts=(*rest, fact(key, value, plane, scope)), _facts={})  # type: ignore[arg-type]


def only(drift: Drift, area: str) -> Change:
    (change,) = [change for change in drift.changes if change.area == area]
    return change


def test_a_file_that_differs_under_the_same_root_hash_is_the_loudest_change() -> None:
    drift = judged(SAME, swap(SAME, "/usr/bin/a", sha256="99" * 32))
    (change,) = drift.changes
    assert (change.judgement, change.severity) == (Judgement.UNEXPECTED, Severity.CRITICAL)
    assert change.decided_by == "same-root-hash"
    assert "the root hash is the same" in drift.notes[0]
    assert decide(drift, "unexpected")[0] == 1


def test_no_policy_accepts_a_file_that_differs_under_the_same_root_hash() -> None:
    everything = (DriftException("because", "me", date(2099, 1, 1), area="*", subject="*"),)
    for policy in (DriftPolicy(allow=everything), DriftPolicy(ignore=everything)):
        drift = judged(SAME, swap(SAME, "/usr/bin/a", sha256="99" * 32), policy)
        assert [change.decided_by for change in drift.changes] == ["same-root-hash"]


def test_within_one_release_another_tree_and_another_file_are_critical() -> None:
    drift = judged(SAME, swap(with_tree(SAME, REBUILT), "/usr/bin/a", sha256="99" * 32))
    assert {(c.area, c.decided_by) for c in drift.changes if c.severity is Severity.CRITICAL} >= {
        ("files", "fixed-content"),
        ("integrity", "fixed-tree"),
    }


def test_an_upgrade_expects_new_content_and_a_new_tree() -> None:
    after = swap(with_tree(NEXT, REBUILT), "/usr/bin/a", sha256="99" * 32, size=7)
    drift = judged(with_tree(SAME, PARAMETERS), after, DECLARED)
    assert drift.relation is Relation.UPGRADE
    assert {change.judgement for change in drift.changes} == {Judgement.EXPECTED}
    assert any("was declared" in note for note in drift.notes)
    assert decide(drift, "unexpected") == (0, ())


@pytest.mark.parametrize(
    ("after", "ruling"),
    [
        (swap(NEXT, "/usr/bin/a", mode=0o4755), "setuid"),
        (swap(NEXT, "/usr/bin/a", mode=0o2755), "setuid"),
        (swap(NEXT, "/usr/bin/a", capability=FileCapability(("cap_sys_admin",), (), True)), "setuid"),
        (replace(NEXT, files=(*NEXT.files, file("/usr/bin/new", mode=0o4755))), "setuid"),
        (replace(NEXT, binaries=(*NEXT.binaries, replace(binary("/b"), language=Language.C))), "unsafe-language"),
        (replace(NEXT, binaries=(replace(binary(), language=Language.CPP),)), "unsafe-language"),
        (
            replace(NEXT, binaries=(replace(binary(), hardening=replace(binary().hardening, pie=Pie.EXEC)),)),
            "hardening-lost",
        ),
        (
            replace(NEXT, binaries=(replace(binary(), hardening=replace(binary().hardening, canary=Canary.NO)),)),
            "hardening-lost",
        ),
        (
            replace(NEXT, binaries=(replace(binary(), hardening=replace(binary().hardening, execstack=True)),)),
            "hardening-lost",
        ),
        (replace(NEXT, packages=(replace(package(), version="2.42"), NEXT.packages[1])), "package-down"),
        (replace(NEXT, packages=(replace(package(), epoch="0"), NEXT.packages[1])), "package-down"),
        (set_fact(NEXT, "selinux:mode", "permissive"), "kernel-protection"),
        (set_fact(NEXT, "kernel_arg:selinux", "0"), "boot-text"),
        (set_fact(NEXT, 'setting:["host-containers","admin","enabled"]', True), "host-container"),
        (set_fact(NEXT, "users:uid_zero", ("root", "toor")), "users"),
        (set_fact(NEXT, "update_root:root#version", 2), "tuf-root"),
        (with_tree(NEXT, replace(REBUILT, options=())), "verity-weaker"),
    ],
)
def test_even_an_upgrade_does_not_excuse_everything(after: Evidence, ruling: str) -> None:
    found = [c for c in judged(SAME, after).changes if c.decided_by == ruling]
    assert found and all(change.judgement is Judgement.UNEXPECTED for change in found)


def test_a_commit_in_a_release_has_no_order() -> None:
    one, two = "1.1790000000.5f0c1a7e.br1", "1.1790000000.0aaa1111.br1"
    before = replace(SAME, packages=(replace(package(), release=one), SAME.packages[1]))
    after = replace(NEXT, packages=(replace(package(), release=two), SAME.packages[1]))
    assert only(judged(before, after), "packages").decided_by == "update"
    older = replace(NEXT, packages=(replace(package(), release="1.1780000000.ffff1111.br1"), SAME.packages[1]))
    assert only(judged(before, older), "packages").decided_by == "package-down"


def test_a_downgrade_is_unexpected() -> None:
    drift = judged(NEXT, SAME)
    assert drift.relation is Relation.DOWNGRADE
    assert {c.decided_by for c in drift.changes if c.area == "identity"} == {"downgrade"}


@pytest.mark.parametrize("field", ["variant", "arch", "os_id"])
def test_another_variant_or_architecture_is_no_upgrade(field: str) -> None:
    drift = judged(SAME, replace(NEXT, target=replace(NEXT.target, **{field: "other"})))
    assert drift.relation is Relation.UNRELATED
    assert next(c for c in drift.changes if c.attribute == field).decided_by == "other-system"


def test_another_build_of_one_version_does_not_follow_from_it() -> None:
    other = with_tree(replace(SAME, target=replace(SAME.target, build="x")), REBUILT)
    assert judged(SAME, other).relation is Relation.UNRELATED


def test_the_private_partition_follows_from_no_update() -> None:
    def private(evidence: Evidence, digest: str) -> Evidence:
        record = file("/bootconfig.data", scope="private", sha256=digest)
        return replace(evidence, files=(*evidence.files, record), walked=(*evidence.walked, "private"), _files={})

    change = only(judged(private(SAME, "11" * 32), private(NEXT, "22" * 32)), "files")
    assert (change.decided_by, change.judgement) == ("private-changed", Judgement.UNEXPECTED)


def test_a_first_boot_may_set_its_bit_and_nothing_else() -> None:
    assert SAME.disk is not None
    bank = SAME.disk.banks[0]

    def banks(**changes: object) -> Evidence:
        assert SAME.disk is not None
        disk = replace(SAME.disk, banks=(replace(bank, **changes), SAME.disk.banks[1]))  # type: ignore[arg-type]
        return replace(SAME, disk=disk)

    assert only(judged(banks(successful=False), SAME), "banks").decided_by == "first-boot"
    assert only(judged(banks(successful=False, priority=2), SAME), "banks").decided_by == "bank-state"
    assert only(judged(SAME, banks(successful=False)), "banks").decided_by == "bank-state"


def test_what_was_not_read_is_neither_expected_nor_unexpected() -> None:
    torn = replace(SAME, gaps=(Gap(BANK, "/usr/lib", "an extent beyond the end"),))
    drift = judged(SAME, torn)
    assert [change.judgement for change in drift.changes] == [Judgement.CANNOT_SAY]
    assert decide(drift, "unexpected")[0] == 3
    assert decide(drift, "cannot-say")[0] == 1
    assert decide(drift, "never")[0] == 0


def test_an_unexpected_change_wins_over_what_was_not_read() -> None:
    torn = replace(swap(SAME, "/usr/bin/a", mode=0o777), gaps=(Gap(BANK, "/usr/lib", "torn"),))
    assert decide(judged(SAME, torn), "unexpected")[0] == 1


def test_a_broken_tree_is_unexpected_whatever_else_was_declared() -> None:
    sane, broken = with_tree(SAME, PARAMETERS), BROKEN
    found = {c.attribute: c for c in judged(sane, broken).changes if c.area == "integrity"}
    assert found["verdict"].decided_by == found["bad_blocks"].decided_by == "tree-broken"
    assert {c.decided_by for c in judged(broken, sane).changes if c.area == "integrity"} == {"tree-repaired"}


def test_a_policy_allows_with_reason_and_date_and_the_change_stays_visible() -> None:
    allow = DriftException("tuned with support", "ada", date(2026, 12, 31), area="sysctls", subject="*kptr_restrict")
    changed = set_fact(SAME, "sysctl:kernel.kptr_restrict", "0")
    (change,) = judged(SAME, changed, DriftPolicy(allow=(allow,))).changes
    assert (change.judgement, change.decided_by) == (Judgement.EXPECTED, "policy-allow")
    assert change.why == "tuned with support (approved by ada, until 2026-12-31)"


def test_a_policy_that_expires_today_no_longer_counts_and_says_so() -> None:
    allow = DriftException("tuned", "ada", TODAY, area="sysctls")
    drift = judged(SAME, set_fact(SAME, "sysctl:kernel.kptr_restrict", "0"), DriftPolicy(allow=(allow,)))
    assert [change.judgement for change in drift.changes] == [Judgement.UNEXPECTED]
    assert any("expired on 2026-06-01" in note for note in drift.notes)


def test_ignored_changes_are_counted() -> None:
    ignore = DriftException("noise", "ada", date(2099, 1, 1), area="sysctls")
    drift = judged(SAME, set_fact(SAME, "sysctl:kernel.kptr_restrict", "0"), DriftPolicy(ignore=(ignore,)))
    assert (drift.changes, drift.ignored) == ((), 1)
    assert any("1 change was left out" in note for note in drift.notes)


def test_a_policy_sets_severities_by_ruling_or_area() -> None:
    changed = set_fact(SAME, "sysctl:kernel.kptr_restrict", "0")
    for name in ("sysctls", "anything-else"):
        (change,) = judged(SAME, changed, DriftPolicy(severities={name: Severity.LOW})).changes
        assert change.severity is Severity.LOW


def test_assurance_is_the_lower_of_both() -> None:
    assert judged(SAME, replace(SAME, assurance=Assurance.ASSERTED)).assurance is Assurance.ASSERTED
    assert judged(replace(SAME, assurance=Assurance.SIGNED_EVIDENCE), SAME).assurance is Assurance.SIGNED_EVIDENCE


@pytest.mark.parametrize(("kind", "ruling"), [(TargetKind.NODE, "another-kind"), (TargetKind.IMAGE, "rule-undecided")])
def test_a_rule_that_another_kind_of_side_cannot_decide_weighs_nothing(kind: TargetKind, ruling: str) -> None:
    where = Locator("x")
    turned = Change("rules", "b:r", "verdict", ChangeKind.CHANGED, "pass", "unknown", where, where)
    other = replace(RELEASE, target=replace(RELEASE.target, kind=kind))
    (change,) = [c for c in judged(RELEASE, other, results=(turned,)).changes if c.area == "rules"]
    assert (change.judgement, change.decided_by) == (Judgement.CANNOT_SAY, ruling)
    fails = replace(turned, after="fail")
    (change,) = [c for c in judged(RELEASE, other, results=(fails,)).changes if c.area == "rules"]
    assert change.decided_by == "rule-broken"


@pytest.mark.parametrize("kind", TargetKind)
def test_a_rule_that_fails_where_the_baseline_could_not_decide_it_costs(kind: TargetKind) -> None:
    where = Locator("x")
    turned = Change("rules", "b:r", "verdict", ChangeKind.CHANGED, "unknown", "fail", where, where)
    other = replace(RELEASE, target=replace(RELEASE.target, kind=kind))
    found = judged(RELEASE, other, results=(turned,))
    (change,) = [c for c in found.changes if c.area == "rules"]
    assert (change.judgement, change.decided_by) == (Judgement.UNEXPECTED, "rule-fails")
    assert decide(found, "unexpected")[0] == 1
    allow = DriftException("default of the release", "ada", date(2099, 1, 1), area="rules", subject="b:r")
    (change,) = [c for c in judged(RELEASE, other, DriftPolicy(allow=(allow,)), (turned,)).changes if c.area == "rules"]
    assert (change.judgement, change.decided_by) == (Judgement.EXPECTED, "policy-allow")


def test_the_table_ends_with_a_line_that_takes_all_and_names_are_unique() -> None:
    assert len(NAMES) == len(RULINGS)
    assert RULINGS[-1].name == "anything-else"


def test_the_guide_names_every_line_of_the_table() -> None:
    text = (REPO / "docs" / "drift.md").read_text()
    assert {ruling.name for ruling in RULINGS} <= set(re.findall(r"`([a-z-]+)`", text))


# --- a running node against its release


TOLD = ("sysctl:", "selinux:mode", "kernel_arg:", "init_arg:", "mount:/tmp", "setting:")  # by a node as by its release
RELEASE = set_fact(with_tree(SAME, PARAMETERS), "kernel_arg:lockdown", "integrity")


def node(*facts: Fact, files: Iterable[object] = ()) -> Evidence:
    """A clean node that was started from RELEASE."""
    statement = Statement("kernel command line", PARAMETERS, Locator("node"), binds_kernel=True)
    running = [
        replace(one, plane=Plane.RUNTIME, scope="node")
        for one in RELEASE.facts
        if str(one.key).startswith(TOLD) and one.scope == BANK
    ]
    mapped = {"name": "root", "status": ("verity V",)} | {
        name: getattr(PARAMETERS, name) for name in ("algorithm", "root_hash", "salt", "data_blocks", "options")
    }
    running += [fact(f"dm:root#{name}", value, Plane.RUNTIME, "node") for name, value in mapped.items()]
    changed = {(one.key, one.plane) for one in facts}
    kept = tuple(one for one in running if (one.key, one.plane) not in changed)
    return Evidence(
        replace(RELEASE.target, kind=TargetKind.NODE, layout="", name="node-1"),
        "node",
        facts=(
            *(replace(one, scope="node") for one in RELEASE.facts if one.scope == BANK and one.plane is Plane.STATIC),
            *kept,
            *facts,
        ),
        files=(*(replace(one, scope="node") for one in RELEASE.files if one.scope == BANK), *files),  # type: ignore[arg-type]
        binaries=tuple(replace(one, scope="node") for one in RELEASE.binaries),
        packages=tuple(replace(one, scope="node") for one in RELEASE.packages),
        verity=(BankVerity("node", populated=True, statements=(statement,)),),
        covered=(Coverage(Plane.STATIC, "node", "*"), Coverage(Plane.RUNTIME, "node", "*")),
        walked=("node",),
    )


def running(key: str, value: object) -> Fact:
    return fact(key, value, Plane.RUNTIME, "node")  # type: ignore[arg-type]


CLEAN = (running("kernel_arg:lockdown", "integrity"), running("lockdown:mode", "integrity"))


def test_a_clean_node_has_only_expected_changes() -> None:
    records = [file("/etc/hostname", scope="node"), file("/var/lib/x", scope="node"), file("/run/y", scope="node")]
    drift = judged(RELEASE, node(*CLEAN, files=records))
    assert [c for c in drift.changes if c.judgement is Judgement.UNEXPECTED] == []
    assert {c.decided_by for c in drift.changes if c.area == "files"} == {"run-time-folder"}


@pytest.mark.parametrize(
    ("seen", "area", "ruling"),
    [
        (running("sysctl:kernel.kptr_restrict", "0"), "sysctls", "anything-else"),
        (running("modules:loaded", ("ext4", "evil_rootkit")), "modules", "foreign-module"),
        (running("lockdown:mode", "none"), "lockdown", "kernel-protection"),
        (running("selinux:mode", "permissive"), "selinux", "kernel-protection"),
        (running("cover:/opt/cni#added", ("bridge",)), "mounts", "overlay"),
        (running("mounted_view:added", ("/usr/bin/nc",)), "mounts", "mounted-view"),
        (running("cover:/usr/bin", "unexpected: tmpfs, rw"), "mounts", "overlay"),
        (running("mount:/tmp#options", ("rw", "nosuid")), "mounts", "anything-else"),
        (running("kernel_arg:init", "/bin/sh"), "kernel-arguments", "boot-text"),
        (running('setting:["host-containers","admin","enabled"]', True), "host-containers", "host-container"),
        (running("setting:kernel.lockdown", "none"), "settings", "anything-else"),
        (running("dm:root#root_hash", "11" * 32), "integrity", "fixed-tree"),
        (running("dm:root#options", ("ignore_corruption",)), "integrity", "verity-weaker"),
        (running("dm:root#status", ("verity C",)), "integrity", "tree-broken"),
    ],
)
def test_what_a_node_runs_otherwise_than_its_release_is_unexpected(seen: Fact, area: str, ruling: str) -> None:
    rest = tuple(one for one in CLEAN if one.key != seen.key)
    found = [c for c in judged(RELEASE, node(*rest, seen)).changes if c.judgement is Judgement.UNEXPECTED]
    assert [(c.area, c.decided_by) for c in found] == [(area, ruling)]
    mirrored = [c for c in judged(node(*rest, seen), RELEASE).changes if c.judgement is Judgement.UNEXPECTED]
    assert {c.area for c in mirrored} == {area}


@pytest.mark.parametrize(
    "seen",
    [
        running("cover:/opt/cni", "expected: overlay, rw"),
        running("cover:/opt/cni#added", ()),
        running("mounted_view:hidden", ()),
        running("mounted_view:folders", 300),
        running("sysctl:vm.dirty_ratio", "20"),  # the release does not set it
        running("lockdown:mode", "confidentiality"),  # stronger than asked
        running("modules:loaded", ("dm-verity", "ext4")),  # a hyphen is an underscore
        running("mount:/tmp#options", ("rw", "nosuid", "nodev", "relatime")),
        running("setting:network.hostname", "node-1"),  # no default: from user data
    ],
)
def test_what_the_release_has_no_opinion_on_is_not_unexpected(seen: Fact) -> None:
    rest = tuple(one for one in CLEAN if one.key != seen.key)
    found = judged(RELEASE, node(*rest, seen)).changes
    assert [c for c in found if c.judgement is Judgement.UNEXPECTED] == []


def test_what_a_node_did_not_tell_is_not_taken_for_its_release() -> None:
    silent = replace(running("lockdown:mode", None), state=State.UNREAD, reason="needs the host's securityfs")
    drift = judged(RELEASE, node(CLEAN[0], silent))
    assert [c.judgement for c in drift.changes if c.area == "lockdown"] == [Judgement.CANNOT_SAY]


def test_a_file_in_a_protected_folder_of_a_node_is_loud_and_one_beside_a_run_time_folder_too() -> None:
    records = [file("/usr/bin/nc", scope="node", content="elf"), file("/etcetera", scope="node")]
    drift = judged(RELEASE, node(*CLEAN, files=records))
    found = [c for c in drift.changes if c.kind is ChangeKind.ADDED and c.area == "files"]
    assert {c.severity for c in found} == {Severity.CRITICAL}
    assert "/etc" in RUN_TIME_FOLDERS
