"""What is wrong below one hash block of a dm-verity tree, as a value that grows from the data upwards.

Whether a stored digest is authentic shows only at the root, and by then nothing below is kept: a tree may be larger
than memory. So the answer is carried upwards three times, once for each state that the block may turn out to be in,
and the root says which one holds. Lists are bounded, totals are exact.
"""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum

from rocketaudit.formats.verity import Layout
from rocketaudit.formats.verity_tree import Difference, LeafMismatch
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import BadBlock, BlockRange

_SPOILED = "bytes that should be zero are not"
_UNAUTHENTIC = "its hash block is corrupt as well, so the expected digest is not authentic"
_HIDDEN = "its digest is that of zeros: with ignore_zero_blocks the kernel shows zeros here"


class State(IntEnum):
    """What a hash block may vouch for: its stored content, its content rebuilt from the data, or nothing."""

    GOOD = 0
    REBUILT = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class BadHash:
    """A hash block that differs from what vouches for it; `expected` and `observed` as in BadBlock."""

    level: int
    block: int
    expected: str
    observed: str
    why: str = ""


@dataclass(slots=True)
class Findings:
    """The bad blocks below one hash block, when that block is in one state; `limit` bounds every list.

    `hash_blocks` are by level, since the upper ones are listed first. `data` are mismatches with whether the
    expected digest is authentic. `refused` are the first ranges that a kernel would not give out.
    """

    limit: int
    hash_blocks: dict[int, list[BadHash]] = field(default_factory=dict)
    hash_total: int = 0
    data: list[tuple[LeafMismatch, bool]] = field(default_factory=list)
    data_total: int = 0
    hidden_total: int = 0
    refused: list[BlockRange] = field(default_factory=list)
    refused_total: int = 0
    refused_is_cut: bool = False

    def add(self, other: Findings, *, with_refused: bool) -> None:
        """Append what was found below a block that lies behind all that were added before."""
        for level, found in other.hash_blocks.items():
            self._keep(level, found)
        self.hash_total += other.hash_total
        self.data += other.data[: self.limit - len(self.data)]
        self.data_total += other.data_total
        self.hidden_total += other.hidden_total
        if with_refused:
            for each in other.refused:
                self._refuse(each)
            self.refused_total += other.refused_total
            self.refused_is_cut = self.refused_is_cut or other.refused_is_cut

    def add_bad(self, bad: BadHash) -> None:
        self.hash_total += 1
        self._keep(bad.level, [bad])

    def refuse_all(self, whole: BlockRange) -> None:
        """A kernel gives out nothing of this range."""
        self._refuse(whole)
        self.refused_total += whole.last - whole.first + 1

    def add_leaves(self, difference: Difference, *, is_authentic: bool, hidden_is_given_out: bool) -> None:
        """The mismatches below a hash block of level 0."""
        self.data += [(leaf, is_authentic) for leaf in difference.mismatches[: self.limit - len(self.data)]]
        self.data_total += difference.mismatches_total
        self.hidden_total += difference.hidden_total
        for leaf in difference.mismatches:
            if not (hidden_is_given_out and leaf.hidden):
                self._refuse(BlockRange(leaf.block, leaf.block))
        self.refused_total += difference.mismatches_total - (difference.hidden_total if hidden_is_given_out else 0)
        self.refused_is_cut = self.refused_is_cut or len(difference.mismatches) < difference.mismatches_total

    def bad_blocks(self, layout: Layout) -> tuple[BadBlock, ...]:
        """Hash blocks from the top down, then data; at most `limit` of each."""
        size, data_size = layout.parameters.hash_block_size, layout.parameters.data_block_size
        every = [bad for level in sorted(self.hash_blocks, reverse=True) for bad in self.hash_blocks[level]]
        listed = [
            BadBlock(
                f"hash-{bad.level}",
                bad.block,
                layout.offset_of(bad.level, bad.block),
                size,
                bad.expected,
                bad.observed,
                bad.why,
                *layout.covers(bad.level, bad.block),
            )
            for bad in every[: self.limit]
        ]
        for leaf, is_authentic in self.data:
            why = _HIDDEN if leaf.hidden else "" if is_authentic else _UNAUTHENTIC
            expected, observed = leaf.expected.hex(), leaf.observed.hex()
            listed.append(
                BadBlock("data", leaf.block, leaf.block * data_size, data_size, expected, observed, why, leaf.block, 1)
            )
        return tuple(listed)

    def _keep(self, level: int, found: list[BadHash]) -> None:
        kept = self.hash_blocks.setdefault(level, [])
        kept += found[: self.limit - len(kept)]
        room = self.limit
        for each in sorted(self.hash_blocks, reverse=True):  # what upper levels leave
            del self.hash_blocks[each][room:]
            room -= len(self.hash_blocks[each])

    def _refuse(self, one: BlockRange) -> None:
        """Ranges come in order; those behind the first that finds no room are only counted."""
        if self.refused_is_cut:
            return
        if self.refused and one.first <= self.refused[-1].last + 1:
            self.refused[-1] = BlockRange(self.refused[-1].first, max(self.refused[-1].last, one.last))
        elif len(self.refused) < self.limit:
            self.refused.append(one)
        else:
            self.refused_is_cut = True


@dataclass(frozen=True, slots=True)
class Subtree:
    """A hash block that is not simply sound: its digest as `rebuilt` from the data, as `stored`, what lies below.

    `below` is indexed by State; empty when nothing below is wrong.
    """

    rebuilt: bytes
    stored: bytes
    is_unread: bool = False
    is_spoiled: bool = False
    below: tuple[Findings, ...] = ()


def subtree_of(difference: Difference, rebuilt: bytes, layout: Layout, limit: int) -> Subtree:
    """The hash block of level 0 that differs from the data below it. What the data rebuilds accuses none of it."""
    below = tuple(Findings(limit) for _ in State)
    ignores = layout.parameters.ignores_zero_blocks
    for state in (State.GOOD, State.UNKNOWN):
        below[state].add_leaves(difference, is_authentic=state is State.GOOD, hidden_is_given_out=ignores)
    return Subtree(rebuilt, difference.stored, False, difference.spoiled_at is not None, below)


def judge(
    found: Findings, layout: Layout, level: int, block: int, subtree: Subtree, wanted: bytes, above: State
) -> None:
    """Add what is wrong with hash block `block` and below it, when its parent is in state `above` and says `wanted`."""
    if level == 0 and subtree.is_unread:
        return
    state: State = State.UNKNOWN if above is State.UNKNOWN else State.GOOD
    if subtree.stored != wanted:
        why = _UNAUTHENTIC if above is State.UNKNOWN else ""
        found.add_bad(BadHash(level, block, wanted.hex(), subtree.stored.hex(), why))
        can_rebuild = above is not State.UNKNOWN and not subtree.is_unread and subtree.rebuilt == wanted
        state = State.REBUILT if can_rebuild else State.UNKNOWN
        first, count = layout.covers(level, block)
        found.refuse_all(BlockRange(first, first + count - 1))
    elif subtree.is_spoiled:
        found.add_bad(BadHash(level, block, "zeros", "other bytes", _SPOILED))
    if not subtree.below:
        return
    found.add(subtree.below[state], with_refused=subtree.stored == wanted)  # otherwise all of it is refused already
