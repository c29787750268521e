"""LZ4 frames to a sparse file: independent blocks in several processes, linked ones one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import lz4.block
import xxhash

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.containers.lz4_frame import Lz4Block, Lz4Frame, index_until_damage
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Problem
from rocketaudit.model.reader import Reader
from rocketaudit.source.processes import share
from rocketaudit.source.raw import RawFile
from rocketaudit.source.sparse import SparseFile

_SHARE_FROM = 128 << 20
_WINDOW = 64 << 10
_ZEROS = bytes(1 << 20)


def expand_lz4(reader: Reader, out: SparseFile, budget: Budget, *, workers: int) -> int:
    """Expand every frame; the size of the whole. FormatError for damage, when all before it is expanded;
    BudgetError for a bomb.

    What frames state of their content as a whole is left in `out.stated`, to be compared while other work is done.
    """
    start = 0
    frames, damage = index_until_damage(reader, budget)
    for frame in frames:
        size = _expand_frame(reader, frame, out, start, workers)
        if frame.checksum is not None:
            out.stated.append((start, start + size, frame.checksum))
        start += size
    if damage is not None:
        raise damage
    out.finish(start)
    return start


def _expand_frame(reader: Reader, frame: Lz4Frame, out: SparseFile, start: int, workers: int) -> int:
    if frame.is_independent:
        try:
            return _expand_blocks(reader, frame, out, start, workers)
        except BudgetError:
            raise
        except FormatError:
            out.cut(start)  # a short block inside, or damage: one after the other tells which
    return _expand_in_order(reader, frame, out, start)


def _expand_blocks(reader: Reader, frame: Lz4Frame, out: SparseFile, start: int, workers: int) -> int:
    if not frame.blocks:
        return 0
    *full, last = frame.blocks
    tail = _decode(reader, last)
    size = len(full) * frame.block_size + len(tail)
    if frame.content_size not in (None, size):
        raise FormatError(f"{size} bytes would come out, {frame.content_size} are stated", offset=frame.start)
    zeros = _zero_forms(frame.block_size)
    jobs = [
        (start + index * frame.block_size, block)
        for index, block in enumerate(full)
        if not _is_zero_block(reader, block, zeros)
    ]
    out.need(len(jobs) * frame.block_size + len(tail))
    out.count(len(jobs) * frame.block_size + len(tail))
    sharers = min(workers, 4) if len(jobs) * frame.block_size >= _SHARE_FROM else 1
    share(jobs, lambda mine: _run(reader, mine, out), sharers)
    out.put(start + len(full) * frame.block_size, tail)
    return size


def compare_content(
    disk: RawFile, stated: Sequence[tuple[int, int, int]], check_time: Callable[[], None]
) -> tuple[Problem, ...]:
    """A problem for each frame whose content, as it was expanded, is not what the frame's checksum says."""
    problems = []
    for start, end, expected in stated:
        digest = xxhash.xxh32()
        at = start
        for begin, finish in (*disk.stored_extents(start, end), (end, end)):
            for zeros in _steps(at, begin):
                digest.update(_ZEROS[: zeros.stop - zeros.start])
            for piece in _steps(begin, finish):
                check_time()
                digest.update(disk.read(piece.start, piece.stop - piece.start))
            at = finish
        if digest.intdigest() != expected:
            what = f"{end - start} bytes came out of an LZ4 frame with checksum {digest.hexdigest()}, it states"
            what += f" {expected:08x}: the packed image is not what its packer read"
            problems.append(Problem(what, in_doubt=True))
    return tuple(problems)


def _steps(start: int, end: int) -> Iterator[range]:
    return (range(at, min(at + len(_ZEROS), end)) for at in range(start, end, len(_ZEROS)))


def _run(reader: Reader, jobs: Sequence[tuple[int, Lz4Block]], out: SparseFile) -> None:
    for place, block in jobs:
        data = _decode(reader, block)
        if len(data) != block.room:
            raise FormatError("a block inside the frame is not full", offset=block.offset)
        out.put(place, data)


def _decode(reader: Reader, block: Lz4Block, before: bytes = b"") -> bytes:
    stored = reader.read(block.offset, block.stored)
    if block.checksum is not None and xxhash.xxh32_intdigest(stored) != block.checksum:
        raise FormatError("an LZ4 block does not match its checksum", offset=block.offset)
    if block.is_raw:
        return bytes(stored)
    try:
        data: bytes = lz4.block.decompress(stored, uncompressed_size=block.room, dict=before)
    except lz4.block.LZ4BlockError as error:
        raise FormatError(f"LZ4 block does not decode: {error}", offset=block.offset) from error
    return data


@lru_cache(maxsize=4)
def _zero_forms(block_size: int) -> frozenset[bytes]:
    """What a block of zeros is stored as by lz4's fast and high compression modes."""
    zeros = bytes(block_size)
    return frozenset(
        lz4.block.compress(zeros, mode=mode, compression=level, store_size=False)
        for mode, level in (("default", 0), ("high_compression", 9))
    )


def _is_zero_block(reader: Reader, block: Lz4Block, zeros: frozenset[bytes]) -> bool:
    if block.is_raw or all(len(form) != block.stored for form in zeros):
        return False
    return bytes(reader.read(block.offset, block.stored)) in zeros


def _expand_in_order(reader: Reader, frame: Lz4Frame, out: SparseFile, start: int) -> int:
    """Linked blocks need the 64 KiB before them, and where short ones end is known only when they are decoded."""
    out.end = start
    window = data = b""
    known: tuple[object, ...] | None = None  # what the last block was made from: runs of zeros repeat it
    for block in frame.blocks:
        made_from = bytes(reader.read(block.offset, block.stored)), block.checksum, window
        if made_from != known or block.is_raw:
            data = _decode(reader, block, b"" if frame.is_independent else window)
            known = None if block.is_raw else made_from
        out.append(data)
        window = (window + data)[-_WINDOW:] if len(data) < _WINDOW else data[-_WINDOW:]
    size = out.end - start
    if frame.content_size not in (None, size):
        raise FormatError(f"{size} bytes came out, {frame.content_size} are stated", offset=frame.start)
    return size
