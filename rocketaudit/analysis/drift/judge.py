"""Judges each change: whether it follows from what was declared, and how grave it is when it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from rocketaudit.analysis.drift.compare import compare
from rocketaudit.formats.rpm_version import compare_evr
from rocketaudit.model.change import Change, ChangeKind, Drift, Judgement, Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verdict import Severity

_ASSURANCE = (Assurance.ASSERTED, Assurance.SIGNED_EVIDENCE, Assurance.DIRECT)
_RELEASE_FACTS = frozenset({"os_release", "kernel", "module", "image_features"})
# what an update or another build of the image replaces without asking
_REBUILT = frozenset({"root_hash", "salt", "data_blocks", "verity_table", "kernel_version"})
_LANGUAGE_RISK = ("c", "c++")


@dataclass(frozen=True, slots=True)
class Ruling:
    """One line of the table below: the first that `applies` decides."""

    name: str
    applies: Callable[[Change, Relation], bool]
    judgement: Judgement
    severity: Severity
    why: str


def judge_drift(before: Evidence, after: Evidence) -> Drift:
    """The judged difference of two evidence values; a pure function of both."""
    relation = relate(before, after)
    same_root = _same_root(before, after)
    changes = tuple(_judge(change, relation, same_root=same_root) for change in compare(before, after))
    return assemble(before, after, relation, changes, same_root=same_root)


def assemble(
    before: Evidence, after: Evidence, relation: Relation, changes: Iterable[Change], *, same_root: bool
) -> Drift:
    """A Drift around changes that are already judged, the gravest first."""
    order = {judgement: rank for rank, judgement in enumerate((Judgement.UNEXPECTED, Judgement.CANNOT_SAY))}
    ranked = tuple(
        sorted(
            changes,
            key=lambda c: (
                order.get(c.judgement, 9),
                tuple(Severity).index(c.severity),
                c.area,
                c.subject,
                c.attribute,
            ),
        )
    )
    counted = Counter(change.judgement.value for change in ranked)
    counts = {judgement.value: counted.get(judgement.value, 0) for judgement in Judgement}
    notes = ("same root hash on both sides, yet protected files differ",) if same_root and _protected(ranked) else ()
    lower = min(before.assurance, after.assurance, key=_ASSURANCE.index)
    return Drift(before.target, after.target, relation, lower, ranked, counts, notes)


def relate(before: Evidence, after: Evidence) -> Relation:
    """The same release, an upgrade, a downgrade, or systems that do not follow from each other."""
    one, two = before.target, after.target
    if (one.os_id, one.variant) != (two.os_id, two.variant) or not (one.version and two.version):
        return Relation.SAME_RELEASE if _same_root(before, after) else Relation.UNRELATED
    order = compare_evr(("", one.version, ""), ("", two.version, ""))
    if order < 0:
        return Relation.UPGRADE
    if order > 0:
        return Relation.DOWNGRADE
    return Relation.SAME_RELEASE if one.build == two.build else Relation.UNRELATED


def _same_root(before: Evidence, after: Evidence) -> bool:
    one, two = _root(before), _root(after)
    return one is not None and one == two


def _root(evidence: Evidence) -> str | None:
    for bank in evidence.verity:
        if bank.scope == evidence.judged:
            stated = (s.parameters.root_hash for s in bank.statements if s.parameters.root_hash)
            return next(stated, None)
    return None


def _judge(change: Change, relation: Relation, *, same_root: bool) -> Change:
    if same_root and change.area == "files" and _in_root(change) and change.kind is not ChangeKind.UNREADABLE:
        return replace(
            change,
            judgement=Judgement.UNEXPECTED,
            severity=Severity.CRITICAL,
            decided_by="same-root-hash",
            why="the root hash is the same on both sides, so no protected file may differ",
        )
    for ruling in RULINGS:
        if ruling.applies(change, relation):
            return replace(
                change,
                judgement=ruling.judgement,
                severity=ruling.severity,
                decided_by=ruling.name,
                why=change.why or ruling.why,
            )
    raise AssertionError("the last ruling applies to everything")


def _protected(changes: Iterable[Change]) -> bool:
    return any(change.decided_by == "same-root-hash" for change in changes)


def _in_root(change: Change) -> bool:
    return change.subject.startswith(("bank-", "judged root:", "root:"))


def _moves(change: Change, relation: Relation) -> bool:
    del change
    return relation in (Relation.UPGRADE, Relation.DOWNGRADE)


def _is_setuid_news(change: Change) -> bool:
    """A file that is setuid, setgid or holds capabilities now and was not before."""
    if change.area != "files":
        return False
    if change.attribute == "capability":
        return change.after is not None
    before, after = _mode(change.before), _mode(change.after)
    return after is not None and bool(after & 0o6000 & ~(before or 0))


def _mode(value: object) -> int | None:
    text = value.get("mode") if isinstance(value, Mapping) else value
    return int(text, 8) if isinstance(text, str) and text.isdigit() and len(text) == 4 else None


def _is_new_risky_program(change: Change) -> bool:
    return (
        change.area == "binaries"
        and change.attribute == "language"
        and isinstance(change.after, str)
        and change.after.split(" ")[0] in _LANGUAGE_RISK
        and change.before != change.after
    )


def _loses_hardening(change: Change) -> bool:
    if change.area != "binaries" or not change.attribute.startswith("hardening."):
        return False
    name = change.attribute.removeprefix("hardening.")
    if name in ("stripped", "debug_info", "mini_debug_info", "section_headers", "static", "fortified", "fortifiable"):
        return False
    gains = {"yes", "full", "pie", "static-pie", "dso", "likely", "not_applicable", True}
    worse_when_true = ("textrel", "execstack", "packed", "wx_segments", "risky_paths", "rpath", "runpath")
    if name in worse_when_true:
        return bool(change.after) and change.after != change.before
    return change.before in gains and change.after not in gains


def _goes_down(change: Change) -> bool:
    """A package whose version is older than before."""
    if change.area != "packages" or not (isinstance(change.before, str) and isinstance(change.after, str)):
        return False
    return compare_evr(_evr(change.before), _evr(change.after)) > 0


def _evr(text: str) -> tuple[str, str, str]:
    epoch, colon, rest = text.partition(":")
    version, _, release = (rest if colon else text).partition("-")
    return (epoch if colon else "", version, release)


def _area(*names: str) -> Callable[[Change, Relation], bool]:
    return lambda change, _: change.area in names


U, E, C = Judgement.UNEXPECTED, Judgement.EXPECTED, Judgement.CANNOT_SAY

# the first line that applies decides; the order is part of the meaning
RULINGS: tuple[Ruling, ...] = (
    Ruling("unreadable", lambda c, _: c.kind is ChangeKind.UNREADABLE, C, Severity.MEDIUM, "one side was not read"),
    Ruling(
        "tree-broken",
        lambda c, _: c.area == "integrity" and c.attribute in ("verdict", "bad_blocks", "problems", "tree"),
        U,
        Severity.CRITICAL,
        "the hash tree does not hold as it did",
    ),
    Ruling(
        "downgrade",
        lambda c, r: c.area == "identity" and r is Relation.DOWNGRADE,
        U,
        Severity.HIGH,
        "the current side is an older release",
    ),
    Ruling(
        "other-system",
        lambda c, _: c.area == "identity" and c.attribute in ("os_id", "variant", "arch", "layout"),
        U,
        Severity.HIGH,
        "another operating system, variant, architecture or layout",
    ),
    Ruling(
        "declared-update", lambda c, r: c.area == "identity" and _moves(c, r), E, Severity.INFO, "the declared update"
    ),
    Ruling("setuid", lambda c, _: _is_setuid_news(c), U, Severity.HIGH, "newly setuid, setgid or with capabilities"),
    Ruling("hardening-lost", lambda c, _: _loses_hardening(c), U, Severity.MEDIUM, "the program lost a protection"),
    Ruling(
        "language-to-c",
        lambda c, _: _is_new_risky_program(c),
        U,
        Severity.MEDIUM,
        "a program is now written in a language that is not memory-safe",
    ),
    Ruling(
        "package-down",
        lambda c, r: _goes_down(c) and r is not Relation.DOWNGRADE,
        U,
        Severity.MEDIUM,
        "a package is older than before",
    ),
    Ruling(
        "verity-weaker",
        lambda c, _: c.area == "integrity" and c.attribute in ("options", "algorithm", "hash_type"),
        U,
        Severity.HIGH,
        "how the tree is enforced changed",
    ),
    Ruling(
        "rebuilt",
        lambda c, r: c.area in ("integrity", "boot") and c.attribute in _REBUILT and _moves(c, r),
        E,
        Severity.INFO,
        "a new release has a new tree",
    ),
    Ruling("boot-text", _area("boot", "signed texts"), U, Severity.HIGH, "what boots, or how, changed"),
    Ruling("bank-state", _area("banks"), U, Severity.MEDIUM, "which bank boots, or may be rolled back to, changed"),
    Ruling("lockdown-selinux", _area("selinux", "lockdown"), U, Severity.HIGH, "a protection of the kernel changed"),
    Ruling(
        "update-partitions",
        lambda c, r: c.area == "partitions" and c.attribute in ("uuid", "label", "unique_guid") and _moves(c, r),
        E,
        Severity.INFO,
        "a new release has new file systems",
    ),
    Ruling("partitions", _area("partitions"), U, Severity.HIGH, "the partition table changed"),
    Ruling(
        "update-files",
        lambda c, r: c.area in ("files", "binaries", "packages") and _moves(c, r),
        E,
        Severity.INFO,
        "follows from the declared update",
    ),
    Ruling(
        "update-facts",
        lambda c, r: c.area in _RELEASE_FACTS and _moves(c, r),
        E,
        Severity.INFO,
        "follows from the declared update",
    ),
    Ruling(
        "fixed-content",
        lambda c, r: c.area == "files" and _in_root(c) and r is Relation.SAME_RELEASE,
        U,
        Severity.CRITICAL,
        "within one release no protected file may differ",
    ),
    Ruling("anything-else", lambda *_: True, U, Severity.MEDIUM, "nothing declared accounts for it"),
)


def is_node_against_release(before: Evidence, after: Evidence) -> bool:
    """Whether a running node is held against the image or folder that it came from."""
    return after.target.kind is TargetKind.NODE and before.target.kind is not TargetKind.NODE
