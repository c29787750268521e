"""LZ4 frames: the index against the library, and hostile frames."""

from __future__ import annotations

import os

import lz4.block
import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.lz4_frame import index_frames
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader

DATA = b"some text " * 20000 + os.urandom(70000)


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("size", [lz4.frame.BLOCKSIZE_MAX64KB, lz4.frame.BLOCKSIZE_MAX4MB])
def test_blocks_decode_to_the_data(linked: bool, sums: bool, size: int) -> None:
    packed = lz4.frame.compress(
        DATA, block_linked=linked, block_checksum=sums, content_checksum=sums, block_size=size, store_size=sums
    )
    (frame,) = index_frames(BytesReader(packed), Budget())
    assert frame.is_independent or linked
    assert frame.content_size == (len(DATA) if sums else None)
    if not frame.is_independent:
        return
    out = b""
    for block in frame.blocks:
        stored = packed[block.offset : block.offset + block.stored]
        out += stored if block.is_raw else lz4.block.decompress(stored, uncompressed_size=block.room)
    assert out == DATA


def test_every_cut_is_a_truncated_error() -> None:
    packed = lz4.frame.compress(DATA[:5000], content_checksum=True)
    for size in range(4, len(packed)):
        with pytest.raises(TruncatedError):
            index_frames(BytesReader(packed[:size]), Budget())


def test_bytes_after_the_frame_are_an_error() -> None:
    with pytest.raises(FormatError, match="where one should start"):
        index_frames(BytesReader(lz4.frame.compress(b"x") + b"more"), Budget())


def test_dictionary_and_unknown_flags_are_refused() -> None:
    packed = bytearray(lz4.frame.compress(b"x"))
    packed[4] |= 1
    with pytest.raises(UnsupportedError, match="dictionary"):
        index_frames(BytesReader(packed), Budget())
    packed[4] = 0x80
    with pytest.raises(FormatError, match="version"):
        index_frames(BytesReader(packed), Budget())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_after_the_magic_are_indexed_or_refused(data: bytes) -> None:
    try:
        frames = index_frames(BytesReader(b"\x04\x22\x4d\x18" + data), Budget())
    except FormatError:
        return
    assert frames
