"""Whether a move to another release was declared, and whether anything but the current side vouches for it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from rocketaudit.analysis.drift.sides import difference, unreadable
from rocketaudit.model.change import Change, Relation
from rocketaudit.model.fact import Assurance, Locator
from rocketaudit.model.policy import DriftPolicy
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target

UPGRADE, NO_UPDATE = "upgrade", "none"  # the words of a declaration; any other is the version that is expected
DECLARED_AREA, DECLARED = "identity", "declared"


class Standing(StrEnum):
    """What stands behind another release: only what the user said or a key vouches for counts as declared."""

    DECLARED = "declared"
    UNVOUCHED = "unvouched"
    UNDECLARED = "undeclared"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the current side says of itself: its release, its root hash (None: none, or not one), and how we know.

    `is_tree`: it tells a tree of files, so that somebody must vouch for its root hash.
    """

    target: Target
    assurance: Assurance
    root_hash: str | None = None
    is_tree: bool = True


def standing_of(relation: Relation, claim: Claim, policy: DriftPolicy) -> Standing:
    """How far a move to another release was declared; DECLARED where there is none."""
    if relation not in (Relation.UPGRADE, Relation.DOWNGRADE):
        return Standing.DECLARED
    word = policy.declared_update
    if word == NO_UPDATE or (word == UPGRADE and relation is not Relation.UPGRADE):
        return Standing.REFUTED
    if word is not None and word != UPGRADE and not _is_version(word, claim.target):
        return Standing.REFUTED
    if policy.declared_root_hash is not None:
        return Standing.DECLARED if claim.root_hash == policy.declared_root_hash else Standing.REFUTED
    if word is None:
        return Standing.UNDECLARED
    is_vouched = claim.assurance is not Assurance.ASSERTED or not claim.is_tree
    return Standing.DECLARED if is_vouched else Standing.UNVOUCHED


def _is_version(word: str, target: Target) -> bool:
    """1.57.0, v1.57.0, or with the build behind it, 1.57.0-abcdef0."""
    named = {target.version, f"{target.version}-{target.build}" if target.build else target.version}
    return bool(target.version) and word.removeprefix("v") in named


def compare_declared(claim: Claim, policy: DriftPolicy, where: tuple[Locator, Locator]) -> Iterator[Change]:
    """What the current side is otherwise than the user said that it is; nothing where nothing was said."""
    word, expected = policy.declared_update, policy.declared_root_hash
    if word is not None and word not in (UPGRADE, NO_UPDATE) and not _is_version(word, claim.target):
        yield from difference(DECLARED_AREA, DECLARED, "version", word, claim.target.version or None, where)
    if expected is not None and claim.root_hash is None:
        why = "the current side states no root hash, or several"
        yield unreadable(DECLARED_AREA, DECLARED, "root_hash", expected, None, where, why)
    elif expected is not None:
        yield from difference(DECLARED_AREA, DECLARED, "root_hash", expected, claim.root_hash, where)
