"""LZ4 frames (lz4_Frame_format.md 1.6.4) as an index of their blocks, so that each can be decoded on its own."""

from __future__ import annotations

import struct

import xxhash

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAX_BLOCKS = 1 << 19
MAX_FRAMES = 1 << 14
_MAGIC = 0x184D2204
_WORD = struct.Struct("<I")
_BLOCK_SIZES = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}
_INDEPENDENT, _BLOCK_SUMS, _HAS_SIZE, _CONTENT_SUM, _DICTIONARY = 0x20, 0x10, 0x08, 0x04, 0x01


@dataclass(frozen=True, slots=True)
class Lz4Block:
    """`stored` bytes at `offset` decode to at most `room` bytes; `is_raw`: they are the bytes themselves.

    `checksum` is what the frame states of the stored bytes (XXH32), None where it states none.
    """

    offset: int
    stored: int
    room: int
    is_raw: bool
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class Lz4Frame:
    """One frame; all its blocks but the last usually fill `block_size`.

    `content_size` and `checksum` (XXH32 of all that comes out) only if they are stated.
    """

    start: int
    block_size: int
    is_independent: bool
    content_size: int | None
    blocks: tuple[Lz4Block, ...]
    checksum: int | None = None


def index_frames(reader: Reader, budget: Budget) -> tuple[Lz4Frame, ...]:
    """All frames of a file, skippable ones left out; bytes after the last frame are an error."""
    frames, damage = index_until_damage(reader, budget)
    if damage is not None:
        raise damage
    return frames


def index_until_damage(reader: Reader, budget: Budget) -> tuple[tuple[Lz4Frame, ...], FormatError | None]:
    """The frames before the first damage, the last one with its blocks before it, and what is wrong there."""
    frames: list[Lz4Frame] = []
    try:
        _index(reader, budget, frames)
    except (BudgetError, UnsupportedError):
        raise
    except FormatError as damage:
        return tuple(frames), damage
    return tuple(frames), None


def _index(reader: Reader, budget: Budget, frames: list[Lz4Frame]) -> None:
    at = 0
    while at < reader.size:
        (magic,) = _WORD.unpack(_take(reader, at, 4))
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            budget.enter()
            at += 8 + int(_WORD.unpack(_take(reader, at + 4, 4))[0])
        elif magic == _MAGIC:
            at = _index_frame(reader, at, budget, frames)
            if len(frames) > MAX_FRAMES:
                raise BudgetError(f"more than {MAX_FRAMES} LZ4 frames", offset=at)
        else:
            raise FormatError("no LZ4 frame where one should start", offset=at)
    if not frames:
        raise FormatError("no LZ4 frame", offset=0)


def _header(reader: Reader, start: int) -> tuple[int, int, int | None, int]:
    """(flags, block size, content size if it is stated, offset of the first block) of the frame at `start`."""
    flags, size_code = _take(reader, start + 4, 2)
    if flags >> 6 != 1 or flags & 0x02 or size_code & 0x8F:
        raise FormatError(f"LZ4 frame flags {flags:#04x} {size_code:#04x} are not of version 1", offset=start + 4)
    if flags & _DICTIONARY:
        raise UnsupportedError("LZ4 frame needs a dictionary", offset=start + 4)
    block_size = _BLOCK_SIZES.get(size_code >> 4)
    if block_size is None:
        raise FormatError(f"LZ4 block size code {size_code >> 4}", offset=start + 5)
    at, content_size = start + 6, None
    if flags & _HAS_SIZE:
        content_size = int.from_bytes(_take(reader, at, 8), "little")
        at += 8
    described = _take(reader, start + 4, at - start - 4)
    if _take(reader, at, 1)[0] != xxhash.xxh32_intdigest(described) >> 8 & 0xFF:
        raise FormatError("the LZ4 frame's header does not match its checksum", offset=at)
    return flags, block_size, content_size, at + 1


def _index_frame(reader: Reader, start: int, budget: Budget, frames: list[Lz4Frame]) -> int:
    """Add the frame at `start`, one that is cut off with the blocks it has; the offset behind it."""
    flags, block_size, content_size, at = _header(reader, start)
    blocks: list[Lz4Block] = []
    is_independent = bool(flags & _INDEPENDENT)
    try:
        at = _index_blocks(reader, at, block_size, budget, blocks, has_sums=bool(flags & _BLOCK_SUMS))
        total = int(_WORD.unpack(_take(reader, at, 4))[0]) if flags & _CONTENT_SUM else None
    except FormatError:
        frames.append(Lz4Frame(start, block_size, is_independent, None, tuple(blocks)))
        raise
    frames.append(Lz4Frame(start, block_size, is_independent, content_size, tuple(blocks), total))
    return at + (4 if flags & _CONTENT_SUM else 0)


def _index_blocks(
    reader: Reader, at: int, block_size: int, budget: Budget, blocks: list[Lz4Block], *, has_sums: bool
) -> int:
    while True:
        (word,) = _WORD.unpack(_take(reader, at, 4))
        at += 4
        if not word:
            return at
        stored = word & 0x7FFFFFFF
        if not stored or stored > block_size:
            raise FormatError(f"LZ4 block of {stored} bytes, at most {block_size} fit", offset=at - 4)
        if at + stored > reader.size:
            raise TruncatedError("the LZ4 frame ends inside a block", offset=at)
        if len(blocks) >= MAX_BLOCKS:
            raise BudgetError(f"more than {MAX_BLOCKS} LZ4 blocks in a frame", offset=at)
        if len(blocks) & 1023 == 0:
            budget.check_time()
        checksum = int(_WORD.unpack(_take(reader, at + stored, 4))[0]) if has_sums else None
        blocks.append(Lz4Block(at, stored, block_size, bool(word >> 31), checksum))
        at += stored + (4 if has_sums else 0)


def _take(reader: Reader, at: int, length: int) -> bytes:
    if at + length > reader.size:
        raise TruncatedError("the LZ4 frame ends too early", offset=at)
    return bytes(reader.read(at, length))
