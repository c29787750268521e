"""What a store keeps of every scan, so that the past can be asked without the past's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rocketaudit.model.fact import JsonValue
from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """One scan of one target. `when` is RFC 3339 in UTC; shares are per cent of code bytes, None when unknown.

    `scores` maps a benchmark to (worst, best) per cent; `counts` verdicts and findings by name.
    """

    target: str
    when: str
    digest: str
    integrity: str
    assurance: str
    exit_code: int
    os_id: str = ""
    variant: str = ""
    version: str = ""
    build: str = ""
    arch: str = ""
    findings: int = 0
    rust_share: float | None = None
    safe_share: float | None = None
    scores: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact in the form that is compared over time; `state` is present, absent, unread, or gone (no longer told)."""

    key: str
    plane: str
    scope: str
    state: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class FactChange:
    """From this scan on a fact was so; `first` says that nothing is known of the time before."""

    when: str
    number: int
    digest: str
    version: str
    fact: StoredFact
    first: bool = False
