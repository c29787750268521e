"""What differs between two evidence values, and whether it may."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rocketaudit.model.advisory import AdvisoryChange
from rocketaudit.model.fact import Assurance, JsonValue, Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target
from rocketaudit.model.verdict import Severity


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNREADABLE = "unreadable"  # one side, or both, could not be read


class Judgement(StrEnum):
    EXPECTED = "expected"
    UNEXPECTED = "unexpected"
    CANNOT_SAY = "cannot-say"


class Relation(StrEnum):
    """How the two sides are related, which decides what a difference means."""

    SAME_RELEASE = "same-release"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `area` groups ("files", "packages", "boot" ...), `attribute` says what of the subject changed.

    `before` and `after` are None where the side has nothing. `decided_by` names the rule behind `judgement`.
    """

    area: str
    subject: str
    attribute: str
    kind: ChangeKind
    before: JsonValue
    after: JsonValue
    where_before: Locator
    where_after: Locator
    judgement: Judgement = Judgement.UNEXPECTED
    severity: Severity = Severity.MEDIUM
    decided_by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class DriftSide:
    """One side as it was given: `kind` is image, directory, node, evidence, report or sbom.

    `digest` is that of the evidence ("" when there is none at hand), `signed_by` the ids of the keys that signed it.
    """

    name: str
    kind: str
    digest: str = ""
    when: str = ""
    assurance: Assurance = Assurance.ASSERTED
    signed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """All changes, judged, the gravest first; `assurance` is the lower of both sides. `counts` is by judgement.

    `ignored` changes were left out because the policy says so. `sides` and the last five are set by the command.
    """

    baseline: Target
    current: Target
    relation: Relation
    assurance: Assurance
    changes: tuple[Change, ...]
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()
    ignored: int = 0
    sides: tuple[DriftSide, ...] = ()
    advisories: tuple[AdvisoryChange, ...] = ()
    fail_on: str = "unexpected"
    exit_code: int = 0
    reasons: tuple[str, ...] = ()
    policy: str = ""
