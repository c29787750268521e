"""What integrity analysis concludes."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import ChainLink
from rocketaudit.model.update import UpdateAnswer


class IntegrityVerdict(StrEnum):
    """`verified` needs a chain from a user's anchor; without an anchor the best is `consistent_unsigned`."""

    VERIFIED = "verified"
    CONSISTENT_UNSIGNED = "consistent_unsigned"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """One place that states a parameter of a bank's tree; `agrees` is None where there is nothing to compare with."""

    scope: str
    source: str  # "boot text", "UKI command line", "superblock", "recomputed tree", "signed manifest", "kernel" ...
    parameter: str  # "root_hash", "salt", "data_blocks", "algorithm", ...
    value: str
    where: Locator
    agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class BadBlockReport:
    """One block whose digest is not what the tree says, and what lies in it. Offsets are bytes in the image.

    `package` is inferred and `language` that of the program, where the file is one that was looked at.
    """

    scope: str
    level: str
    block: int
    offset: int
    length: int
    path: str | None = None
    offset_in_file: int | None = None
    package: str | None = None
    what: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class BankVerdict:
    """One bank: `verdict`, why, and who disagrees with whom."""

    scope: str
    verdict: IntegrityVerdict
    why: str
    root_hash: str | None = None
    populated: bool = True
    boots_next: bool = False
    version: str = ""
    odd_ones_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Integrity:
    """The whole judgement; `chain` is empty when no anchor was given. `uncovered` names bytes that no tree protects.

    `updates` is what the update repository of a TUF root says of the banks; it changes no verdict.
    """

    verdict: IntegrityVerdict
    why: str
    banks: tuple[BankVerdict, ...] = ()
    places: tuple[Place, ...] = ()
    chain: tuple[ChainLink, ...] = ()
    bad_blocks: tuple[BadBlockReport, ...] = ()
    bad_blocks_total: int = 0
    uncovered: tuple[str, ...] = ()
    updates: tuple[UpdateAnswer, ...] = ()
