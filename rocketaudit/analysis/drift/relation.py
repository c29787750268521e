"""How two sides are related, which decides what a difference between them means."""

from __future__ import annotations

from rocketaudit.analysis.drift.sides import Sides
from rocketaudit.analysis.drift.trees import root_hash
from rocketaudit.formats.rpm_version import compare_evr
from rocketaudit.model.change import Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.target import Target


def relate(before: Evidence, after: Evidence) -> Relation:
    """The same release, an upgrade, a downgrade, or systems that do not follow from each other."""
    same_root = has_same_root(before, before.judged, after, after.judged)
    return relate_targets(before.target, after.target, same_root=same_root)


def relate_targets(one: Target, two: Target, *, same_root: bool = False) -> Relation:
    """By what the two state of themselves: system, variant and architecture must not differ for one to follow."""
    if same_root:
        return Relation.SAME_RELEASE  # whatever else one of them says: what states the version is below that root
    known = one.version and two.version and one.os_id and two.os_id
    alike = one.os_id == two.os_id and _agree(one.variant, two.variant) and _agree(one.arch, two.arch)
    if not known or not alike:
        return Relation.UNRELATED
    order = compare_evr(("", one.version, ""), ("", two.version, ""))
    if order < 0:
        return Relation.UPGRADE
    if order > 0:
        return Relation.DOWNGRADE
    return Relation.SAME_RELEASE if _agree(one.build, two.build) else Relation.UNRELATED


def _agree(one: str, two: str) -> bool:
    """Whether both say the same, or one says nothing, as a bill of materials; that it went is a change by itself."""
    return one == two or not (one and two)


def has_same_root(before: Evidence, scope_before: str, after: Evidence, scope_after: str) -> bool:
    """Whether both banks state one and the same root hash, so that nothing in them may differ."""
    stated = root_hash(before, scope_before)
    return stated is not None and stated == root_hash(after, scope_after)


def same_roots(sides: Sides) -> frozenset[str]:
    """The labels of the scopes whose root hash is the same on both sides."""
    return frozenset(
        label
        for label, before, after in sides.scopes
        if before is not None and after is not None and has_same_root(sides.before, before, sides.after, after)
    )
