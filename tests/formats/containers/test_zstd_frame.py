"""Zstandard frames walked without decoding."""

from __future__ import annotations

import os

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.zstd_frame import walk_frames
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader

DATA = bytes(400000) + os.urandom(300000) + b"text " * 60000


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_frame_ends_where_the_library_says(checksum: bool, sized: bool) -> None:
    packed = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized).compress(DATA)
    frames = walk_frames(BytesReader(packed + packed), Budget())
    assert [(frame.start, frame.end) for frame in frames] == [(0, len(packed)), (len(packed), 2 * len(packed))]
    assert frames[0].content_size == (len(DATA) if sized else None)
    assert frames[0].window == zstandard.get_frame_parameters(packed).window_size


def test_every_cut_is_a_truncated_error() -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(b"text " * 300 + os.urandom(200))
    for size in range(4, len(packed)):
        with pytest.raises(TruncatedError):
            walk_frames(BytesReader(packed[:size]), Budget())


def test_window_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="window"):
        walk_frames(BytesReader(b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), Budget())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_after_the_magic_are_walked_or_refused(data: bytes) -> None:
    try:
        frames = walk_frames(BytesReader(b"\x28\xb5\x2f\xfd" + data), Budget())
    except FormatError:
        return
    assert frames[-1].end <= len(data) + 4
