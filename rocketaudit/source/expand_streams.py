"""gzip, xz and Zstandard streams to a sparse file, in bounded pieces: a bomb meets the budget, never memory."""

from __future__ import annotations

import io
import lzma
import zlib
from typing import IO, cast

import zstandard

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.zstd_frame import MAX_WINDOW, walk_until_damage
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.source.sparse import SparseFile

_IN = 256 << 10
_OUT = 4 << 20
_XZ_MEMORY = 128 << 20
MAX_MEMBERS = 1 << 15
MAX_STREAMS = 1 << 12


def expand_gzip(reader: Reader, out: SparseFile) -> int:
    """All members of a gzip file; the size of what came out."""
    at, held = 0, b""  # `held` was read but belongs to what comes next
    for number in range(MAX_MEMBERS + 1):
        if number == MAX_MEMBERS:
            raise BudgetError(f"more than {MAX_MEMBERS} gzip members", offset=at)
        at, held = _gzip_member(reader, at, held, out)
        start = at - len(held)
        if start >= reader.size:
            break
        if not _starts(reader, start, b"\x1f\x8b"):
            _say_about_rest(reader, start, "gzip", out)
            break
    out.finish(out.end)
    return out.end


def _gzip_member(reader: Reader, at: int, held: bytes, out: SparseFile) -> tuple[int, bytes]:
    decoder = zlib.decompressobj(wbits=31)
    while not decoder.eof:
        data, held = held, b""
        if not data:
            data = bytes(reader.read(at, min(_IN, reader.size - at)))
            at += len(data)
        if not data:
            raise TruncatedError("the gzip stream ends too early", offset=at)
        try:
            while data and not decoder.eof:
                out.append(decoder.decompress(data, _OUT))
                data = decoder.unconsumed_tail
        except zlib.error as error:
            raise FormatError(f"gzip stream does not decode: {error}", offset=at) from error
    return at, decoder.unused_data


def expand_xz(reader: Reader, out: SparseFile) -> int:
    """All streams of an xz file, with at most 128 MiB of memory; the size of what came out."""
    at, streams = 0, 0
    while at < reader.size:
        streams += 1
        if streams > MAX_STREAMS:
            raise BudgetError(f"more than {MAX_STREAMS} xz streams", offset=at)
        if at and not _starts(reader, at, b"\xfd7zXZ\0"):
            _say_about_rest(reader, at, "xz", out)
            break
        at = _xz_stream(reader, at, out)
    out.finish(out.end)
    return out.end


def _xz_stream(reader: Reader, at: int, out: SparseFile) -> int:
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    while not decoder.eof:
        data = b""
        if decoder.needs_input:
            data = bytes(reader.read(at, min(_IN, reader.size - at)))
            if not data:
                raise TruncatedError("the xz stream ends too early", offset=at)
            at += len(data)
        try:
            out.append(decoder.decompress(data, _OUT))
        except lzma.LZMAError as error:
            if "memory" in str(error).lower():
                raise UnsupportedError(f"the xz stream needs more than {_XZ_MEMORY >> 20} MiB of memory") from error
            raise FormatError(f"xz stream does not decode: {error}", offset=at) from error
    at -= len(decoder.unused_data)
    while at < reader.size and at % 4 == 0 and _starts(reader, at, bytes(4)):
        at += 4  # stream padding
    return at


def expand_zstd(reader: Reader, out: SparseFile, budget: Budget) -> int:
    """All frames of a Zstandard file; the size of what came out. FormatError for damage, when all before it is out."""
    frames, damage = walk_until_damage(reader, budget)
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    for frame in frames:
        before = out.end
        source = _Stream(reader, frame.start, frame.end)
        decoded = cast(IO[bytes], source)
        try:
            with decoder.stream_reader(decoded, read_size=_IN, read_across_frames=False) as stream:
                while piece := stream.read(_OUT):
                    out.append(piece)
        except zstandard.ZstdError as error:
            raise FormatError(f"Zstandard frame does not decode: {error}", offset=source.at) from error
        if frame.content_size is not None and out.end - before != frame.content_size:
            found = out.end - before
            raise FormatError(f"{found} bytes came out, {frame.content_size} are stated", offset=frame.start)
    if damage is not None:
        raise damage
    out.finish(out.end)
    return out.end


class _Stream(io.RawIOBase):
    """What zstandard reads from: bytes of a Reader between two offsets."""

    def __init__(self, reader: Reader, start: int, end: int) -> None:
        super().__init__()
        self._reader = reader
        self._end = end
        self.at = start

    def read(self, length: int = -1) -> bytes:
        rest = self._end - self.at
        count = rest if length < 0 else min(length, rest)
        data = bytes(self._reader.read(self.at, count))
        self.at += count
        return data


def _starts(reader: Reader, at: int, magic: bytes) -> bool:
    return at + len(magic) <= reader.size and bytes(reader.read(at, len(magic))) == magic


def _say_about_rest(reader: Reader, at: int, name: str, out: SparseFile) -> None:
    """Zeros are padding; anything else is ignored by the tools too, but said."""
    rest = bytes(reader.read(at, min(_IN, reader.size - at)))
    if rest != bytes(len(rest)):
        out.problems.append(f"{reader.size - at} bytes after the {name} stream (from byte {at}) are ignored")
