"""Puts the ranges of one tree together, in order, and judges it level by level as the levels fill up.

Memory does not grow with the tree: of every level only the hash block that is being filled is kept, and of what is
wrong bounded lists and totals (`verity_findings`). Ranges that come early wait for those before them.
"""

from __future__ import annotations

from dataclasses import field, replace
from hashlib import sha256

from rocketaudit.formats.verity import Layout
from rocketaudit.formats.verity_findings import Findings, State, Subtree, judge, subtree_of
from rocketaudit.formats.verity_tree import MAX_LISTED, Digester, RangeCheck, first_spoiled_byte, rebuild
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import BadBlock, BlockRange, Slack, TreeCheck, TreeVerdict, UnreadRange


@dataclass(frozen=True, slots=True)
class _Lost:
    """Hash blocks `first` to `last` (excluded) of level 0, or the data below them, could not be read."""

    first: int
    last: int
    reason: str


@dataclass(slots=True)
class _OpenBlock:
    """Hash block `number` of an upper level while its `children` come in: `content` as stored, `rebuilt` so far.

    `stop` is where veritysetup would stop in this block: (slot, 0 its digest / 1 its spare bytes / 2 the rest), byte.
    """

    number: int
    children: int
    content: bytes
    rebuilt: bytearray = field(default_factory=bytearray)
    filled: int = 0
    below: tuple[Findings, ...] = ()
    has_unread: bool = False
    stop: tuple[tuple[int, int], int] | None = None


