"""Puts the ranges of one tree together and judges it from the root hash downwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from rocketaudit.formats.verity import Layout
from rocketaudit.formats.verity_tree import (
    MAX_LISTED,
    Difference,
    Digester,
    LeafMismatch,
    RangeCheck,
    first_spoiled_byte,
    rebuild,
)
from rocketaudit.model.reader import Reader
from rocketaudit.model.verity import (
    BadBlock,
    BlockRange,
    Slack,
    TreeCheck,
    TreeVerdict,
    UnreadRange,
)

_SPOILED = "bytes that should be zero are not"
_UNAUTHENTIC = "its hash block is corrupt as well, so the expected digest is not authentic"


class _State(Enum):
    """What a hash block may vouch for: its stored content, its content rebuilt from the data, or nothing."""

    GOOD = 1
    REBUILT = 2
    UNKNOWN = 3


@dataclass(slots=True)
class _StoredLevel:
    """One level as digests: `rebuilt` from the data, `stored` of its blocks, `stated` by the level above."""

    rebuilt: bytes
    stored: bytearray
    stated: bytes
    unread: set[int]

    def digest(self, which: bytes | bytearray, block: int, size: int) -> bytes:
        return bytes(which[block * size : (block + 1) * size])


class TreeCheckBuilder:
    """Takes RangeChecks in any order; `finish` reads the upper levels and gives the TreeCheck."""

    def __init__(self, layout: Layout, hashes: Reader, limit: int = MAX_LISTED) -> None:
        self.layout, self.hashes, self.limit = layout, hashes, limit
        self.digester = Digester(layout)
        self.pieces: dict[int, bytes] = {}
        self.differences: dict[int, Difference] = {}
        self.unread: list[UnreadRange] = []
        self.unread_blocks: set[int] = set()
        self.zero_blocks = 0
        self.stop: tuple[tuple[int, int], int, str] | None = None
        self.listed = 0
        self.last_listed = self.layout.parameters.data_blocks  # hash blocks behind this one keep counts only
        self.bad: list[BadBlock] = []
        self.bad_total = 0
        self.refused: list[BlockRange] = []
        self.accused: set[tuple[int, int]] = set()  # hash blocks that are bad in more than one way count once

    def add(self, result: RangeCheck) -> None:
        self.pieces[result.first] = result.rebuilt
        self.zero_blocks += result.zero_blocks
        if result.stop is not None and (self.stop is None or result.stop[0] < self.stop[0]):
            self.stop = result.stop
        for difference in result.differences:
            kept = difference if difference.number <= self.last_listed else replace(difference, mismatches=())
            self.differences[difference.number] = kept
            self.listed += len(kept.mismatches)
        if self.listed > 8 * self.limit:
            self._forget_last()

    def add_unread(self, first: int, last: int, reason: str) -> None:
        """Hash blocks `first` to `last` (excluded) of level 0, or the data below, could not be read."""
        begin, _ = self.layout.covers(0, first)
        start, count = self.layout.covers(0, last - 1)
        self.unread.append(UnreadRange(begin, start + count - 1, reason))
        self.unread_blocks.update(range(first, last))
        self.pieces[first] = bytes((last - first) * self.layout.digest_size)

    def finish(self, slack: tuple[Slack, ...] = ()) -> TreeCheck:
        """The whole check; raises what the Reader of the hash device raises."""
        levels = self._read_levels()
        states = self._judge_levels(levels)
        leaves = self._judge_leaves(states)
        top = levels[-1]
        recomputed = None if top.unread else top.rebuilt.hex()
        refused, refused_total = self._refused(leaves)
        hidden = tuple(leaf.block for _, leaf in leaves if leaf.hidden)
        is_sound = not self.bad_total and recomputed == self.layout.root_hash.hex()
        verdict = TreeVerdict.VERIFIED if is_sound else TreeVerdict.CORRUPT
        if self.unread and not self.bad_total:
            verdict = TreeVerdict.UNREAD
        return TreeCheck(
            parameters=self.layout.parameters,
            recomputed_root_hash=recomputed,
            verdict=verdict,
            bad_blocks=tuple(self.bad),
            bad_blocks_total=self.bad_total,
            first_bad_position=None if self.stop is None else self.stop[1],
            first_bad_on=None if self.stop is None else self.stop[2],
            zero_blocks=self.zero_blocks,
            refused=refused[: self.limit],
            refused_total=refused_total,
            hidden=hidden,
            hidden_total=sum(difference.hidden_total for difference, _ in self._trusted_differences(states)),
            unread=tuple(self.unread),
            slack=slack,
        )

    def _forget_last(self) -> None:
        """Keep the details of the first mismatches only; the counts stay."""
        kept = 0
        for number in sorted(number for number, one in self.differences.items() if one.mismatches):
            if kept >= 4 * self.limit:
                self.differences[number] = replace(self.differences[number], mismatches=())
            else:
                kept += len(self.differences[number].mismatches)
                self.last_listed = number
        self.listed = kept

    def _read_levels(self) -> list[_StoredLevel]:
        size = self.layout.digest_size
        rebuilt = b"".join(self.pieces[first] for first in sorted(self.pieces))
        if len(rebuilt) != self.layout.levels[0].blocks * size:
            raise ValueError("not every range of the tree was added")
        stored = bytearray(rebuilt)
        for number, difference in self.differences.items():
            stored[number * size : (number + 1) * size] = difference.stored
        levels = [_StoredLevel(rebuilt, stored, b"", self.unread_blocks)]
        for number in range(1, len(self.layout.levels)):
            levels.append(self._read_level(number, levels[-1]))
        levels[-1].stated = self.layout.root_hash
        return levels

    def _read_level(self, number: int, below: _StoredLevel) -> _StoredLevel:
        """Read level `number`, digest it, and take from it what it states about the level below."""
        size, slot, per_block = self.layout.digest_size, self.layout.slot_size, self.layout.per_block
        children = self.layout.levels[number - 1].blocks
        stated, stored, rebuilt = bytearray(), bytearray(), bytearray()
        for block, built in enumerate(rebuild(self.layout, below.rebuilt)):
            offset = self.layout.offset_of(number, block)
            content = bytes(self.hashes.read(offset, self.layout.parameters.hash_block_size))
            here = min(per_block, children - block * per_block)
            for index in range(here):
                digest = content[index * slot : index * slot + size]
                child = block * per_block + index
                if digest != below.digest(below.stored, child, size) and child not in below.unread:
                    self._stop_later(self.layout.offset_of(number - 1, child))
                stated += digest
            spoiled = first_spoiled_byte(self.layout, content, here)
            if spoiled is not None:
                self._stop_later(offset + spoiled[2])
                self._add_bad(number, block, "zeros", "other bytes", _SPOILED)
            stored += self.digester.digest(content)
            rebuilt += self.digester.digest(built)
        below.stated = bytes(stated)
        unread = {child // per_block for child in below.unread}
        return _StoredLevel(bytes(rebuilt), stored, b"", unread)

    def _stop_later(self, position: int) -> None:
        """veritysetup checks level by level from the data upwards, so the first one found stays."""
        if self.stop is None:
            self.stop = ((0, 0), position, "hash")

    def _judge_levels(self, levels: list[_StoredLevel]) -> list[dict[int, _State]]:
        """The state of every hash block that is not GOOD, by level; adds the bad ones, the top first."""
        size, per_block = self.layout.digest_size, self.layout.per_block
        states: list[dict[int, _State]] = [{} for _ in levels]
        for number in reversed(range(len(levels))):
            level = levels[number]
            above = states[number + 1] if number + 1 < len(levels) else {}
            for parent in range(-(-self.layout.levels[number].blocks // per_block)):
                state = above.get(parent, _State.GOOD)
                expected = level.rebuilt if state is _State.REBUILT else level.stated
                part = slice(parent * per_block * size, (parent + 1) * per_block * size)
                if state is not _State.UNKNOWN and expected[part] == level.stored[part]:
                    continue
                last = min((parent + 1) * per_block, self.layout.levels[number].blocks)
                for block in range(parent * per_block, last):
                    if number == 0 and block in level.unread:
                        continue
                    found = self._judge_block(number, block, level, expected, state)
                    if found is not _State.GOOD:
                        states[number][block] = found
        return states

    def _judge_block(self, number: int, block: int, level: _StoredLevel, expected: bytes, above: _State) -> _State:
        size = self.layout.digest_size
        wanted = level.digest(expected, block, size)
        observed = level.digest(level.stored, block, size)
        if observed == wanted:
            return _State.UNKNOWN if above is _State.UNKNOWN else _State.GOOD
        why = _UNAUTHENTIC if above is _State.UNKNOWN else ""
        self._add_bad(number, block, wanted.hex(), observed.hex(), why)
        first, count = self.layout.covers(number, block)
        self.refused.append(BlockRange(first, first + count - 1))
        can_rebuild = above is not _State.UNKNOWN and block not in level.unread
        if can_rebuild and level.digest(level.rebuilt, block, size) == wanted:
            return _State.REBUILT
        return _State.UNKNOWN

    def _add_bad(self, level: int, block: int, expected: str, observed: str, why: str) -> None:
        if (level, block) in self.accused:
            return
        self.accused.add((level, block))
        self.bad_total += 1
        if len(self.bad) < self.limit:
            size = self.layout.parameters.hash_block_size
            offset = self.layout.offset_of(level, block)
            covers = self.layout.covers(level, block)
            self.bad.append(BadBlock(f"hash-{level}", block, offset, size, expected, observed, why, *covers))

    def _trusted_differences(self, states: list[dict[int, _State]]) -> Iterator[tuple[Difference, _State]]:
        """Differences that speak about data, in order: a hash block that the data rebuilds accuses none."""
        for number in sorted(self.differences):
            state = states[0].get(number, _State.GOOD)
            if state is not _State.REBUILT:
                yield self.differences[number], state

    def _judge_leaves(self, states: list[dict[int, _State]]) -> list[tuple[Difference, LeafMismatch]]:
        """The data blocks to blame, bounded; adds them and the spoiled hash blocks to the bad ones."""
        for difference in self.differences.values():
            if difference.spoiled_at is not None and difference.number not in states[0]:
                self._add_bad(0, difference.number, "zeros", "other bytes", _SPOILED)
        size = self.layout.parameters.data_block_size
        blamed: list[tuple[Difference, LeafMismatch]] = []
        for difference, state in self._trusted_differences(states):
            self.bad_total += difference.mismatches_total
            room = self.limit - len(blamed)
            for leaf in difference.mismatches[:room]:
                blamed.append((difference, leaf))
                why = "" if state is _State.GOOD else _UNAUTHENTIC
                if leaf.hidden:
                    why = "its digest is that of zeros: with ignore_zero_blocks the kernel shows zeros here"
                offset, expected, observed = leaf.block * size, leaf.expected.hex(), leaf.observed.hex()
                self.bad.append(BadBlock("data", leaf.block, offset, size, expected, observed, why, leaf.block, 1))
        return blamed

    def _refused(self, leaves: list[tuple[Difference, LeafMismatch]]) -> tuple[tuple[BlockRange, ...], int]:
        """The data blocks that the kernel would not give out, as ranges, and their exact number."""
        merged = _merge(self.refused)
        total = sum(one.last - one.first + 1 for one in merged)
        ignores = self.layout.parameters.ignores_zero_blocks
        singles = [BlockRange(leaf.block, leaf.block) for _, leaf in leaves if not (ignores and leaf.hidden)]
        begins = [one.first for one in merged]
        for difference in self.differences.values():
            first = difference.number * self.layout.per_block
            at = bisect_right(begins, first) - 1
            if at < 0 or merged[at].last < first:
                total += difference.mismatches_total - (difference.hidden_total if ignores else 0)
        return tuple(_merge([*merged, *singles])), total


def _merge(ranges: list[BlockRange]) -> list[BlockRange]:
    merged: list[BlockRange] = []
    for one in sorted(ranges, key=lambda each: each.first):
        if merged and one.first <= merged[-1].last + 1:
            merged[-1] = BlockRange(merged[-1].first, max(merged[-1].last, one.last))
        else:
            merged.append(one)
    return merged


def check_one_block(data: Reader, layout: Layout, slack: tuple[Slack, ...] = ()) -> TreeCheck:
    """The check of a tree without levels: the root hash is the digest of the only data block (libcryptsetup)."""
    size = layout.parameters.data_block_size
    block = bytes(data.read(0, size))
    observed = Digester(layout).digest(block)
    bad: tuple[BadBlock, ...] = ()
    if observed != layout.root_hash:
        bad = (BadBlock("data", 0, 0, size, layout.root_hash.hex(), observed.hex(), "", 0, 1),)
    return TreeCheck(
        parameters=layout.parameters,
        recomputed_root_hash=observed.hex(),
        verdict=TreeVerdict.CORRUPT if bad else TreeVerdict.VERIFIED,
        bad_blocks=bad,
        bad_blocks_total=len(bad),
        first_bad_position=None,
        first_bad_on=None,
        zero_blocks=int(not any(block)),
        refused=tuple(BlockRange(0, 0) for _ in bad),
        refused_total=len(bad),
        slack=slack,
    )


def find_slack(reader: Reader, start: int, end: int, what: str) -> Slack | None:
    """Bytes other than zero from `start` to `end` (excluded), where no digest looks; None when there are none."""
    zeros = bytes(1 << 20)
    first = last = -1
    count = 0
    for offset in range(start, end, len(zeros)):
        piece = bytes(reader.read(offset, min(len(zeros), end - offset)))
        if piece == zeros[: len(piece)]:
            continue
        stripped = piece.lstrip(b"\0")
        first = offset + len(piece) - len(stripped) if first < 0 else first
        last = offset + len(piece.rstrip(b"\0")) - 1
        count += len(piece) - piece.count(0)
    return None if first < 0 else Slack(what, first, last, count)
