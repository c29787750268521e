"""Zstandard frames (RFC 8878) walked block by block without decoding: whether they are whole, and what they need."""

from __future__ import annotations

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
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
    frames: list[ZstdFrame] = []
    at = 0
    while at < reader.size:
        budget.enter()
        magic = _number(reader, at, 4)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            at += 8 + _number(reader, at + 4, 4)
        elif magic == _MAGIC:
            frames.append(_walk(reader, at, budget))
            if len(frames) > MAX_FRAMES:
                raise FormatError(f"more than {MAX_FRAMES} Zstandard frames", offset=at)
            at = frames[-1].end
        else:
            raise FormatError("no Zstandard frame where one should start", offset=at)
    if at > reader.size:
        raise TruncatedError("a skippable frame lies beyond the end", offset=reader.size)
    return tuple(frames)


def _walk(reader: Reader, start: int, budget: Budget) -> ZstdFrame:
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
            break
    at += 4 if descriptor & 0x04 else 0
    if at > reader.size:
        raise TruncatedError("the Zstandard frame ends before its checksum", offset=reader.size)
    return ZstdFrame(start, at, window, size)


def _number(reader: Reader, at: int, length: int) -> int:
    if at + length > reader.size:
        raise TruncatedError("the Zstandard frame ends too early", offset=at)
    return int.from_bytes(reader.read(at, length), "little")
