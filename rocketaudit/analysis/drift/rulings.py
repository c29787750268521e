"""The table that judges a change: the first line that applies decides, so the order is part of the meaning."""

from __future__ import annotations

from collections.abc import Callable

from rocketaudit.analysis.drift.concluded import falls, needs_another_kind, share_falls, turned
from rocketaudit.analysis.drift.conditions import (
    REBUILT,
    RELEASE_AREAS,
    Case,
    area,
    attribute,
    follows_from_update_in_place,
    gains_privilege,
    gains_privilege_at_run_time,
    goes_down,
    is_broken_tree,
    is_configured,
    is_data,
    is_declaration,
    is_mounted,
    is_node_only,
    is_of_workloads,
    is_protected_file,
    is_repaired_tree,
    is_run_time,
    is_table_argument,
    is_unread_alike,
    is_unsafe_language,
    loses_hardening,
    mapped,
    marks_first_boot,
    moved,
    stands,
)
from rocketaudit.analysis.drift.declared import Standing
from rocketaudit.model.change import ChangeKind, Judgement, Relation
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Severity, Verdict


@dataclass(frozen=True, slots=True)
class Ruling:
    """`binding`: no policy may accept what it decides."""

    name: str
    applies: Callable[[Case], bool]
    judgement: Judgement
    severity: Severity
    why: str
    binding: bool = False


U, E, C = Judgement.UNEXPECTED, Judgement.EXPECTED, Judgement.CANNOT_SAY
CRITICAL, HIGH, MEDIUM, LOW, INFO = Severity

