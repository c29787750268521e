"""One squashfs block, decompressed to at most so many bytes, or FormatError."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable

import lz4.block
import zstandard

from rocketaudit.errors import FormatError
from rocketaudit.formats.squashfs.superblock import Compression

_XZ_MEMORY = 64 << 20

Decompressor = Callable[[bytes | memoryview, int], bytes]


def decompressor(compression: Compression) -> Decompressor:
    """A function from (stored bytes, limit) to at most `limit` bytes; more, or damage, is a FormatError."""
    match compression:
        case Compression.GZIP:
            return _gzip
        case Compression.XZ:
            return _xz
        case Compression.LZ4:
            return _lz4
        case Compression.ZSTD:
            return _zstd
        case Compression.LZMA | Compression.LZO:
            raise ValueError(f"{compression.name} is refused when the superblock is read")


def _gzip(stored: bytes | memoryview, limit: int) -> bytes:
    decoder = zlib.decompressobj()
    try:
        decoded = decoder.decompress(stored, limit + 1)
    except zlib.error as error:
        raise FormatError(f"squashfs gzip data is damaged: {error}") from None
    return _checked(decoded, limit, "gzip", is_complete=decoder.eof)


def _xz(stored: bytes | memoryview, limit: int) -> bytes:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        decoded = decoder.decompress(stored, limit + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise FormatError(f"squashfs xz data is damaged: {error}") from None
    return _checked(decoded, limit, "xz", is_complete=decoder.eof)


def _lz4(stored: bytes | memoryview, limit: int) -> bytes:
    try:
        return bytes(lz4.block.decompress(stored, uncompressed_size=limit))
    except lz4.block.LZ4BlockError as error:
        raise FormatError(f"squashfs lz4 data is damaged: {error}") from None


def _zstd(stored: bytes | memoryview, limit: int) -> bytes:
    """The size in the frame is checked first, because the binding allocates it unasked."""
    try:
        claimed = zstandard.frame_content_size(stored)
        if claimed > limit:
            raise FormatError(f"squashfs zstd data claims {claimed} bytes, {limit} fit")
        decoded = zstandard.ZstdDecompressor().decompress(stored, max_output_size=limit)
    except zstandard.ZstdError as error:
        raise FormatError(f"squashfs zstd data is damaged: {error}") from None
    return _checked(decoded, limit, "zstd", is_complete=True)


def _checked(decoded: bytes, limit: int, name: str, *, is_complete: bool) -> bytes:
    if len(decoded) > limit or not is_complete:
        raise FormatError(f"squashfs {name} data does not end within {limit} bytes")
    return decoded
