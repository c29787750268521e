"""Holes of a sparse file are left out of what may hold other bytes than zero, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Content
from rocketaudit.model.reader import BytesReader, Window, stored_extents
from rocketaudit.source.raw import RawFile, open_raw
from rocketaudit.source.volumes import open_volume

BLOCK = 4096
BLOCKS = 24


def write_sparse(path: Path, blocks: set[int]) -> bytes:
    """A file with these blocks written, all others holes; its bytes."""
    with path.open("wb") as file:
        file.truncate(BLOCKS * BLOCK)
        for block in blocks:
            os.pwrite(file.fileno(), bytes([block % 3]) * BLOCK, block * BLOCK)  # some are written zeros
    return path.read_bytes()


@settings(max_examples=40, deadline=None)
@given(
    blocks=st.sets(st.integers(0, BLOCKS - 1)),
    start=st.integers(0, BLOCKS * BLOCK),
    length=st.integers(0, BLOCKS * BLOCK),
    lead=st.integers(0, 3 * BLOCK),
)
def test_every_byte_that_is_not_zero_is_in_an_extent(tmp_path_factory, blocks, start, length, lead):
    path = tmp_path_factory.mktemp("holes") / "disk"
    data = write_sparse(path, blocks)
    raw, _ = open_raw(path)
    window = Window(raw, min(lead, raw.size), raw.size - min(lead, raw.size))
    begin = min(start, window.size)
    end = min(begin + length, window.size)
    found = list(stored_extents(window, begin, end))
    raw.close()
    mine = data[window.start :]
    assert all(begin <= first < last <= end for first, last in found)
    assert sorted(found) == found
    outside = bytearray(mine[begin:end])
    for first, last in found:
        outside[first - begin : last - begin] = bytes(last - first)
    assert not any(outside)


def test_a_hole_costs_no_reading_where_the_file_system_tells(tmp_path):
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 << 20)
        os.pwrite(file.fileno(), b"x", 32 << 20)
    raw, _ = open_raw(path)
    extents = list(stored_extents(raw, 0, raw.size))
    raw.close()
    if path.stat().st_blocks * 512 < 1 << 20:  # sparse here
        assert sum(end - start for start, end in extents) < 1 << 20
    assert any(start <= 32 << 20 < end for start, end in extents)


def test_a_reader_that_knows_of_no_holes_is_looked_at_everywhere():
    assert list(stored_extents(Window(BytesReader(bytes(100)), 10, 50), 5, 20)) == [(5, 20)]


class Counting:
    """A file whose reads are counted in bytes."""

    def __init__(self, raw: RawFile) -> None:
        self.raw, self.size, self.asked = raw, raw.size, 0
        self.stored_extents = raw.stored_extents

    def read(self, offset: int, length: int) -> bytes | memoryview:
        self.asked += length
        return self.raw.read(offset, length)


def test_a_partition_in_a_hole_is_blank_without_reading_it_and_one_byte_makes_it_unknown(tmp_path):
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    raw, _ = open_raw(path)
    reader = Counting(raw)
    assert open_volume(Window(reader, 1 << 20, 32 << 20), Budget()).content is Content.BLANK
    sparse = path.stat().st_blocks * 512 < 1 << 20
    assert not sparse or reader.asked < 100_000  # the head, and a byte at the end
    with path.open("r+b") as file:
        file.seek((1 << 20) + 500_000)
        file.write(b"x")
    assert open_volume(Window(reader, 1 << 20, 32 << 20), Budget()).content is Content.UNKNOWN
    with path.open("r+b") as file:  # what is no longer there is no hole
        file.truncate(16 << 20)
    assert open_volume(Window(reader, 4 << 20, 32 << 20), Budget()).content is Content.UNREAD
    raw.close()
