"""DOS partition tables against util-linux's reading, and hostile chains."""

from __future__ import annotations

import lzma
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.mbr import MbrKind, read_mbr
from rocketaudit.model.reader import BytesReader
from tests.support import shared_data


def sector(*rows: tuple[int, int, int]) -> bytes:
    data = bytearray(512)
    for index, (kind, first, count) in enumerate(rows):
        struct.pack_into("<B3sB3sII", data, 446 + 16 * index, 0, b"", kind, b"", first, count)
    data[510:] = b"\x55\xaa"
    return bytes(data)


def test_blkid_agrees_on_primary_partitions() -> None:
    data = lzma.decompress(shared_data("fs", "gpt", "util-linux-dos+bsd.img.xz").read_bytes())
    mbr = read_mbr(BytesReader(data))
    assert mbr.kind is MbrKind.DOS
    assert f"{mbr.disk_signature:08x}" == "8f8378c0"
    assert [(e.number, e.start // 512, e.length // 512, e.type) for e in mbr.entries] == [
        (1, 32, 7648, 0x83),
        (2, 7680, 8704, 0xA5),
    ]


def test_logical_partitions_are_followed() -> None:
    disk = bytearray(512 * 64)
    disk[:512] = sector((0x83, 1, 9), (0x05, 10, 50))
    disk[10 * 512 : 11 * 512] = sector((0x83, 1, 4), (0x05, 10, 20))
    disk[20 * 512 : 21 * 512] = sector((0x82, 2, 4))
    mbr = read_mbr(BytesReader(disk))
    assert [(e.number, e.start // 512, e.type) for e in mbr.entries] == [(1, 1, 0x83), (5, 11, 0x83), (6, 22, 0x82)]
    assert not mbr.problems


def test_chain_that_bites_its_tail_ends_with_a_problem() -> None:
    disk = bytearray(512 * 64)
    disk[:512] = sector((0x05, 10, 50))
    disk[10 * 512 : 11 * 512] = sector((0x83, 1, 4), (0x05, 10, 20))
    disk[20 * 512 : 21 * 512] = sector((0x83, 1, 4), (0x05, 10, 20))
    assert any("does not end" in problem.what for problem in read_mbr(BytesReader(disk)).problems)


def test_partition_beyond_the_disk_and_overlap_are_reported() -> None:
    mbr = read_mbr(BytesReader(sector((0x83, 1, 9), (0x83, 5, 9)) + bytes(512 * 8)))
    assert [problem.what for problem in mbr.problems] == [
        "partition 1 ends beyond the disk",
        "partition 2 ends beyond the disk",
        "partition 2 overlaps the one before it",
    ]


def test_hybrid_table_is_told_from_a_protective_one() -> None:
    assert read_mbr(BytesReader(sector((0xEE, 1, 9)))).kind is MbrKind.PROTECTIVE
    assert read_mbr(BytesReader(sector((0xEE, 1, 9), (0x83, 20, 1)))).kind is MbrKind.HYBRID


def test_fat_boot_sector_is_no_partition_table() -> None:
    data = bytearray(sector((0x83, 1, 9)))
    data[0], data[16], data[54:59] = 0xEB, 2, b"FAT12"
    struct.pack_into("<HB", data, 11, 512, 4)
    with pytest.raises(FormatError, match="FAT boot sector"):
        read_mbr(BytesReader(data))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 40), st.integers(0, 2**32 - 1)), max_size=4), st.binary())
def test_any_table_is_read_or_refused(rows: list[tuple[int, int, int]], rest: bytes) -> None:
    try:
        mbr = read_mbr(BytesReader((sector(*rows) * 3 + rest).ljust(512)))
    except FormatError:
        return
    assert all(entry.length for entry in mbr.entries)