class TreeCheckBuilder:
    """Takes RangeChecks in any order; `finish` gives the TreeCheck.

    `add` and `add_unread` raise what the Reader of the hash device raises: without upper levels nothing can be said.
    """

    def __init__(self, layout: Layout, hashes: Reader, limit: int = MAX_LISTED) -> None:
        self.layout, self.hashes, self.limit = layout, hashes, limit
        self.digester = Digester(layout)
        self.waiting: dict[int, RangeCheck | _Lost] = {}
        self.next_block = 0
        self.open: list[_OpenBlock | None] = [None] * len(layout.levels)
        self.top: Subtree | None = None
        self.unread: list[UnreadRange] = []
        self.zero_blocks = 0
        self.leaf_stop: tuple[tuple[int, int], int, str] | None = None
        self.level_stops: list[int | None] = [None] * len(layout.levels)

    def add(self, result: RangeCheck) -> None:
        self.waiting[result.first] = result
        self._advance()

    def add_unread(self, first: int, last: int, reason: str) -> None:
        """Hash blocks `first` to `last` (excluded) of level 0, or the data below, could not be read."""
        self.waiting[first] = _Lost(first, last, reason)
        self._advance()

    def finish(self, slack: tuple[Slack, ...] = ()) -> TreeCheck:
        """The whole check; ValueError when a range is missing."""
        if self.top is None or self.waiting:
            raise ValueError("not every range of the tree was added")
        found = Findings(self.limit)
        judge(found, self.layout, len(self.layout.levels) - 1, 0, self.top, self.layout.root_hash, State.GOOD)
        bad_total = found.hash_total + found.data_total
        verdict = TreeVerdict.CORRUPT if bad_total else TreeVerdict.UNREAD if self.unread else TreeVerdict.VERIFIED
        position, device = self._first_stop()
        return TreeCheck(
            parameters=self.layout.parameters,
            recomputed_root_hash=None if self.top.is_unread else self.top.rebuilt.hex(),
            verdict=verdict,
            bad_blocks=found.bad_blocks(self.layout),
            bad_blocks_total=bad_total,
            first_bad_position=position,
            first_bad_on=device,
            zero_blocks=self.zero_blocks,
            refused=tuple(found.refused),
            refused_total=found.refused_total,
            hidden=tuple(leaf.block for leaf, _ in found.data if leaf.hidden),
            hidden_total=found.hidden_total,
            unread=tuple(self.unread),
            slack=slack,
        )

    def _first_stop(self) -> tuple[int | None, str | None]:
        """veritysetup checks level by level from the data upwards."""
        if self.leaf_stop is not None:
            return self.leaf_stop[1], self.leaf_stop[2]
        place = next((stop for stop in self.level_stops if stop is not None), None)
        return place, None if place is None else "hash"

    def _advance(self) -> None:
        while (result := self.waiting.pop(self.next_block, None)) is not None:
            self.next_block = result.last
            self._take(result)

    def _take(self, result: RangeCheck | _Lost) -> None:
        size = self.layout.digest_size
        if isinstance(result, _Lost):
            self._note_unread(result)
            nothing = bytes(size)
            lost = {block: Subtree(nothing, nothing, is_unread=True) for block in range(result.first, result.last)}
            self._push(0, result.first, bytes((result.last - result.first) * size), lost)
            return
        self.zero_blocks += result.zero_blocks
        if result.stop is not None and (self.leaf_stop is None or result.stop[0] < self.leaf_stop[0]):
            self.leaf_stop = result.stop
        subtrees = {}
        for difference in result.differences:
            place = (difference.number - result.first) * size
            rebuilt = result.rebuilt[place : place + size]
            subtrees[difference.number] = subtree_of(difference, rebuilt, self.layout, self.limit)
        self._push(0, result.first, result.rebuilt, subtrees)

    def _note_unread(self, lost: _Lost) -> None:
        """Neighbours with one reason are one range; behind `limit` ranges the last one takes in all that follow."""
        begin, _ = self.layout.covers(0, lost.first)
        start, count = self.layout.covers(0, lost.last - 1)
        new = UnreadRange(begin, start + count - 1, lost.reason)
        last = self.unread[-1] if self.unread else None
        if last is not None and (last.reason, last.last + 1) == (new.reason, new.first):
            self.unread[-1] = replace(last, last=new.last)
        elif last is not None and len(self.unread) >= self.limit:
            self.unread[-1] = UnreadRange(last.first, new.last, "several stretches, for several reasons")
        else:
            self.unread.append(new)

    def _push(self, level: int, first: int, rebuilt: bytes, subtrees: dict[int, Subtree]) -> None:
        """Digests of hash blocks of `level` from `first` on, in order; those with something to say are `subtrees`."""
        size = self.layout.digest_size
        if level + 1 == len(self.layout.levels):
            self.top = subtrees.get(0) or Subtree(rebuilt, rebuilt)
            return
        begin, end = first, first + len(rebuilt) // size
        while begin < end:
            parent = self._open_block(level + 1, begin // self.layout.per_block)
            stop = min(end, begin + parent.children - parent.filled)
            part = rebuilt[(begin - first) * size : (stop - first) * size]
            here = {block: subtree for block, subtree in subtrees.items() if begin <= block < stop}
            self._fill(parent, level, begin, part, here)
            if parent.filled == parent.children:
                self.open[level + 1] = None
                self._close(parent, level + 1)
            begin = stop

    def _open_block(self, level: int, number: int) -> _OpenBlock:
        opened = self.open[level]
        if opened is None:
            children = self.layout.levels[level - 1].blocks - number * self.layout.per_block
            content = self.hashes.read(self.layout.offset_of(level, number), self.layout.parameters.hash_block_size)
            opened = _OpenBlock(number, min(self.layout.per_block, children), bytes(content))
            self.open[level] = opened
        return opened

    def _fill(self, parent: _OpenBlock, level: int, first: int, rebuilt: bytes, subtrees: dict[int, Subtree]) -> None:
        size, slot = self.layout.digest_size, self.layout.slot_size
        index, count = parent.filled, len(rebuilt) // size
        stated = [parent.content[at * slot : at * slot + size] for at in range(index, index + count)]
        parent.filled += count
        parent.rebuilt += rebuilt
        if not subtrees and b"".join(stated) == rebuilt:
            return
        for number, wanted in enumerate(stated):
            digest = rebuilt[number * size : (number + 1) * size]
            subtree = subtrees.get(first + number)
            if subtree is None:
                if digest == wanted:
                    continue
                subtree = Subtree(digest, digest)
            if subtree.stored != wanted and not subtree.is_unread and parent.stop is None:
                parent.stop = (index + number, 0), self.layout.offset_of(level, first + number)
            parent.has_unread = parent.has_unread or subtree.is_unread
            parent.below = parent.below or tuple(Findings(self.limit) for _ in State)
            for state, found in zip(State, parent.below, strict=True):
                vouched = digest if state is State.REBUILT else wanted
                judge(found, self.layout, level, first + number, subtree, vouched, state)

    def _close(self, block: _OpenBlock, level: int) -> None:
        """All children are in: the block itself is a child of the level above."""
        built = next(rebuild(self.layout, bytes(block.rebuilt)))
        digest = stored = self.digester.digest(built)
        spoiled = None
        if built != block.content:
            stored = self.digester.digest(block.content)
            spoiled = first_spoiled_byte(self.layout, block.content, block.children)
        if spoiled is not None:
            order = spoiled[0], 2 if spoiled[1] else 1
            if block.stop is None or order < block.stop[0]:
                block.stop = order, self.layout.offset_of(level, block.number) + spoiled[2]
        if block.stop is not None and self.level_stops[level] is None:
            self.level_stops[level] = block.stop[1]
        subtrees = {}
        if built != block.content or block.below:
            subtrees[block.number] = Subtree(digest, stored, block.has_unread, spoiled is not None, block.below)
        self._push(level, block.number, digest, subtrees)


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
    count, digest = 0, sha256()
    for offset in range(start, end, len(zeros)):
        piece = bytes(reader.read(offset, min(len(zeros), end - offset)))
        if piece == zeros[: len(piece)]:
            continue
        stripped = piece.lstrip(b"\0")
        first = offset + len(piece) - len(stripped) if first < 0 else first
        last = offset + len(piece.rstrip(b"\0")) - 1
        count += len(piece) - piece.count(0)
        digest.update(offset.to_bytes(8, "little") + piece)
    return None if first < 0 else Slack(what, first, last, count, digest.hexdigest())
