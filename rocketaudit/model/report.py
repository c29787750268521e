"""The result of an audit: what every writer renders."""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence, Gap
from rocketaudit.model.fact import Assurance, Fact, Locator
from rocketaudit.model.integrity import Integrity
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import BenchmarkResult
from rocketaudit.model.target import Target, Tool
from rocketaudit.model.verdict import Severity

REPORT_SCHEMA = "rocketaudit-report-1.0"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should look at that is no rule of a benchmark. `id` is kebab-case and stable."""

    id: str
    severity: Severity
    title: str
    where: Locator
    detail: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class CensusRow:
    """How many files and code bytes of one language, in one group ("all", a directory, a package)."""

    group: str
    language: str
    files: int
    code_bytes: int


@dataclass(frozen=True, slots=True)
class Census:
    """The memory-safety census over the judged root; shares are 0..1 by count and by code bytes."""

    files: int
    rows: tuple[CensusRow, ...] = ()
    memory_safe_share_files: float | None = None
    memory_safe_share_bytes: float | None = None
    contains_rust: int = 0
    unread: int = 0
    exposed: tuple[tuple[str, str, str], ...] = ()  # (path, language, why it is exposed)


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Whether the run meets its policy, what decided the exit code, and how the rules differ from those shipped.

    `text` is the policy itself, so that a report that is filed holds what it was judged by.
    """

    fail_on: tuple[str, ...]
    exit_code: int
    reasons: tuple[str, ...] = ()
    path: str = ""
    digest: str = ""
    as_of: str = ""
    waiver_problems: tuple[str, ...] = ()
    tailoring: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`evidence` is what it all stands on; writers that publish it say so."""

    tool: Tool
    target: Target
    assurance: Assurance
    integrity: Integrity
    findings: tuple[Finding, ...]
    census: Census
    components: tuple[Component, ...]
    benchmarks: tuple[BenchmarkResult, ...]
    unread: tuple[Gap, ...]
    policy: PolicyResult
    evidence: Evidence
    created: str = ""
    extra: Mapping[str, str] | None = None
