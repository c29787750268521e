"""From the stored bytes of one EROFS extent to exactly its decoded length, or FormatError."""

from __future__ import annotations

import lzma
import zlib

import lz4.block

from rocketaudit.errors import FormatError
from rocketaudit.formats.erofs.pieces import How

LONGEST_STORED = 1 << 20  # Z_EROFS_PCLUSTER_MAX_SIZE
LONGEST_DECODED = 12 << 20  # Z_EROFS_PCLUSTER_MAX_DSIZE

_LZMA_SMALLEST_DICTIONARY = 4096
_ZSTD_WINDOW = 16 << 20
_LZ4 = How.LZ4  # looking a member up in its enum takes as long as the test
_TRAILING_ZEROS_TRIED = 16
_LONGEST_WALKED = 64 << 10  # volumes without 0padding have no big pclusters


def decode(how: How, stored: bytes | memoryview, length: int, *, partial: bool, padded: bool, block_size: int) -> bytes:
    """`length` bytes from one pcluster.

    `padded`: zeros in the first block come before the data (0padding), else they follow it. `partial`: the
    data decodes to more than `length` bytes, of which only the first are wanted.
    """
    try:
        if padded or how is not _LZ4:
            stored = _skip_padding(stored, block_size)
        if how is _LZ4:
            decoded = _lz4(stored, length, partial=partial) if padded else _lz4_unpadded(stored, length)
        elif how is How.LZMA:
            decoded = _microlzma(stored, length)
        elif how is How.DEFLATE:
            decoded = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, length)
        elif how is How.ZSTD:
            decoded = _zstd(stored, length)
        else:
            raise ValueError(f"{how!r} is not a compression")
    except (lz4.block.LZ4BlockError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise FormatError(f"EROFS {how.name.lower()} data is damaged: {error}") from None
    if len(decoded) != length:
        raise FormatError(f"EROFS {how.name.lower()} data decodes to {len(decoded)} bytes, not {length}")
    return decoded


def _skip_padding(stored: bytes | memoryview, block_size: int) -> bytes | memoryview:
    if stored[0]:
        return stored
    first = bytes(stored[:block_size])
    rest = len(first.lstrip(b"\0"))
    if not rest:
        raise FormatError("EROFS compressed block is all zeros")
    return stored[len(first) - rest :]


def _lz4(stored: bytes | memoryview, length: int, *, partial: bool) -> bytes:
    """The binding cannot stop early, so a partial extent is decoded into ever larger room and cut."""
    room = length
    while True:
        try:
            return bytes(lz4.block.decompress(stored, uncompressed_size=room))[:length]
        except lz4.block.LZ4BlockError:
            if not partial or room >= LONGEST_DECODED:
                raise
            room = min(room * 2, LONGEST_DECODED)


def _lz4_unpadded(stored: bytes | memoryview, length: int) -> bytes:
    """Without 0padding the end of the data is not recorded: zeros follow it, and its last bytes may be zero.

    The last extent before plain data may also decode to more than belongs to it.
    """
    stored = bytes(stored)
    shortest = len(stored.rstrip(b"\0"))
    for end in range(shortest, min(shortest + _TRAILING_ZEROS_TRIED, len(stored)) + 1):
        try:
            decoded = bytes(lz4.block.decompress(stored[:end], uncompressed_size=length))
        except lz4.block.LZ4BlockError:
            continue
        if len(decoded) == length:
            return decoded
    if len(stored) > _LONGEST_WALKED:
        raise FormatError(f"EROFS lz4 data of {len(stored)} bytes without 0padding does not end where it should")
    return _lz4_start(stored, length)


def _lz4_start(stored: bytes, wanted: int) -> bytes:
    """The first `wanted` bytes of an LZ4 block whose end is not known, sequence by sequence (slow)."""
    output = bytearray()
    position = 0
    try:
        while len(output) < wanted:
            token = stored[position]
            literals, position = _lz4_length(stored, position + 1, token >> 4)
            output += stored[position : position + literals]
            position += literals
            if len(output) >= wanted:
                break
            distance = stored[position] | stored[position + 1] << 8
            match, position = _lz4_length(stored, position + 2, token & 15)
            if not 0 < distance <= len(output):
                raise FormatError(f"EROFS lz4 data points {distance} bytes back at byte {len(output)}")
            match = min(match + 4, wanted - len(output))
            start = len(output) - distance
            source = output[start : start + match]
            output += (source * (match // len(source) + 1))[:match]
    except IndexError:
        raise FormatError("EROFS lz4 data ends inside a sequence") from None
    return bytes(output[:wanted])


def _lz4_length(stored: bytes, position: int, length: int) -> tuple[int, int]:
    if length == 15:
        while True:
            more = stored[position]
            position += 1
            length += more
            if more != 255:
                break
    return length, position


def _microlzma(stored: bytes | memoryview, length: int) -> bytes:
    """LZMA1 whose first byte, always zero otherwise, holds the inverted properties (xz's microlzma).

    Distances cannot reach behind the start of the extent, so its length bounds the dictionary.
    """
    properties = ~stored[0] & 0xFF
    literal_context, rest = properties % 9, properties // 9
    if properties >= 225 or literal_context + rest % 5 > 4:
        raise FormatError(f"EROFS lzma properties {properties:#x}")
    decoder = lzma.LZMADecompressor(
        lzma.FORMAT_RAW,
        filters=[
            {
                "id": lzma.FILTER_LZMA1,
                "lc": literal_context,
                "lp": rest % 5,
                "pb": rest // 5,
                "dict_size": max(length, _LZMA_SMALLEST_DICTIONARY),
            }
        ],
    )
    return decoder.decompress(b"\0" + bytes(stored[1:]), length)


def _zstd(stored: bytes | memoryview, length: int) -> bytes:
    """A stream, because one call would decode a bomb to its end."""
    import zstandard  # imported here: few images need it, and --help shall stay fast

    try:
        decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        with decoder.stream_reader(bytes(stored)) as stream:
            return bytes(stream.read(length))
    except zstandard.ZstdError as error:
        raise FormatError(f"EROFS zstd data is damaged: {error}") from None
