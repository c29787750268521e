"""dm-verity as facts: what a tree is built with, which of its blocks are bad, what a check found."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass

BEHIND_DATA = "bytes of the root partition behind its last block"  # what a Slack there says


@dataclass(frozen=True, slots=True)
class FecParameters:
    """Forward error correction as the table or the command line states it; we report it and do not repair."""

    device: str
    roots: int
    blocks: int
    start_block: int


@dataclass(frozen=True, slots=True)
class VerityParameters:
    """Everything that fixes a hash tree; `salt` and `root_hash` are lower-case hex, sizes are bytes.

    `hash_start_block` counts hash blocks from the start of the hash device to the top of the tree.
    """

    hash_type: int
    algorithm: str
    data_block_size: int
    hash_block_size: int
    data_blocks: int
    salt: str
    root_hash: str
    hash_start_block: int
    options: tuple[str, ...] = ()
    fec: FecParameters | None = None

    @property
    def ignores_zero_blocks(self) -> bool:
        return "ignore_zero_blocks" in self.options

    @property
    def on_corruption(self) -> str:
        """What the kernel does on a bad block: restart, panic, ignore, or error (the default: EIO)."""
        for option, meaning in (
            ("ignore_corruption", "ignore"),
            ("restart_on_corruption", "restart"),
            ("panic_on_corruption", "panic"),
        ):
            if option in self.options:
                return meaning
        return "error"


class TreeVerdict(StrEnum):
    VERIFIED = "verified"
    CORRUPT = "corrupt"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class BadBlock:
    """A block that differs from what vouches for it.

    `level` is "data", "hash-N" (0 holds the digests of data blocks) or "superblock"; `block` counts within
    the level; `offset` is bytes from the start of the data device ("data") or of the hash device (others).
    `expected` and `observed` are hex digests, or texts for a superblock field. `first_data_block` and
    `data_blocks` say which data the block vouches for.
    """

    level: str
    block: int
    offset: int
    length: int
    expected: str
    observed: str
    why: str = ""
    first_data_block: int = 0
    data_blocks: int = 0


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Data blocks `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class UnreadRange:
    """Data blocks that nobody could check, and why."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Slack:
    """Bytes other than zero where nothing should be and no digest looks: `first` and `last` are byte offsets.

    `sha256` is over the bytes and their places ("": not known).
    """

    what: str
    first: int
    last: int
    count: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class TreeCheck:
    """What a full check of one tree found; lists are bounded, totals are not.

    `first_bad_position` is the byte that `veritysetup verify` names, on the device `first_bad_on`.
    `refused` are the data blocks that the kernel would not give out. `hidden` are data blocks that are not
    zero although their digest says zero: with ignore_zero_blocks the kernel shows zeros there.
    """

    parameters: VerityParameters
    recomputed_root_hash: str | None
    verdict: TreeVerdict
    bad_blocks: tuple[BadBlock, ...]
    bad_blocks_total: int
    first_bad_position: int | None
    first_bad_on: str | None
    zero_blocks: int
    refused: tuple[BlockRange, ...] = ()
    refused_total: int = 0
    hidden: tuple[int, ...] = ()
    hidden_total: int = 0
    unread: tuple[UnreadRange, ...] = ()
    slack: tuple[Slack, ...] = ()
