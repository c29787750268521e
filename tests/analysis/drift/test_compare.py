"""One difference is one change of the right area, whatever field of whatever record it is in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.analysis.drift.areas import AREAS, area_of
from rocketaudit.analysis.drift.compare import compare
from rocketaudit.analysis.drift.facts import DERIVED
from rocketaudit.evidence import COLLECTORS
from rocketaudit.model.change import Change, ChangeKind
from rocketaudit.model.evidence import Evidence, Gap
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.target import TargetKind
from tests.analysis.drift.mutations import Mutation, mutations
from tests.analysis.drift.samples import BANK, FACTS, fact, file, sound, whole

# What no change may come of, and why. Everything else must be found.
SILENT = {
    "who looked, when, how": {
        "Evidence.when", "Evidence.host", "Evidence.assurance", "Evidence.sha512", "Tool.name", "Tool.version",
    },
    "how the target was called and packed": {
        "Target.name", "Target.container", "Target.size", "Target.digest", "Target.boot_id", "Container.kind",
        "Container.layers", "Container.input_size", "Container.raw_size", "Container.expanded", "Container.notes",
        "Container.data_image", "Container.problems", "Problem.what@container", "Problem.partition@container",
        "Problem.offset@container", "Problem.in_doubt@container",
    },
    "a place, told by what lies there": {
        "Locator.source", "Locator.partition", "Locator.path", "Locator.offset", "Locator.digest", "FileRecord.inode",
        "BankVerity.data_partition", "BankVerity.hash_partition", "BankVerity.data_start", "BankVerity.hash_start",
    },
    "derived from what is compared": {
        "FileRecord.sha512", "FileRecord.content", "FileRecord.interpreter", "Binary.sha256", "Binary.sha512",
        "Binary.size", "Binary.shares", "Binary.confidence", "Binary.signals", "Signal.kind", "Signal.value",
        "Signal.offset", "Binary.searched", "Binary.classifier", "Binary.code_bytes", "Crate.source", "Crate.evidence",
        "Crate.confidence", "Crate.kind", "Crate.root", "Partition.type_name", "Partition.scope", "DiskSummary.layout",
        "Release.os_release", "Release.image_features", "Release.image_format", "Bank.name",
        "BankVerity.owners", "BlockOwner.level", "BlockOwner.block", "BlockOwner.offset", "BlockOwner.length",
        "BlockOwner.path", "BlockOwner.offset_in_file", "BlockOwner.what", "TreeCheck.first_bad_position",
        "TreeCheck.first_bad_on", "TreeCheck.zero_blocks", "TreeCheck.refused", "TreeCheck.refused_total",
        "BlockRange.first", "BlockRange.last", "BadBlock.offset", "BadBlock.length", "BadBlock.expected",
        "BadBlock.why", "BadBlock.first_data_block", "BadBlock.data_blocks", "VerityParameters@check", "Fact.reason",
    },
    "rewritten by every build or start": {"FileRecord.mtime", "Package.installed_time"},
    "a bank that holds nothing": {"BankVerity@empty"},
    "no content of its own": {"FileRecord.size@special", "FileRecord.nlink@special", "FileRecord.sha256@special"},
    "words about a package": {
        "Package.application_type", "Package.url", "Package.summary", "Package.package_file",
    },
}  # fmt: skip
ALL_SILENT = frozenset().union(*SILENT.values())
AREA_OF_CLASS = {
    "Target": "identity", "FileRecord": "files", "FileCapability": "files", "Binary": "binaries", "Crate": "binaries",
    "Hardening": "binaries", "GoModule": "binaries", "PackageNote": "binaries", "KernelModuleInfo": "binaries",
    "ModuleSignature": "binaries", "Package": "packages", "Partition": "partitions", "PartitionTable": "partitions",
    "Problem": "partitions", "Bank": "banks", "BootEntry": "boot", "BankVerity": "integrity", "Statement": "integrity",
    "VerityParameters": "integrity", "FecParameters": "integrity", "TreeCheck": "integrity", "BadBlock": "integrity",
    "Slack": "integrity", "UnreadRange": "integrity",
}  # fmt: skip
# fields that decide what stands against what: another value is another subject, so that both sides lack one
IDENTITY = {
    "Fact.key", "Fact.plane", "Fact.scope", "FileRecord.path", "FileRecord.scope", "Binary.path", "Binary.scope",
    "Package.name", "Package.scope", "Package.synthetic", "Partition.number", "Bank.scope", "BootEntry.scope",
    "BootEntry.path", "Statement.source", "SignedBlob.name", "SignedBlob.scope", "BankVerity.scope",
}  # fmt: skip
# fields that say what was looked at
COVERAGE = {
    "Evidence.covered", "Evidence.walked", "Evidence.gaps", "Coverage.plane", "Coverage.scope", "Coverage.pattern",
    "Evidence.judged", "Target.kind",
}  # fmt: skip
SAMPLE = sound()
MUTATIONS = tuple(mutations(SAMPLE))


def field_of(mutation: Mutation) -> str:
    if ".container." in mutation.path and mutation.field.startswith("Problem."):
        return f"{mutation.field}@container"
    if ".check.parameters" in mutation.path:
        return "VerityParameters@check"
    if mutation.path.endswith(" removed") and "owners" in mutation.path:
        return "BankVerity.owners"
    if mutation.path.startswith("Evidence.verity[1]") and mutation.field != "BankVerity.populated":
        return "BankVerity@empty"
    if mutation.field in ("FileRecord.size", "FileRecord.nlink", "FileRecord.sha256"):
        index = int(mutation.path.partition("[")[2].partition("]")[0])
        return mutation.field + ("" if SAMPLE.files[index].type is FileType.REGULAR else "@special")
    return mutation.field


def is_removal(mutation: Mutation) -> bool:
    return mutation.path.endswith(" removed")


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if field_of(m) in ALL_SILENT], ids=lambda m: m.path)
def test_a_field_that_says_nothing_of_the_target_makes_no_change(mutation: Mutation) -> None:
    assert compare(SAMPLE, mutation.evidence) == ()


def expected_area(mutation: Mutation) -> str:
    name = mutation.field.partition(".")[0]
    if name in ("Fact", "SignedBlob"):
        index = int(mutation.path.partition("[")[2].partition("]")[0])
        if name == "Fact":
            return area_of(SAMPLE.facts[index].key)
        return ("signed-texts", "tuf-root")[index]
    return AREA_OF_CLASS[name]


LOUD = [m for m in MUTATIONS if field_of(m) not in ALL_SILENT | IDENTITY | COVERAGE and not is_removal(m)]
LOUD = [m for m in LOUD if not m.field.startswith(("Evidence.", "DiskSummary."))]


@pytest.mark.parametrize("mutation", LOUD, ids=lambda m: m.path)
def test_one_other_value_is_one_change_of_its_area(mutation: Mutation) -> None:
    changes = compare(SAMPLE, mutation.evidence)
    assert [change.area for change in changes] == [expected_area(mutation)]


REMOVED = [m for m in MUTATIONS if is_removal(m) and field_of(m) not in ALL_SILENT | COVERAGE]


@pytest.mark.parametrize("mutation", REMOVED, ids=lambda m: m.path)
def test_one_record_less_is_one_change_and_one_more_is_its_mirror(mutation: Mutation) -> None:
    changes = compare(SAMPLE, mutation.evidence)
    assert len(changes) == 1
    assert len(compare(mutation.evidence, SAMPLE)) == 1


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if field_of(m) in IDENTITY], ids=lambda m: m.path)
def test_another_name_is_found(mutation: Mutation) -> None:
    assert compare(SAMPLE, mutation.evidence)


def test_every_field_is_silent_for_a_reason_or_found() -> None:
    """So a field that somebody adds to the model cannot be forgotten here."""
    found = {m.field for m in LOUD} | IDENTITY | COVERAGE | ALL_SILENT | {m.field for m in REMOVED}
    assert {field_of(m) for m in MUTATIONS} - found == set()
    assert ALL_SILENT - {field_of(m) for m in MUTATIONS} - {"Tool.name"} == set()


def test_evidence_without_gaps_has_not_drifted_from_itself() -> None:
    assert compare(SAMPLE, SAMPLE) == ()


def test_what_is_unread_on_both_sides_is_not_called_the_same() -> None:
    changes = compare(whole(), whole())
    assert changes and {change.kind for change in changes} == {ChangeKind.UNREADABLE}


def test_attributes_that_could_not_be_read_are_not_called_gone() -> None:
    """A node without its raw disk reads files that the kernel holds, but not their attributes."""
    labelled = next(record for record in SAMPLE.files if record.selinux and record.sha256)
    bare = replace(labelled, unread="attributes are not read", xattrs=(), selinux=None, capability=None)
    others = tuple(record for record in SAMPLE.files if record is not labelled)
    changes = compare(SAMPLE, replace(SAMPLE, files=(*others, bare), _files={}, _children={}))
    assert {(change.kind, change.attribute) for change in changes} == {(ChangeKind.UNREADABLE, "content")}
    gone = replace(bare, unread=None)
    changes = compare(SAMPLE, replace(SAMPLE, files=(*others, gone), _files={}, _children={}))
    assert "selinux" in {change.attribute for change in changes}


def mirrored(change: Change) -> Change:
    kinds = {ChangeKind.ADDED: ChangeKind.REMOVED, ChangeKind.REMOVED: ChangeKind.ADDED}
    return replace(
        change,
        kind=kinds.get(change.kind, change.kind),
        before=change.after,
        after=change.before,
        where_before=change.where_after,
        where_after=change.where_before,
        why="",
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=1), st.sampled_from(MUTATIONS))
def test_drift_of_b_and_a_mirrors_drift_of_a_and_b(one: list[Mutation], two: Mutation) -> None:
    before, after = one[0].evidence, two.evidence
    forth, back = compare(before, after), compare(after, before)
    turned = Counter(repr(mirrored(change)) for change in back)
    assert Counter(repr(replace(change, why="")) for change in forth) == turned


@pytest.mark.parametrize(("key", "value", "another"), FACTS, ids=[key for key, _, _ in FACTS])
@pytest.mark.parametrize("plane", Plane)
def test_every_kind_of_fact_is_found_in_its_area(key: str, value: object, another: object, plane: Plane) -> None:
    rest = tuple(f for f in SAMPLE.facts if str(f.key) != key)
    one = replace(SAMPLE, facts=(*rest, fact(key, value, plane)), _facts={})  # type: ignore[arg-type]
    two = replace(SAMPLE, facts=(*rest, fact(key, another, plane)), _facts={})  # type: ignore[arg-type]
    (change,) = compare(one, two)
    assert (change.area, change.subject) == (area_of(Key.parse(key)), f"{BANK}:{key}")
    assert (change.before, change.after, change.attribute) == (value, another, plane.value)
    gone = replace(SAMPLE, facts=rest, _facts={})
    assert [c.kind for c in compare(one, gone)] == [ChangeKind.REMOVED]
    assert [c.kind for c in compare(gone, one)] == [ChangeKind.ADDED]
    unread = replace(fact(key, None, plane), state=State.UNREAD, reason="torn")
    (change,) = compare(one, replace(SAMPLE, facts=(*rest, unread), _facts={}))
    assert change.kind is ChangeKind.UNREADABLE


def test_every_namespace_that_is_collected_has_an_area() -> None:
    collected = {pattern.partition(":")[0] for collector in COLLECTORS for pattern in collector.provides}
    assert {area_of(Key(name, ("x",))) for name in collected - DERIVED} <= set(AREAS)
    assert collected - DERIVED <= {key.partition(":")[0] for key, _, _ in FACTS}, "give an example in samples.py"


def test_a_path_under_a_gap_is_neither_there_nor_absent() -> None:
    torn = replace(SAMPLE, files=SAMPLE.files[:1] + SAMPLE.files[3:], gaps=(Gap(BANK, "/usr/bin", "torn"),))
    kinds = Counter((c.kind, c.subject) for c in compare(SAMPLE, torn) if c.area == "files")
    assert kinds == {(ChangeKind.UNREADABLE, f"{BANK}:/usr/bin"): 1}


def test_a_name_that_only_starts_like_a_gap_is_compared() -> None:
    more = replace(SAMPLE, files=(*SAMPLE.files, file("/usr/binary")), gaps=(Gap(BANK, "/usr/bin", "torn"),))
    changes = compare(replace(SAMPLE, gaps=(Gap(BANK, "/usr/bin", "torn"),)), more)
    assert [c.subject for c in changes if c.kind is ChangeKind.ADDED] == [f"{BANK}:/usr/binary"]


def test_a_scope_that_was_not_walked_says_nothing_of_its_files() -> None:
    blind = replace(SAMPLE, files=(), walked=("boot-a",), binaries=SAMPLE.binaries)
    changes = [c for c in compare(SAMPLE, blind) if c.area == "files" and c.subject.startswith(BANK)]
    assert [(c.kind, c.why) for c in changes] == [(ChangeKind.UNREADABLE, "not walked")]


def test_a_folder_that_was_unpacked_without_labels_is_told_once() -> None:
    bare = tuple(replace(f, selinux=None, xattrs=()) for f in SAMPLE.files if f.scope == BANK)
    target = replace(SAMPLE.target, kind=TargetKind.DIRECTORY)
    folder = replace(SAMPLE, target=target, files=bare, walked=(BANK,), _files={}, _children={})
    found = [c for c in compare(SAMPLE, folder) if c.area == "files" and c.attribute == "selinux"]
    assert [(c.kind, c.subject) for c in found] == [(ChangeKind.UNREADABLE, "judged-root:labels")]
    stripped = replace(SAMPLE, files=bare, _files={}, _children={})
    found = [c for c in compare(SAMPLE, stripped) if c.attribute == "selinux"]
    assert len(found) == len(bare)


def test_an_empty_inventory_is_not_the_removal_of_every_package() -> None:
    changes = compare(SAMPLE, replace(SAMPLE, packages=()))
    assert [(c.area, c.kind) for c in changes] == [("packages", ChangeKind.UNREADABLE)]


def test_programs_that_nobody_read_are_not_gone() -> None:
    changes = compare(SAMPLE, replace(SAMPLE, binaries=()))
    assert [(c.area, c.kind) for c in changes] == [("binaries", ChangeKind.UNREADABLE)]


def test_a_bank_that_was_filled_is_told_once_not_file_by_file() -> None:
    bank = replace(SAMPLE.verity[0], scope="bank-b")
    filled = replace(
        SAMPLE,
        verity=(SAMPLE.verity[0], bank),
        files=(*SAMPLE.files, *(replace(f, scope="bank-b") for f in SAMPLE.files)),
        walked=(*SAMPLE.walked, "bank-b"),
    )
    assert [(c.area, c.attribute) for c in compare(SAMPLE, filled)] == [("integrity", "tree")]


def test_the_bank_that_an_update_leaves_to_roll_back_to_is_compared_as_well() -> None:
    bank = replace(SAMPLE.verity[0], scope="bank-b")
    updated = replace(
        SAMPLE,
        judged="bank-b",
        facts=(*SAMPLE.facts, *(replace(f, scope="bank-b") for f in SAMPLE.facts if f.scope == BANK)),
        files=(*SAMPLE.files, *(replace(f, scope="bank-b") for f in SAMPLE.files if f.scope == BANK)),
        binaries=(*SAMPLE.binaries, *(replace(b, scope="bank-b") for b in SAMPLE.binaries)),
        packages=(*SAMPLE.packages, *(replace(p, scope="bank-b") for p in SAMPLE.packages)),
        verity=(SAMPLE.verity[0], bank),
        blobs=(*SAMPLE.blobs, *(replace(b, scope="bank-b") for b in SAMPLE.blobs if b.scope == BANK)),
        covered=(*SAMPLE.covered, *(replace(c, scope="bank-b") for c in SAMPLE.covered if c.scope == BANK)),
        walked=(*SAMPLE.walked, "bank-b"),
        _facts={},
        _files={},
    )
    assert {c.subject.partition(":")[0] for c in compare(SAMPLE, updated)} <= {"judged-root"}
    record = next(f for f in SAMPLE.files if f.scope == BANK and f.path == "/usr/bin/a")
    files = tuple(replace(f, mode=0o777) if f is record else f for f in updated.files)
    changes = [c for c in compare(SAMPLE, replace(updated, files=files, _files={})) if c.attribute == "mode"]
    assert [c.subject for c in changes] == [f"{BANK}:/usr/bin/a"]


def test_after_an_update_in_place_the_two_judged_banks_stand_against_each_other() -> None:
    other: Evidence = replace(
        SAMPLE,
        judged="bank-b",
        facts=tuple(replace(f, scope=f.scope.replace("bank-a", "bank-b")) for f in SAMPLE.facts),
        files=tuple(replace(f, scope=f.scope.replace("bank-a", "bank-b")) for f in SAMPLE.files),
        binaries=tuple(replace(b, scope="bank-b") for b in SAMPLE.binaries),
        packages=tuple(replace(p, scope="bank-b") for p in SAMPLE.packages),
        verity=(replace(SAMPLE.verity[0], scope="bank-b"),),
        blobs=tuple(replace(b, scope=b.scope.replace("bank-a", "bank-b")) for b in SAMPLE.blobs),
        walked=("bank-b", "boot-a"),
        covered=tuple(replace(c, scope=c.scope.replace("bank-a", "bank-b")) for c in SAMPLE.covered),
        _facts={},
        _files={},
    )
    assert compare(SAMPLE, other) == ()
