"""Zstandard frames (RFC 8878) walked block by block without decoding: whether they are whole, and what they need."""

from __future__ import annotations

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

_MAGIC = 0xFD2FB528
MAX_FRAMES = 1 << 14
MAX_WINDOW = 128 << 20  # what `zstd -d` takes without --long


@dataclass(frozen=True, slots=True)
class ZstdFrame:
    """One frame at `start`; `window` bytes are needed to decode it, `content_size` only if it is stated."""

    start: int
    end: int
    window: int
    content_size: int | None


def walk_frames(reader: Reader, budget: Budget) -> tuple[ZstdFrame, ...]:
    """All frames of a file, skippable ones left out; TruncatedError when the last one is cut off."""
    frames, damage = walk_until_damage(reader, budget)
    if damage is not None:
        raise damage
    return frames


def walk_until_damage(reader: Reader, budget: Budget) -> tuple[tuple[ZstdFrame, ...], FormatError | None]:
    """The frames up to the first damage, the last one as if it went to the end of the file, and what is wrong."""
    frames: list[ZstdFrame] = []
    try:
        _walk_all(reader, budget, frames)
    except (BudgetError, UnsupportedError):
        raise
    except FormatError as damage:
        return tuple(frames), damage
    return tuple(frames), None


def _walk_all(reader: Reader, budget: Budget, frames: list[ZstdFrame]) -> None:
    at = 0
    while at < reader.size:
        budget.enter()
        magic = _number(reader, at, 4)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            at += 8 + _number(reader, at + 4, 4)
        elif magic == _MAGIC:
            at = _walk(reader, at, budget, frames)
            if len(frames) > MAX_FRAMES:
                raise BudgetError(f"more than {MAX_FRAMES} Zstandard frames", offset=at)
        else:
            raise FormatError("no Zstandard frame where one should start", offset=at)
    if at > reader.size:
        raise TruncatedError("a skippable frame lies beyond the end", offset=reader.size)


def _walk(reader: Reader, start: int, budget: Budget, frames: list[ZstdFrame]) -> int:
    descriptor = _number(reader, start + 4, 1)
    if descriptor & 0x08:
        raise FormatError("a reserved bit of the Zstandard frame header is set", offset=start + 4)
    is_single = bool(descriptor & 0x20)
    if descriptor & 3:
        raise UnsupportedError("the Zstandard frame needs a dictionary", offset=start + 4)
    at = start + 5
    window = 0
    if not is_single:
        code = _number(reader, at, 1)
        base = 1 << (10 + (code >> 3))
        window = base + (base >> 3) * (code & 7)
        at += 1
    length = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    size = _number(reader, at, length) + (256 if length == 2 else 0) if length else None
    at += length
    if is_single:
        window = size or 0
    if window > MAX_WINDOW:
        raise UnsupportedError(f"the Zstandard frame needs a window of {window} bytes", offset=start + 5)
    try:
        end = _walk_blocks(reader, at, budget) + (4 if descriptor & 0x04 else 0)
        if end > reader.size:
            raise TruncatedError("the Zstandard frame ends before its checksum", offset=reader.size)
    except FormatError:
        frames.append(ZstdFrame(start, reader.size, window, None))
        raise
    frames.append(ZstdFrame(start, end, window, size))
    return end


def _walk_blocks(reader: Reader, at: int, budget: Budget) -> int:
    blocks = 0
    while True:
        header = _number(reader, at, 3)
        kind, stored = header >> 1 & 3, header >> 3
        if kind == 3:
            raise FormatError("a Zstandard block of a reserved type", offset=at)
        at += 3 + (1 if kind == 1 else stored)
        if at > reader.size:
            raise TruncatedError("the Zstandard frame ends inside a block", offset=reader.size)
        blocks += 1
        if blocks & 4095 == 0:
            budget.check_time()
        if header & 1:
            return at


def _number(reader: Reader, at: int, length: int) -> int:
    if at + length > reader.size:
        raise TruncatedError("the Zstandard frame ends too early", offset=at)
    return int.from_bytes(reader.read(at, length), "little")
