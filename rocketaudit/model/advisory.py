"""Security advisories as their publishers state them, and which of them reach a package."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Severity


@dataclass(frozen=True, slots=True)
class FixedPackage:
    """The first version of a package that is not affected; `release` "" stands for any, `arch` "" for all."""

    name: str
    epoch: str
    version: str
    release: str = ""
    arch: str = ""


@dataclass(frozen=True, slots=True)
class Advisory:
    """`aliases` are CVE and GHSA ids. `arches` () means all. `where` names the file."""

    id: str
    title: str
    aliases: tuple[str, ...]
    severity: Severity
    fixed: tuple[FixedPackage, ...]
    issued: str = ""
    description: str = ""
    arches: tuple[str, ...] = ()
    where: Locator = Locator()


class AdvisoryStatus(StrEnum):
    """`cannot_say`: a version that is stated in a way that has no order, or not at all."""

    AFFECTED = "affected"
    FIXED = "fixed"
    CANNOT_SAY = "cannot_say"


@dataclass(frozen=True, slots=True)
class AdvisoryMatch:
    """An advisory held against one installed package."""

    advisory: Advisory
    package: str
    installed: str
    fixed_in: str
    status: AdvisoryStatus
    why: str = ""


class AdvisoryMove(StrEnum):
    OPENED = "opened"
    CLOSED = "closed"
    STILL_OPEN = "still_open"
    CANNOT_SAY = "cannot_say"


@dataclass(frozen=True, slots=True)
class AdvisoryChange:
    """What became of an advisory between two sides; `before` and `after` are versions, "" where not installed."""

    id: str
    aliases: tuple[str, ...]
    title: str
    severity: Severity
    package: str
    before: str
    after: str
    fixed_in: str
    move: AdvisoryMove
