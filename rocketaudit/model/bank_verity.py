"""The verity side of one bank, as it was collected: who states what, and what recomputing gave."""

from __future__ import annotations

from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import TreeCheck, VerityParameters


@dataclass(frozen=True, slots=True)
class Statement:
    """One place that states verity parameters (boot text, UKI command line, superblock, kernel).

    `binds_kernel`: a kernel that starts from here enforces it (the superblock binds nobody).
    `problems` are ways in which the statement contradicts itself or the disk; `remarks` are odd but change nothing.
    """

    source: str
    parameters: VerityParameters
    where: Locator
    binds_kernel: bool = False
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockOwner:
    """What a bad block holds: a file's bytes (`path` is BytePath text) or metadata (`what`).

    `offset` and `length` are bytes in the image; a corrupt hash block lists the files that it should protect.
    """

    level: str
    block: int
    offset: int
    length: int
    path: str | None = None
    offset_in_file: int | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class BankVerity:
    """`check` is None when the tree could not be recomputed; then `unread` says why.

    `populated` is false for a bank whose ROOT and HASH partitions hold nothing but zeros. `tree_matches` names
    the statements whose parameters reproduce a sample of the stored tree: who is right when they disagree.
    `stored_root` is the digest of the stored top block.
    `data_start` and `hash_start` are bytes in the image.
    """

    scope: str
    populated: bool
    statements: tuple[Statement, ...] = ()
    check: TreeCheck | None = None
    owners: tuple[BlockOwner, ...] = ()
    unread: str | None = None
    data_partition: str = ""
    hash_partition: str = ""
    slack: tuple[str, ...] = ()
    tree_matches: tuple[str, ...] = ()
    stored_root: str | None = None
    data_start: int = 0
    hash_start: int = 0
