"""What a pipeline demands of a target, and what people have accepted or attested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date

from rocketaudit.model.fact import JsonValue
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import Waiver
from rocketaudit.model.statement import Statement
from rocketaudit.model.verdict import Severity, Verdict


@dataclass(frozen=True, slots=True)
class Attestation:
    """A person's answer to a rule that no program decides; it expires like a waiver."""

    rule: str
    verdict: Verdict
    reason: str
    approved_by: str
    expires: date
    target: str = "*"


@dataclass(frozen=True, slots=True)
class Tailoring:
    """Changes to the rules: `select` (empty: all) and `skip` are globs of ids; `values` replace arguments of a word."""

    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    levels: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftException:
    """Changes that people accept for a time: globs of area, subject (with or without its scope) and attribute."""

    reason: str
    approved_by: str
    expires: date
    area: str = "*"
    subject: str = "*"
    attribute: str = "*"


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """`allow` makes unexpected changes expected, `ignore` leaves changes out; `severities` by ruling or area.

    `declared_update` is "upgrade", "none" or the version that the current side must have, `declared_root_hash` the
    root hash (lower-case hex) that it must state. `share_fall`: by how many points (of per cent) a share of
    memory-safe code may fall in a declared update.
    """

    allow: tuple[DriftException, ...] = ()
    ignore: tuple[DriftException, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    fail_on: str | None = None
    declared_update: str | None = None
    declared_root_hash: str | None = None
    share_fall: float = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """An empty policy asks for nothing. `fail_on` None: the command's default.

    `min_score` maps a benchmark's id (or "*") to per cent of its worst score; `max_c_share` is per cent of code
    bytes in C and C++; `require` lists rules (globs) that must pass: unknown is then not enough. `sbom` says who
    makes and supplies the image ("sbom:author-name" ...), which no image states of itself, and `sbom_components` what
    it does not state of its components. `min_version`: the oldest release that any populated bank may hold.
    """

    benchmarks: tuple[str, ...] = ()
    level: int | None = None
    fail_on: tuple[str, ...] | None = None
    min_score: Mapping[str, float] = field(default_factory=dict)
    max_c_share: float | None = None
    require: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    tailoring: Tailoring = field(default_factory=Tailoring)
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    sbom: Mapping[str, str] = field(default_factory=dict)
    sbom_components: tuple[Statement, ...] = ()
    min_version: str | None = None
