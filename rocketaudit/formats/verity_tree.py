"""Checks a dm-verity tree against data: ranges of it anywhere (a worker, a memory map), then the rest from the top.

`check_range` is pure over Readers; `TreeCheckBuilder` puts the ranges together, in any order, and judges downwards:
a hash block is good when its digest is what a good parent (at last the root hash) says. A bad hash block whose
content can be rebuilt from the data below it leaves that data good.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from rocketaudit.formats.verity import Hash, Layout, new_hash
from rocketaudit.model.reader import Reader, stored_extents
from rocketaudit.model.records import dataclass

PIECE_BYTES = 1 << 20  # of data, read at a time
TASK_BYTES = 8 << 20  # of data under one range: small enough to balance, large enough to cost nothing
MAX_LISTED = 1000

# where veritysetup would stop first: (data block, 0 data / 1 spare bytes of its slot / 2 rest of the block)
_Order = tuple[int, int]
_zeros = lru_cache(maxsize=4)(bytes)


@dataclass(frozen=True, slots=True)
class LeafMismatch:
    """A data block whose digest is not the stored one; `hidden` when the stored one says zeros."""

    block: int
    expected: bytes
    observed: bytes
    hidden: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Hash block `number` of level 0 is not what the data below it gives; `stored` is its own digest.

    `spoiled_at` is the first byte in the block that is not zero between or after digests. `mismatches` is
    bounded, its total is not.
    """

    number: int
    stored: bytes
    mismatches: tuple[LeafMismatch, ...]
    mismatches_total: int
    hidden_total: int
    spoiled_at: int | None


@dataclass(frozen=True, slots=True)
class RangeCheck:
    """Hash blocks `first` to `last` (excluded) of level 0 against the data below them.

    `rebuilt` joins one digest per hash block as it follows from the data. `stop` is where veritysetup would
    stop: its order, the byte, and the device ("data" or "hash").
    """

    first: int
    last: int
    rebuilt: bytes
    differences: tuple[Difference, ...]
    zero_blocks: int
    stop: tuple[_Order, int, str] | None