RULINGS: tuple[Ruling, ...] = (
    Ruling("not-comparable", is_node_only, C, INFO, "one side does not hold such evidence"),
    Ruling("another-kind", needs_another_kind, C, INFO, "the current side does not show what the rule needs"),
    Ruling("unread-alike", is_unread_alike, C, INFO, "neither side could see it from where it stood"),
    Ruling("unreadable", lambda c: c.change.kind is ChangeKind.UNREADABLE, C, MEDIUM, "one side was not read"),
    Ruling("setuid-at-run-time", gains_privilege_at_run_time, U, HIGH,
           "newly setuid, setgid or with capabilities, where no release ships such a file"),
    Ruling("run-time-folder", is_run_time, E, INFO, "a running node fills this folder"),
    Ruling("workloads", is_of_workloads, E, INFO, "comes and goes with what runs on the node"),
    Ruling("mounted", is_mounted, E, INFO, "the running node has this file system mounted for writing"),
    Ruling("same-root-hash", lambda c: c.same_root and is_protected_file(c), U, CRITICAL,
           "the root hash is the same on both sides, so no protected file may differ", binding=True),
    Ruling("fixed-content", lambda c: c.relation is Relation.SAME_RELEASE and is_protected_file(c), U, CRITICAL,
           "within one release no protected file may differ"),
    Ruling("tree-broken", is_broken_tree, U, CRITICAL, "the hash tree does not hold as it did", binding=True),
    Ruling("tree-repaired", is_repaired_tree, U, LOW, "the hash tree was repaired"),
    Ruling("bank-filled", attribute("integrity", "tree"), U, MEDIUM, "a bank was filled or emptied"),
    Ruling("not-as-declared", is_declaration, U, CRITICAL, "the current side is not what was declared", binding=True),
    Ruling("downgrade", lambda c: c.change.area == "identity" and c.relation is Relation.DOWNGRADE, U, HIGH,
           "the current side is an older release"),
    Ruling("other-system", attribute("identity", "os_id", "variant", "arch", "layout"), U, HIGH,
           "another operating system, variant, architecture or layout"),
    Ruling("update-not-declared", stands(Standing.REFUTED), U, HIGH, "another release than was declared"),
    Ruling("update-undeclared", stands(Standing.UNDECLARED), C, MEDIUM,
           "that this is an update is the current side's own word: nobody declared it"),
    Ruling("update-unvouched", stands(Standing.UNVOUCHED), C, MEDIUM,
           "the update was declared, but nothing vouches for its root hash: this evidence is unsigned"),
    Ruling("setuid", gains_privilege, U, HIGH, "newly setuid, setgid or with capabilities"),
    Ruling("hardening-lost", loses_hardening, U, MEDIUM, "the program lost a protection"),
    Ruling("unsafe-language", is_unsafe_language, U, MEDIUM, "a program in a language that is not memory-safe"),
    Ruling("package-down", lambda c: goes_down(c) and c.relation is not Relation.DOWNGRADE, U, MEDIUM,
           "a package is older than before"),
    Ruling("verity-weaker", attribute("integrity", "options", "algorithm", "hash_type", "binds_kernel", "fec"), U, HIGH,
           "how the tree is enforced changed"),
    Ruling("verity-weaker-now", mapped("options", "on_corruption", "algorithm", "read_only"), U, HIGH,
           "how the kernel enforces the tree changed"),
    Ruling("unprotected-bytes", attribute("integrity", "slack", "unprotected_bytes"), U, MEDIUM,
           "bytes that no digest covers changed"),
    Ruling("rebuilt", lambda c: c.moves and c.change.area in ("integrity", "boot") and c.change.attribute in REBUILT,
           E, INFO, "a new release has a new tree and a new kernel"),
    Ruling("remapped", lambda c: c.moves and mapped("root_hash", "salt", "data_blocks", "table", "parts", "device")(c),
           E, INFO, "a new release has a new tree"),
    Ruling("remapped-otherwise", mapped("root_hash", "salt", "data_blocks"), U, CRITICAL,
           "within one release the hash tree must be the same"),
    Ruling("rebuilt-table", lambda c: c.moves and is_table_argument(c), E, INFO, "a new release has a new tree"),
    Ruling("fixed-tree", lambda c: c.relation is Relation.SAME_RELEASE and c.change.area == "integrity" and
           c.change.attribute in REBUILT, U, CRITICAL, "within one release the hash tree must be the same"),
    Ruling("private-changed", lambda c: c.change.area == "files" and c.change.subject.startswith("private:"), U, HIGH,
           "no release brings the files of the private partition, and bootconfig there adds kernel arguments"),
    Ruling("tuf-root", area("tuf-root"), U, MEDIUM, "the root of trust for updates changed: check its rotation"),
    Ruling("updated-in-place", follows_from_update_in_place, E, INFO, "the update went into the other bank"),
    Ruling("boot-text", lambda c: c.change.area in ("boot", "kernel-arguments") or (c.change.area == "signed-texts" and
           not c.moves), U, HIGH, "what boots, or how, changed"),
    Ruling("boot-files", lambda c: not c.moves and c.change.area == "files" and c.change.subject.startswith(
           ("boot-", "efi-", "efi:", "boot:")), U, HIGH, "what boots, or how, changed"),
    Ruling("first-boot", marks_first_boot, E, INFO, "a first boot that succeeds sets this bit"),
    Ruling("bank-state", area("banks"), U, MEDIUM, "which bank boots, or may be rolled back to, changed"),
    Ruling("kernel-protection", area("selinux", "lockdown"), U, HIGH, "a protection of the kernel changed"),
    Ruling("foreign-module", attribute("modules", "loaded"), U, HIGH, "the release does not bring this module"),
    Ruling("mounted-view", lambda c: ":mounted_view:" in c.change.subject and c.change.kind is not ChangeKind.UNREADABLE
           and not c.change.subject.endswith("folders"), U, CRITICAL, "the mounted root is not what is on the disk"),
    Ruling("overlay", lambda c: c.change.area == "mounts" and ":cover:" in c.change.subject, U, HIGH,
           "a writable layer hides what the hash tree protects"),
    Ruling("host-container", area("host-containers"), U, HIGH, "a host container may own the node"),
    Ruling("users", area("users"), U, MEDIUM, "who may log in changed"),
    Ruling("configured", is_configured, E, INFO, "the image has no default for it: it comes from user data"),
    Ruling("update-partitions", moved("partitions", "uuid", "label", "unique_guid", "disk_guid", "features"), E, INFO,
           "a new release has new file systems"),
    Ruling("data", is_data, C, INFO, "what the data partition holds is not compared"),
    Ruling("update-bytes", moved("partitions", "bytes"), E, INFO, "a new release has other bytes outside of its files"),
    Ruling("raw-bytes", attribute("partitions", "bytes"), U, HIGH, "bytes changed that no file and no hash tree holds"),
    Ruling("partitions", area("partitions"), U, HIGH, "the partition table changed"),
    Ruling("rule-broken", turned(Verdict.PASS, Verdict.FAIL), U, HIGH, "a rule that passed fails"),
    Ruling("rule-undecided", lambda c: c.change.area == "rules" and c.change.after in (Verdict.UNKNOWN.value, None),
           C, LOW, "a rule cannot be decided any more"),
    Ruling("rule-fails", lambda c: c.change.area == "rules" and c.change.after == Verdict.FAIL.value, U, MEDIUM,
           "a rule fails that did not before"),
    Ruling("rule-turned", lambda c: c.change.area == "rules" and c.change.after in tuple(Verdict), E, INFO,
           "a rule turned, and not to the worse"),
    Ruling("score-fell", falls("best"), U, LOW, "more rules fail"),
    Ruling("score-undecided", falls("worst"), C, LOW, "fewer rules could be decided"),
    Ruling("share-fell", share_falls, U, LOW, "less of the code is memory-safe"),
    Ruling("share-changed", lambda c: c.relation is Relation.SAME_RELEASE and c.change.area == "languages", U, LOW,
           "within one release no program may differ"),
    Ruling("score-moved", area("score", "languages"), E, INFO, "not less than before"),
    Ruling("update", lambda c: c.moves and c.change.area in RELEASE_AREAS, E, INFO, "follows from the declared update"),
    Ruling("anything-else", lambda _: True, U, MEDIUM, "nothing declared accounts for it"),
)  # fmt: skip
NAMES = frozenset(ruling.name for ruling in RULINGS)


def ruling_for(case: Case) -> Ruling:
    """The first line of the table that applies."""
    return next(ruling for ruling in RULINGS if ruling.applies(case))
