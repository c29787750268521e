"""The drift document (schema rocketaudit-drift-1.0): what is published of a drift, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.errors import UnsupportedError
from rocketaudit.model import codec
from rocketaudit.model.advisory import AdvisoryChange
from rocketaudit.model.change import Change, Drift, DriftSide, Relation
from rocketaudit.model.fact import Assurance
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target, Tool
from rocketaudit.report.layout import lay_out

DRIFT_SCHEMA = "rocketaudit-drift-1.0"


@dataclass(frozen=True, slots=True)
class DriftPolicyRecord:
    """What decided the exit code; `file` is the policy's path and digest."""

    fail_on: str
    exit_code: int
    reasons: tuple[str, ...]
    ignored: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class DriftDocument:
    """The JSON drift. `counts` is by judgement; `sides` tell how each side was given."""

    schema: str
    tool: Tool
    created: str
    baseline: Target
    current: Target
    sides: tuple[DriftSide, ...]
    relation: Relation
    assurance: Assurance
    policy: DriftPolicyRecord
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    changes: tuple[Change, ...]
    advisories: tuple[AdvisoryChange, ...] = ()


def to_document(drift: Drift, tool: Tool, created: str) -> DriftDocument:
    """What is published of a drift."""
    policy = DriftPolicyRecord(drift.fail_on, drift.exit_code, drift.reasons, drift.ignored, drift.policy)
    return DriftDocument(
        DRIFT_SCHEMA,
        tool,
        created,
        drift.baseline,
        drift.current,
        drift.sides,
        drift.relation,
        drift.assurance,
        policy,
        drift.counts,
        drift.notes,
        drift.changes,
        drift.advisories,
    )


def write_drift_json(drift: Drift, tool: Tool, created: str) -> bytes:
    """The whole drift, one change a line."""
    raw: dict[str, object] = codec.encode(to_document(drift, tool, created), full=True)
    return lay_out(raw)


def read_drift_json(data: bytes) -> DriftDocument:
    """A drift out of its file; FormatError for what is none, UnsupportedError for another schema."""
    raw = codec.parse(data)
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != DRIFT_SCHEMA:
        raise UnsupportedError(f"not a drift that we read: schema {schema!r:.80}, {DRIFT_SCHEMA} expected")
    return codec.decode(DriftDocument, raw)
