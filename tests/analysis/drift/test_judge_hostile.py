"""A side that says less than it should, or chooses its words, is never judged more kindly for it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pytest

from rocketaudit.analysis.drift.compare import compare
from rocketaudit.analysis.drift.judge import GUARDED, decide
from rocketaudit.model.change import Change, Judgement, Relation
from rocketaudit.model.evidence import OUTSIDE, Evidence, Gap
from rocketaudit.model.fact import Fact, Plane, State
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.policy import DriftException, DriftPolicy
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verdict import Severity
from rocketaudit.report.drift_text import headline
from tests.analysis.drift.samples import BANK, PARAMETERS, file
from tests.analysis.drift.test_judge import (
    CLEAN,
    DECLARED,
    NEXT,
    REBUILT,
    RELEASE,
    SAME,
    judged,
    node,
    running,
    set_fact,
    swap,
    with_tree,
)

WORDS = ("not collected", "it is not at hand", "this does not hold it", f"{OUTSIDE}nothing to see")
NODE = node(*CLEAN)


def without(evidence: Evidence, *keys: str, plane: Plane | None = None) -> Evidence:
    """The evidence as if nobody had asked for these facts."""
    facts = tuple(f for f in evidence.facts if str(f.key) not in keys or plane not in (None, f.plane))
    return replace(evidence, facts=facts, covered=(), _facts={})


def weighty(changes: Iterable[Change]) -> list[Change]:
    return [c for c in changes if c.judgement is Judgement.CANNOT_SAY and c.severity is not Severity.INFO]


@pytest.mark.parametrize("words", WORDS)
def test_the_words_of_a_reason_make_nothing_unread_lighter(words: str) -> None:
    torn = replace(SAME, gaps=(Gap(BANK, "/usr/lib", words),))
    assert decide(judged(SAME, torn), "unexpected")[0] == 3
    file_unread = swap(SAME, "/usr/bin/a", unread=words, sha256=None)
    assert decide(judged(SAME, file_unread), "unexpected")[0] == 3
    silent = tuple(replace(f, state=State.UNREAD, value=None, reason=words) for f in SAME.facts)
    assert decide(judged(SAME, replace(SAME, facts=silent, _facts={})), "unexpected")[0] == 3


def test_what_lies_outside_of_a_node_is_said_of_nothing_that_is_protected() -> None:
    hidden = replace(NODE, gaps=(Gap("node", "/usr/bin", f"{OUTSIDE}a remote file system"),))
    (change,) = weighty(judged(RELEASE, hidden).changes)
    assert change.subject == "judged-root:/usr/bin"
    ordinary = replace(NODE, gaps=(Gap("node", "/var/lib/kubelet/pods", f"{OUTSIDE}data of workloads"),))
    assert weighty(judged(RELEASE, ordinary).changes) == []


def test_what_the_baseline_says_and_nobody_asked_the_current_side_is_missing() -> None:
    blind = without(SAME, "selinux:mode")
    (change,) = judged(SAME, blind).changes
    assert (change.judgement, change.decided_by, change.before) == (Judgement.CANNOT_SAY, "unreadable", "enforcing")
    assert decide(judged(SAME, blind), "unexpected")[0] == 3


def test_what_an_older_baseline_was_not_asked_for_weighs_nothing() -> None:
    drift = judged(without(SAME, "selinux:mode"), SAME)
    assert [(c.decided_by, c.severity) for c in drift.changes] == [("not-comparable", Severity.INFO)]
    assert decide(drift, "unexpected")[0] == 0


def test_a_node_that_tells_nothing_of_how_it_runs_is_not_the_same_as_one_that_does() -> None:
    mute = replace(NODE, facts=tuple(f for f in NODE.facts if f.plane is Plane.STATIC), covered=(), _facts={})
    assert decide(judged(NODE, mute), "unexpected")[0] == 3
    told = {c.subject for c in weighty(judged(RELEASE, mute).changes)}
    assert {"node:lockdown:mode", "node:modules:loaded", "node:selinux:mode", "node:kernel_arg:lockdown"} <= told
    assert any(subject.startswith("node:sysctl:") for subject in told)


def test_a_node_that_was_started_without_an_argument_of_its_release_is_unexpected() -> None:
    bare = tuple(f for f in CLEAN if str(f.key) != "kernel_arg:lockdown")
    kept = node(*bare)
    kept = replace(
        kept,
        facts=tuple(f for f in kept.facts if str(f.key) != "kernel_arg:lockdown" or f.plane is Plane.STATIC),
        _facts={},
    )
    (change,) = [c for c in judged(RELEASE, kept).changes if c.judgement is Judgement.UNEXPECTED]
    assert (change.subject, change.decided_by, change.after) == ("node:kernel_arg:lockdown", "boot-text", None)


def test_a_parameter_that_the_running_kernel_does_not_have_has_no_value_to_differ() -> None:
    missing = Fact(
        running("sysctl:kernel.kptr_restrict", None).key, Plane.RUNTIME, State.ABSENT, CLEAN[0].where, scope="node"
    )
    drift = judged(RELEASE, node(*CLEAN, missing))
    assert [(c.decided_by, c.severity) for c in drift.changes if c.area == "sysctls"] == [
        ("not-comparable", Severity.INFO)
    ]


@pytest.mark.parametrize("name", ["x mounts:all#count", "x:mounts:all#count", "update:status#state", "folders"])
def test_no_name_of_a_file_makes_it_expected_on_a_node(name: str) -> None:
    planted = node(*CLEAN, files=[file(f"/usr/bin/{name}", scope="node")])
    (change,) = [c for c in judged(RELEASE, planted).changes if c.area == "files"]
    assert (change.severity, change.decided_by) == (Severity.CRITICAL, "same-root-hash")


def test_an_argument_that_only_sounds_like_the_verity_table_is_no_part_of_an_update() -> None:
    sane = with_tree(SAME, PARAMETERS)
    for name in ("dm_mod.create2", "xdm_mod.create"):
        (change,) = [c for c in judged(sane, set_fact(NEXT, f"kernel_arg:{name}", "x")).changes if name in c.subject]
        assert change.decided_by == "boot-text"
    (change,) = [
        c for c in judged(sane, set_fact(NEXT, "kernel_arg:dm_mod.create", "x")).changes if c.area == "kernel-arguments"
    ]
    assert change.decided_by == "rebuilt-table"


def test_a_node_that_states_no_tree_where_the_other_did_is_not_passed_over() -> None:
    bank = NODE.verity[0]
    rootless = replace(NODE, verity=(replace(bank, statements=()),))
    assert weighty(judged(NODE, rootless).changes)
    assert decide(judged(NODE, rootless), "unexpected")[0] != 0


def test_programs_that_only_one_side_lists_are_not_gone() -> None:
    drift = judged(SAME, replace(SAME, binaries=(), files=tuple(replace(f, content="") for f in SAME.files)))
    assert [(c.area, c.judgement) for c in drift.changes] == [("binaries", Judgement.CANNOT_SAY)]


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "*e*", "i*"])
def test_a_pattern_over_areas_reaches_none_that_makes_the_rest_believable(pattern: str) -> None:
    assert {"integrity", "boot"} <= GUARDED
    wide = (DriftException("because", "me", date(2099, 1, 1), area=pattern, subject="*"),)
    weaker = with_tree(SAME, replace(REBUILT, options=()))
    for policy in (DriftPolicy(allow=wide), DriftPolicy(ignore=wide)):
        left = [c for c in judged(SAME, weaker, policy).changes if c.judgement is Judgement.UNEXPECTED]
        assert {c.area for c in left} == {"integrity"}
    named = DriftPolicy(allow=(DriftException("signed anew", "me", date(2099, 1, 1), area="integrity"),))
    assert {c.decided_by for c in judged(with_tree(SAME, REBUILT), weaker, named).changes} == {"policy-allow"}


def test_an_exception_for_a_key_in_brackets_covers_that_key_alone() -> None:
    key = 'setting:["updates","metadata-base-url"]'
    allow = DriftPolicy(allow=(DriftException("moved", "me", date(2099, 1, 1), area="settings", subject=key),))
    (change,) = judged(SAME, set_fact(SAME, key, "https://x/"), allow).changes
    assert change.decided_by == "policy-allow"
    other = 'setting:["updates","targets-base-url"]'
    (change,) = judged(SAME, set_fact(SAME, other, "https://x/"), allow).changes
    assert change.judgement is Judgement.UNEXPECTED
    wide = replace(allow.allow[0], subject='setting:["updates",*')
    (change,) = judged(SAME, set_fact(SAME, other, "https://x/"), DriftPolicy(allow=(wide,))).changes
    assert change.decided_by == "policy-allow"


def test_a_drift_that_the_policy_left_out_is_not_called_none() -> None:
    ignore = DriftPolicy(ignore=(DriftException("noise", "ada", date(2099, 1, 1), area="sysctls"),))
    found = judged(SAME, set_fact(SAME, "sysctl:kernel.kptr_restrict", "0"), ignore)
    assert headline(found).text == "No drift but for what the policy ignores"
    assert headline(judged(SAME, SAME)).text == "No drift"


def test_a_folder_cannot_have_what_a_partition_has() -> None:
    folder = replace(SAME, target=replace(SAME.target, kind=TargetKind.DIRECTORY), disk=None, verity=(), blobs=())
    drift = judged(SAME, folder)
    assert {c.decided_by for c in drift.changes if c.area == "integrity"} == {"not-comparable"}


def test_a_node_whose_root_is_mapped_by_no_tree_is_unexpected_and_one_that_cannot_tell_is_not_passed_over() -> None:
    name = running("dm:root#name", None)
    bare = node(*CLEAN, replace(name, state=State.ABSENT))
    (change,) = [c for c in judged(RELEASE, bare).changes if c.judgement is Judgement.UNEXPECTED]
    assert (change.decided_by, change.before, change.after) == ("verity-weaker", "sha256", None)
    mute = without(NODE, *(str(f.key) for f in NODE.facts if f.key.namespace == "dm"))
    assert {"node:device-mapper"} <= {c.subject for c in weighty(judged(RELEASE, mute).changes)}


def test_a_node_whose_kernel_has_met_corruption_since_is_critical_and_no_policy_hides_it() -> None:
    corrupt = node(*CLEAN, running("dm:root#status", ("verity C",)))
    everything = DriftPolicy(ignore=(DriftException("because", "me", date(2099, 1, 1), area="integrity"),))
    for baseline in (NODE, RELEASE):
        (change,) = [c for c in judged(baseline, corrupt, everything).changes if c.area == "integrity"]
        assert (change.decided_by, change.severity) == ("tree-broken", Severity.CRITICAL)


def test_another_version_over_the_same_root_hash_is_no_update() -> None:
    newer = replace(SAME, target=replace(SAME.target, version="1.99.0"))
    drift = judged(SAME, set_fact(newer, "sysctl:kernel.kptr_restrict", "0"))
    assert drift.relation is Relation.SAME_RELEASE
    assert {c.judgement for c in drift.changes} == {Judgement.UNEXPECTED}


def test_a_check_of_the_node_itself_that_is_gone_has_not_turned_for_the_better() -> None:
    gone = without(set_fact(SAME, "own_check:x#status", "pass"), "own_check:x#status")
    gone = replace(gone, covered=SAME.covered)
    (change,) = judged(set_fact(SAME, "own_check:x#status", "pass"), gone).changes
    assert (change.judgement, change.decided_by) == (Judgement.CANNOT_SAY, "rule-undecided")


def test_a_side_with_endless_boot_entries_or_statements_is_compared_in_time() -> None:
    assert SAME.disk is not None
    entry, bank = SAME.disk.boot_entries[0], SAME.verity[0]
    many = range(20_000)
    titles = replace(SAME, disk=replace(SAME.disk, boot_entries=tuple(replace(entry, title=f"t{n}") for n in many)))
    paths = replace(SAME, disk=replace(SAME.disk, boot_entries=tuple(replace(entry, path=f"/{n}") for n in many)))
    stated = replace(SAME, verity=(replace(bank, statements=bank.statements * len(many)), *SAME.verity[1:]))
    started = time.process_time()
    assert all(len(compare(SAME, other)) >= len(many) - 1 for other in (titles, paths, stated))
    assert time.process_time() - started < 10  # it was minutes


def test_boot_entries_are_paired_by_title_and_what_is_left_in_order() -> None:
    assert SAME.disk is not None
    entry = SAME.disk.boot_entries[0]

    def boots(*titles: str) -> Evidence:
        assert SAME.disk is not None
        entries = tuple(replace(entry, title=title, kernel_path=f"/{n}") for n, title in enumerate(titles))
        return replace(SAME, disk=replace(SAME.disk, boot_entries=entries))

    moved = [c for c in compare(boots("a", "b", "a"), boots("b", "a", "a")) if c.area == "boot"]
    assert [(c.before, c.after) for c in moved if c.attribute == "kernel_path"] == [("/0", "/1"), ("/1", "/0")]
    fresh = [c for c in compare(boots("a", "b"), boots("c", "b", "d")) if c.area == "boot"]
    assert [(c.before, c.after) for c in fresh if c.attribute == "title"] == [("a", "c")]
    assert [c.attribute for c in fresh if c.before is None] == ["entry"]


def test_what_two_moments_of_a_node_could_not_see_alike_weighs_nothing_and_what_one_saw_does() -> None:
    blind = replace(running("units:failed", None), state=State.UNREAD, reason="only systemd knows; no connection")
    other = replace(blind, reason="another reason")
    one = node(*CLEAN, blind)
    assert [(c.decided_by, c.severity) for c in judged(one, one).changes] == [("unread-alike", Severity.INFO)]
    assert [c.decided_by for c in weighty(judged(one, node(*CLEAN, other)).changes)] == ["unreadable"]
    assert [c.decided_by for c in weighty(judged(node(*CLEAN, running("units:failed", 0)), one).changes)] == [
        "unreadable"
    ]


@pytest.mark.parametrize(
    ("name", "value", "ruling"),
    [
        ("root_hash", "11" * 32, "remapped-otherwise"),
        ("options", ("ignore_corruption",), "verity-weaker-now"),
        ("on_corruption", "ignore", "verity-weaker-now"),
        ("read_only", False, "verity-weaker-now"),
    ],
)
def test_what_a_kernel_enforces_otherwise_than_a_moment_ago_is_grave(name: str, value: object, ruling: str) -> None:
    (change,) = judged(NODE, node(*CLEAN, running(f"dm:root#{name}", value))).changes
    assert (change.decided_by, change.judgement) == (ruling, Judgement.UNEXPECTED)
    assert change.severity in (Severity.CRITICAL, Severity.HIGH)


def test_a_node_that_was_updated_into_its_other_bank_runs_what_the_update_brought() -> None:
    assert SAME.disk is not None
    one, two = (replace(bank, scope=f"bank-{bank.name}", boots_next=False) for bank in SAME.disk.banks[:2])

    def at(evidence: Evidence, first: bool) -> Evidence:
        assert SAME.disk is not None
        banks = (replace(one, scope="node"), two) if first else (one, replace(two, scope="node", populated=True))
        return replace(evidence, disk=replace(SAME.disk, banks=banks, boot_entries=()))

    facts = (running("dm:root#root_hash", "11" * 32), running("kernel_arg:BOOT_IMAGE", "(hd0,gpt8)/vmlinuz"))
    newer = at(node(*CLEAN, *facts), first=False)
    newer = replace(newer, target=replace(newer.target, version="1.63.0", build="x"))
    statement = replace(newer.verity[0].statements[0], parameters=REBUILT)
    newer = replace(newer, verity=(replace(newer.verity[0], statements=(statement,)),))
    drift = judged(at(NODE, first=True), newer, DECLARED)
    assert drift.relation is Relation.UPGRADE
    assert [c for c in drift.changes if c.judgement is not Judgement.EXPECTED] == []
    assert {"updated-in-place", "remapped"} <= {c.decided_by for c in drift.changes}


@pytest.mark.parametrize(
    ("record", "ruling"),
    [
        (file("/var/tmp/sh", scope="node", mode=0o4755), "setuid-at-run-time"),
        (file("/etc/x", scope="node", mode=0o2755), "setuid-at-run-time"),
        (file("/run/y", scope="node", capability=FileCapability(("cap_setuid",), (), True)), "setuid-at-run-time"),
        (file("/var/log/journal", scope="node", type=FileType.DIRECTORY, mode=0o2755), "run-time-folder"),
        (file("/etc/hostname", scope="node"), "run-time-folder"),
    ],
)
def test_a_folder_that_a_node_fills_excuses_no_file_with_more_rights(record: FileRecord, ruling: str) -> None:
    for baseline in (RELEASE, NODE):
        (change,) = [c for c in judged(baseline, node(*CLEAN, files=[record])).changes if c.area == "files"]
        assert change.decided_by == ruling


def test_a_side_that_tells_one_thing_twice_is_believed_in_neither() -> None:
    record = next(f for f in SAME.files if f.path == "/usr/bin/a")
    bank, blob = SAME.verity[0], SAME.blobs[0]
    assert SAME.disk is not None
    disk = replace(SAME.disk, partitions=(*SAME.disk.partitions, SAME.disk.partitions[0]))
    doubled = {
        "files": replace(SAME, files=(replace(record, sha256="99" * 32), *SAME.files), _files={}),
        "facts": replace(SAME, facts=(replace(SAME.facts[0], value="evil"), *SAME.facts), _facts={}),
        "programs": replace(SAME, binaries=(replace(SAME.binaries[0], build_id="99"), *SAME.binaries)),
        "banks": replace(SAME, verity=(replace(bank, statements=()), *SAME.verity)),
        "signed texts": replace(SAME, blobs=(replace(blob, data="eA=="), *SAME.blobs)),
        "partitions": replace(SAME, disk=disk),
    }
    for kind, other in doubled.items():
        for drift in (judged(SAME, other), judged(other, SAME)):
            assert kind in {c.subject for c in weighty(drift.changes) if c.area == "evidence"}
            assert decide(drift, "unexpected")[0] != 0
