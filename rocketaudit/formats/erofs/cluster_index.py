"""The index of a compressed EROFS file, entry by entry: full (8 bytes each) or compact (2 or 4, packed).

A file is cut into lclusters of equal size. The entry of an lcluster says whether an extent starts in it (a
head: the byte where, and the block that holds the data) or how far back the head is (zmap.c of Linux).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.inode import Inode
from rocketaudit.formats.erofs.map_header import ADVISE_BIG_1, ADVISE_COMPACT_2B, Header
from rocketaudit.formats.erofs.volume import Volume

HEAD_1, NONHEAD, HEAD_2 = 1, 2, 3  # 0 is a head of bytes that are not compressed

_FULL_ENTRY = struct.Struct("<HHI")
_COUNT_FLAG = 0x800  # the entry behind a head holds the number of its blocks instead of a distance
_PARTIAL = 0x8000
_BATCH = 4096
_PACK_OF_2 = struct.Struct("<II")
_PACK_OF_16 = struct.Struct("<28sI")
_LARGE_PACK = 16
_BITS = {2: 16, _LARGE_PACK: 14}  # of one entry
# a pack of 16 whose first 15 entries lead back to one head: distances that grow by one, 14 bits each
_ONES = sum(1 << 14 * entry for entry in range(_LARGE_PACK - 1))
_DISTANCES = sum((NONHEAD << 12 | entry) << 14 * entry for entry in range(_LARGE_PACK - 1))
_LAST = 14 * (_LARGE_PACK - 1)
_ALL_BUT_LAST = (1 << _LAST) - 1


class Head(NamedTuple):
    """An extent starts at byte `offset` of lcluster `number`; `blocks` is 0 where the index does not say."""

    number: int
    type: int
    offset: int
    block: int
    partial: bool
    blocks: int = 0


def full_heads(volume: Volume, inode: Inode, header: Header, count: int) -> Iterator[Head]:
    """The heads of a full index of `count` entries."""
    space = volume.space(boxed=inode.boxed)
    table = header.at + 16
    if table + 8 * count > space.size:
        raise FormatError(f"EROFS inode {inode.nid}: index of {count} entries does not fit", offset=table)
    pending: Head | None = None
    for first in range(0, count, _BATCH):
        volume.budget.check_time()
        rows = space.read(table + 8 * first, 8 * min(_BATCH, count - first))
        for number, (advise, offset, value) in enumerate(_FULL_ENTRY.iter_unpack(rows), first):
            if advise & 3 != NONHEAD:
                if pending:
                    yield pending
                pending = Head(number, advise & 3, offset, value, bool(advise & _PARTIAL))
            elif value & _COUNT_FLAG:
                pending = _with_blocks(inode, pending, number, value & _COUNT_FLAG - 1)
            elif pending is None or not 0 < value & 0xFFFF <= number - pending.number:
                raise _bad_distance(inode, number, value & 0xFFFF)
    if pending:
        yield pending


def full_index_end(header: Header, count: int) -> int:
    """The first byte behind a full index: 8 unused bytes follow the header, then come the entries."""
    return header.at + 16 + 8 * count


class Geometry(NamedTuple):
    """Where the packs of a compact index lie: (offset, first lcluster, end lcluster, pack bytes, entries)."""

    runs: tuple[tuple[int, int, int, int, int], ...]
    end: int


def compact_geometry(volume: Volume, inode: Inode, header: Header, count: int) -> Geometry:
    """Entries of 4 bytes up to a multiple of 32 bytes, then of 2 bytes in packs of 16, then of 4 again."""
    start = header.at + 8
    blocks = inode.size + volume.superblock.block_size - 1 >> volume.superblock.block_bits
    leading = -(start // 4) & 7
    small = (blocks - leading) // 16 * 16 if header.advise & ADVISE_COMPACT_2B and leading < blocks else 0
    if header.lcluster_bits > (12 if small else 14):
        raise FormatError(
            f"EROFS inode {inode.nid}: compact index of lclusters of 2^{header.lcluster_bits} bytes",
            offset=header.at,
        )
    first = min(leading, count)
    last = min(first + small, count)
    small_at = start + 4 * (first + 1 & ~1)
    tail_at = small_at + 2 * (last - first)
    end = tail_at + 4 * (count - last + 1 & ~1)
    if end > volume.space(boxed=inode.boxed).size:
        raise FormatError(f"EROFS inode {inode.nid}: index of {count} entries does not fit", offset=start)
    runs = ((start, 0, first, 8, 2), (small_at, first, last, 32, 16), (tail_at, last, count, 8, 2))
    return Geometry(runs, end)


def compact_heads(volume: Volume, inode: Inode, header: Header, geometry: Geometry) -> Iterator[Head]:
    """The heads of a compact index; a pack is a bit string and the block from which its heads count."""
    low_bits = max(header.lcluster_bits, 12)
    mask = (1 << low_bits) - 1
    is_big = header.advise & ADVISE_BIG_1
    pending: Head | None = None
    head_at = 1 << 62  # no distance leads back to a head that was not seen
    seen = [head_at]
    for number, last, entries, word, block in _packs(volume, inode, geometry, low_bits, seen):
        width = _BITS[entries]
        block += 0 if is_big else 1
        for here in range(number, min(number + entries, last)):
            low = word & mask
            kind = word >> low_bits & 3
            word >>= width
            if kind != NONHEAD:
                if pending:
                    yield pending
                pending = Head(here, kind, low, block, False)
                seen[0] = head_at = here
                block += 1
            elif low & _COUNT_FLAG and is_big:
                pending = _with_blocks(inode, pending, here, low & _COUNT_FLAG - 1)
                # its head has counted one of these blocks already, unless that is in the pack before
                block += pending.blocks - (here > number)
            elif not 0 < low <= here - head_at and here + 1 < number + entries:
                # (the last entry of a pack tells the distance ahead instead)
                raise _bad_distance(inode, here, low)
    if pending:
        yield pending


def _packs(
    volume: Volume, inode: Inode, geometry: Geometry, low_bits: int, seen: list[int]
) -> Iterator[tuple[int, int, int, int, int]]:
    """(first lcluster, end of the run, entries, their bits, block) of every pack that has a head, or is wrong.

    Most packs only say that the extent whose head was `seen` last goes on. They are told by all of their bits but those
    of the distance ahead, here and not by a function, since there are thousands.
    """
    space = volume.space(boxed=inode.boxed)
    goes_on, flags = NONHEAD << low_bits, (3 << low_bits | _COUNT_FLAG) << 16
    for at, first, last, size, entries in geometry.runs:
        for begin in range(first, last, entries * _BATCH):
            volume.budget.check_time()
            count = min(_BATCH, (last - begin + entries - 1) // entries)
            rows = space.read(at + (begin - first) // entries * size, count * size)
            numbers, whole = range(begin, last, entries), last - entries
            if entries == _LARGE_PACK:
                for number, (bits, block) in zip(numbers, _PACK_OF_16.iter_unpack(rows), strict=False):
                    word = int.from_bytes(bits, "little")
                    distance = number - seen[0]
                    if (
                        word & _ALL_BUT_LAST == _DISTANCES + distance * _ONES
                        and word >> _LAST & (3 << 12 | _COUNT_FLAG) == NONHEAD << 12
                        and 0 < distance < _COUNT_FLAG - _LARGE_PACK
                        and number <= whole
                    ):
                        continue
                    yield number, last, entries, word, block
            else:
                for number, (word, block) in zip(numbers, _PACK_OF_2.iter_unpack(rows), strict=False):
                    distance = number - seen[0]
                    if (
                        word & 0xFFFF == goes_on | distance
                        and word & flags == goes_on << 16
                        and 0 < distance < _COUNT_FLAG
                        and number <= whole
                    ):
                        continue
                    yield number, last, entries, word, block


def _with_blocks(inode: Inode, head: Head | None, number: int, blocks: int) -> Head:
    if head is None or head.number + 1 != number or not blocks:
        raise FormatError(
            f"EROFS inode {inode.nid}: lcluster {number} counts {blocks} blocks of no extent", offset=inode.body
        )
    return Head(
        head.number, head.type, head.offset, head.block, head.partial, blocks
    )  # _replace takes five times as long


def _bad_distance(inode: Inode, number: int, distance: int) -> FormatError:
    """A distance past the head would show the kernel another extent than the one read here."""
    return FormatError(f"EROFS inode {inode.nid}: lcluster {number} points {distance} back", offset=inode.body)
