"""The seam of collecting: a declared function from an opened source to facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rocketaudit.model.evidence import Coverage, Gap, SignedBlob, Wants
from rocketaudit.model.fact import Fact, Plane
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source

Seen = Fact | Coverage | Gap | Package | SignedBlob


@dataclass(frozen=True, slots=True)
class Collector:
    """`provides` lists globs over the keys that it can give (such as "sysctl:*"), for the contract test.

    `collect` never raises for what the target holds: what it cannot read becomes an unread fact or a gap.
    """

    name: str
    plane: Plane
    provides: tuple[str, ...]
    collect: Callable[[Source, Wants], Iterator[Seen]]