def range_size(layout: Layout) -> int:
    """How many level-0 hash blocks make one task."""
    below = layout.per_block * layout.parameters.data_block_size
    return max(1, TASK_BYTES // below)


class Digester:
    """Salted digests of blocks as `hash_type` says: salt first (1) or salt last (0)."""

    def __init__(self, layout: Layout) -> None:
        self.salted_first = layout.parameters.hash_type == 1
        self.salt = layout.salt
        self.start: Hash = new_hash(layout.parameters.algorithm)
        if self.salted_first:
            self.start.update(layout.salt)

    def digest(self, block: bytes | memoryview) -> bytes:
        state = self.start.copy()
        state.update(block)
        if not self.salted_first:
            state.update(self.salt)
        return state.digest()

    def digests(self, piece: bytes | memoryview, size: int, zero: bytes, zero_digest: bytes) -> tuple[list[bytes], int]:
        """One digest per `size` bytes of `piece`, and how many of the blocks hold only zeros.

        Zero blocks cost a comparison instead of a digest: `first_words` finds them in one call.
        """
        view = memoryview(piece)
        if not any(view[:: max(1, len(view) // 64)]) and bytes(view) == _zeros(len(view)):
            count = len(view) // size
            return [zero_digest] * count, count
        first_words = view.cast("B").cast("Q")[:: size // 8].tolist()
        copy, tail, salted_first = self.start.copy, self.salt, self.salted_first
        digests: list[bytes] = []
        add = digests.append
        zeros = 0
        for start, first_word in zip(range(0, len(view), size), first_words, strict=True):
            block = view[start : start + size]
            if not first_word and bytes(block) == zero:
                add(zero_digest)
                zeros += 1
                continue
            state = copy()
            state.update(block)
            if not salted_first:
                state.update(tail)
            add(state.digest())
        return digests, zeros


def check_range(
    data: Reader, hashes: Reader, layout: Layout, first: int, last: int, limit: int = MAX_LISTED
) -> RangeCheck:
    """Compare hash blocks `first` to `last` (excluded) of level 0 with the data below; raises what a Reader raises."""
    return _RangeChecker(data, hashes, layout, limit).run(first, last)


class _RangeChecker:
    def __init__(self, data: Reader, hashes: Reader, layout: Layout, limit: int) -> None:
        self.data, self.hashes, self.layout, self.limit = data, hashes, layout, limit
        self.digester = Digester(layout)
        self.zero = bytes(layout.parameters.data_block_size)
        self.zero_digest = self.digester.digest(self.zero)
        self.gap = bytes(layout.slot_size - layout.digest_size)
        self.differences: list[Difference] = []
        self.listed = self.zero_blocks = 0
        self.stop: tuple[_Order, int, str] | None = None

    def run(self, first: int, last: int) -> RangeCheck:
        per_block, blocks = self.layout.per_block, self.layout.parameters.data_blocks
        size = self.layout.parameters.data_block_size
        if last * per_block <= blocks and not any(
            stored_extents(self.data, first * per_block * size, last * per_block * size)
        ):
            return self._run_hole(first, last)
        together = max(1, PIECE_BYTES // (per_block * self.layout.parameters.data_block_size))
        rebuilt: list[bytes] = []
        for begin in range(first, last, together):
            end = min(begin + together, last)
            digests = self._digests(begin * per_block, min(end * per_block, blocks))
            for number in range(begin, end):
                start = (number - begin) * per_block
                rebuilt.append(self._compare(number, digests[start : start + per_block]))
        return RangeCheck(first, last, b"".join(rebuilt), tuple(self.differences), self.zero_blocks, self.stop)

    def _run_hole(self, first: int, last: int) -> RangeCheck:
        """Whole hash blocks over a hole of a sparse device: zeros need not be read, and one digest serves for all."""
        per_block, size = self.layout.per_block, self.layout.parameters.hash_block_size
        end = last * per_block * self.layout.parameters.data_block_size
        self.data.read(end - 1, 1)  # what a file that has become shorter lacks is no hole
        digests = [self.zero_digest] * per_block
        built = (self.gap.join(digests) + self.gap).ljust(size, b"\0")
        for number in range(first, last):
            stored = self.hashes.read(self.layout.offset_of(0, number), size)
            if stored != built:
                self.differences.append(self._difference(number, digests, bytes(stored)))
        self.zero_blocks = (last - first) * per_block
        rebuilt = self.digester.digest(built) * (last - first)
        return RangeCheck(first, last, rebuilt, tuple(self.differences), self.zero_blocks, self.stop)

    def _digests(self, begin: int, end: int) -> list[bytes]:
        size = self.layout.parameters.data_block_size
        step = max(1, PIECE_BYTES // size)
        every: list[bytes] = []
        for block in range(begin, end, step):
            start, stop = block * size, min(block + step, end) * size
            if next(iter(stored_extents(self.data, start, stop)), None) is None:  # a hole of a sparse file
                self.data.read(stop - 1, 1)  # what a file that has become shorter lacks is no hole
                digests, zeros = [self.zero_digest] * ((stop - start) // size), (stop - start) // size
            else:
                piece = self.data.read(start, stop - start)
                digests, zeros = self.digester.digests(piece, size, self.zero, self.zero_digest)
            self.zero_blocks += zeros
            every += digests
        return every

    def _compare(self, number: int, digests: list[bytes]) -> bytes:
        """The digest of hash block `number` as the data has it; notes every way in which the stored one differs."""
        size = self.layout.parameters.hash_block_size
        built = (self.gap.join(digests) + self.gap).ljust(size, b"\0")
        stored = bytes(self.hashes.read(self.layout.offset_of(0, number), size))
        if stored != built:
            self.differences.append(self._difference(number, digests, stored))
        return self.digester.digest(built)

    def _difference(self, number: int, digests: list[bytes], stored: bytes) -> Difference:
        size, block_size = self.layout.digest_size, self.layout.parameters.data_block_size
        first = number * self.layout.per_block
        mismatches: list[LeafMismatch] = []
        total = hidden = 0
        for index, digest in enumerate(digests):
            expected = stored[index * self.layout.slot_size :][:size]
            if expected == digest:
                continue
            total += 1
            hidden += expected == self.zero_digest
            if self.listed < self.limit:
                self.listed += 1
                mismatches.append(LeafMismatch(first + index, expected, digest, expected == self.zero_digest))
            self._stop_at((first + index, 0), (first + index) * block_size, "data")
        spoiled = first_spoiled_byte(self.layout, stored, len(digests))
        if spoiled is not None:
            index, after_all, byte = spoiled
            self._stop_at((first + index, 2 if after_all else 1), self.layout.offset_of(0, number) + byte, "hash")
        return Difference(
            number,
            self.digester.digest(stored),
            tuple(mismatches),
            total,
            hidden,
            None if spoiled is None else spoiled[2],
        )

    def _stop_at(self, order: _Order, position: int, device: str) -> None:
        if self.stop is None or order < self.stop[0]:
            self.stop = (order, position, device)


def first_spoiled_byte(layout: Layout, block: bytes, digests: int) -> tuple[int, bool, int] | None:
    """Where a hash block has bytes other than zero beside its `digests`: (slot, after all of them, start of that gap).

    The start is what veritysetup prints, the first byte that should be zero and not the first that is not.
    """
    slot, size = layout.slot_size, layout.digest_size
    if slot > size:
        for index in range(digests):
            if any(block[index * slot + size : (index + 1) * slot]):
                return index, False, index * slot + size
    if any(block[digests * slot :]):
        return digests - 1, True, digests * slot
    return None


def rebuild(layout: Layout, children: bytes) -> Iterator[bytes]:
    """The hash blocks that hold the given joined digests, in order."""
    size, slot = layout.digest_size, layout.slot_size
    gap = bytes(slot - size)
    step = layout.per_block * size
    for start in range(0, len(children), step):
        part = children[start : start + step]
        digests = [part[place : place + size] for place in range(0, len(part), size)]
        yield (gap.join(digests) + gap).ljust(layout.parameters.hash_block_size, b"\0")
