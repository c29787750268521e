"""GUID partition tables: the vectors' expectations, sgdisk's own reading, and hostile tables."""

from __future__ import annotations

import json
import lzma
import random
import re
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.gpt import Gpt, looks_like_gpt, read_gpt
from rocketaudit.formats.gpt_table import GptProblem, find_tables
from rocketaudit.formats.mbr import MbrKind
from rocketaudit.model.reader import BytesReader
from tests.support import find_tool, needs_tools, shared_data

# name: partitions, sector size, from the backup, words that a problem must hold
GOOD: dict[str, tuple[int, int, bool, tuple[str, ...]]] = {
    "healthy": (13, 512, False, ()),
    "primary-header-crc": (13, 512, True, ("primary GPT: header CRC",)),
    "primary-header-zeroed": (13, 512, True, ("primary GPT header is missing",)),
    "primary-entries-crc": (13, 512, True, ("primary GPT: entry array CRC",)),
    "backup-header-crc": (13, 512, False, ("backup GPT: header CRC",)),
    "backup-entries-crc": (13, 512, False, ("backup GPT: entry array CRC",)),
    "no-protective-mbr": (13, 512, False, ("no protective MBR",)),
    "pmbr-size-1": (13, 512, False, ("covers 1 of 131071",)),
    "overlap-hash-in-root": (13, 512, False, ("partition 5 overlaps partition 4",)),
    "all-same-range": (13, 512, False, tuple(f"partition {n} overlaps partition 1" for n in range(2, 14))),
    "end-before-start": (13, 512, False, ("partition 4 ends before it starts",)),
    "beyond-disk": (13, 512, False, ("partition 4 ends beyond the disk",)),
    "start-inside-gpt": (13, 512, False, ("partition 1 starts before the usable range",)),
    "dup-name": (13, 512, False, ("partition 9 has the name of partition 4",)),
    "name-36-chars-no-nul": (13, 512, False, ()),
    "name-control-escape": (13, 512, False, ()),
    "name-ff": (13, 512, False, ()),
    "entries-count-4": (4, 512, False, ("after the last declared entry",)),
    "entries-count-0": (0, 512, False, ("declares no entries",)),
    "header-size-512": (13, 512, False, ()),
    "revision-2": (13, 512, False, ("revision 0x00020000",)),
    "alt-lba-wrong": (13, 512, False, ("not said to be in the last sector",)),
    "entry-lba-0": (13, 512, True, ("entry array at LBA 0",)),
    "usable-range-inverted": (13, 512, False, ("usable range ends before it starts",)),
    "guid-differs-primary-backup": (13, 512, False, ("different disk GUIDs",)),
    "truncated-40MiB": (13, 512, False, ("partition 9 ends beyond the disk", "backup GPT header is missing")),
    "gptprio-both-zero": (13, 512, False, ()),
    "gptprio-A2-B1": (13, 512, False, ()),
    "gptprio-B-trial": (13, 512, False, ()),
    "4kn-fdisk": (2, 4096, False, ()),
}
REFUSED = {
    "both-headers-bad": "header CRC does not match",
    "entry-size-max": "entry size 4294967168",
    "entry-size-64": "entry size 64",
    "entry-size-0": "entry size 0",
    "header-size-0": "header size 0",
    "header-size-91": "header size 91",
    "header-size-4294967295": "header size 4294967295",
    "truncated-700B": "no usable GPT",
    "only-mbr": "no usable GPT",
    "mbr-only-dos": "no usable GPT",
    "empty-1MiB": "no usable GPT",
    "zero-bytes": "no usable GPT",
}


def vector(name: str) -> BytesReader:
    return BytesReader(lzma.decompress(shared_data("fs", "gpt", "matrix", f"{name}.img.xz").read_bytes()))


def test_every_vector_has_an_expectation_here() -> None:
    index = json.loads(shared_data("fs", "gpt", "matrix", "index.json").read_text())
    assert {case["name"] for case in index} == set(GOOD) | set(REFUSED)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_vector_is_read_and_its_damage_reported(name: str) -> None:
    partitions, sector, from_backup, words = GOOD[name]
    reader = vector(name)
    assert looks_like_gpt(reader)
    gpt = read_gpt(reader)
    assert (len(gpt.entries), gpt.sector_size, gpt.used_backup) == (partitions, sector, from_backup)
    said = [problem.what for problem in gpt.problems]
    for word in words:
        assert any(word in what for what in said), (word, said)
    if not words:
        assert not said
    assert all(0 <= problem.offset <= reader.size for problem in gpt.problems)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_vector_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(FormatError, match=re.escape(REFUSED[name])):
        read_gpt(vector(name))


def test_names_with_terminal_codes_are_kept_as_they_are() -> None:
    names = [entry.name for entry in read_gpt(vector("name-control-escape")).entries]
    assert any("\x1b" in name for name in names)


def test_both_tables_are_found_where_they_lie() -> None:
    problems: list[GptProblem] = []
    primary, backup = find_tables(vector("healthy"), problems)
    assert primary is not None
    assert backup is not None
    assert (primary.lba, backup.lba, primary.alternate_lba) == (1, 131071, 131071)
    assert primary.array == backup.array
    assert not problems


def test_name_may_fill_its_field() -> None:
    assert any(len(entry.name) == 36 for entry in read_gpt(vector("name-36-chars-no-nul")).entries)


@pytest.mark.parametrize(
    ("file", "partitions", "sector", "kind"),
    [
        ("dissect-gpt.bin", 2, 512, MbrKind.HYBRID),
        ("dissect-gpt_4k.bin", 3, 4096, MbrKind.PROTECTIVE),
        ("dissect-gpt_esxi.bin", 5, 512, MbrKind.PROTECTIVE),
        ("rust-gpt-crate-gpt-disk.img", 2, 512, MbrKind.PROTECTIVE),
    ],
)
def test_tables_of_other_projects(file: str, partitions: int, sector: int, kind: MbrKind) -> None:
    gpt = read_gpt(BytesReader(shared_data("fs", "gpt", file).read_bytes()))
    assert (len(gpt.entries), gpt.sector_size, gpt.mbr) == (partitions, sector, kind)


def test_blkid_agrees_on_every_partition() -> None:
    expected = shared_data("fs", "gpt", "util-linux-gpt.expected").read_text()
    gpt = read_gpt(BytesReader(lzma.decompress(shared_data("fs", "gpt", "util-linux-gpt.img.xz").read_bytes())))
    assert f"id={gpt.disk_guid}" in expected
    rows = re.findall(r"#(\d+):\s+(\d+)\s+(\d+)\s+0x0 name='(.*?)' uuid='(.*?)' type='(.*?)'", expected)
    assert [
        (str(e.number), str(e.first_lba), str(e.length // 512), e.name, e.unique_guid, e.type_guid) for e in gpt.entries
    ] == rows


def make_disk(path: Path, *arguments: str, mib: int = 8) -> BytesReader:
    needs_tools("sgdisk")
    with path.open("wb") as file:
        file.truncate(mib << 20)
    tool = find_tool("sgdisk")
    assert tool
    subprocess.run([tool, *arguments, str(path)], check=True, capture_output=True)
    return BytesReader(path.read_bytes())


def test_sgdisk_agrees_on_numbers_sizes_names_and_attributes(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    reader = make_disk(
        path, "-n", "3:2048:+1M", "-c", "3:größe", "-t", "3:5526016a-1a97-4ea4-b39a-b7c8c6ca4502",
        "-A", "3:set:48", "-A", "3:set:56", "-n", "7:0:0", "-c", "7:rest",
    )  # fmt: skip
    gpt = read_gpt(reader)
    assert not gpt.problems
    assert [entry.number for entry in gpt.entries] == [3, 7]
    for entry in gpt.entries:
        shown = subprocess.run(
            [find_tool("sgdisk") or "", "-i", str(entry.number), str(path)], check=True, capture_output=True, text=True
        ).stdout
        assert f"First sector: {entry.first_lba} " in shown
        assert f"Last sector: {entry.last_lba} " in shown
        assert f"Partition size: {entry.length // 512} sectors" in shown
        assert f"Attribute flags: {entry.attributes:016X}" in shown
        assert f"Partition name: '{entry.name}'" in shown
        assert entry.unique_guid.upper() in shown
        assert entry.type_guid.upper() in shown


def rewrite_entries(data: bytes, change: dict[int, bytes]) -> bytes:
    """Put raw entries into both arrays and make every CRC right again."""
    out = bytearray(data)
    for header in (512, len(data) - 512):
        array = struct.unpack_from("<Q", out, header + 72)[0] * 512
        for index, raw in change.items():
            out[array + index * 128 : array + index * 128 + 128] = raw.ljust(128, b"\0")
        struct.pack_into("<I", out, header + 88, zlib.crc32(out[array : array + 128 * 128]))
        struct.pack_into("<I", out, header + 16, 0)
        struct.pack_into("<I", out, header + 16, zlib.crc32(out[header : header + 92]))
    return bytes(out)


def test_entry_without_a_type_is_a_ghost_and_no_partition(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk", "-n", "1:2048:+1M")
    ghost = bytes(16) + b"\1" * 16 + struct.pack("<QQQ", 8192, 9000, 0)
    gpt = read_gpt(BytesReader(rewrite_entries(bytes(disk.data), {4: ghost})))
    assert [entry.number for entry in gpt.entries] == [1]
    assert [entry.number for entry in gpt.ghosts] == [5]
    assert any("entry 5 has no type" in problem.what for problem in gpt.problems)


def test_same_unique_guid_twice_is_reported(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk", "-n", "1:2048:+1M")
    entry = b"\2" * 16 + b"\3" * 16 + struct.pack("<QQQ", 8192, 9000, 0)
    other = b"\2" * 16 + b"\3" * 16 + struct.pack("<QQQ", 9001, 9100, 0)
    gpt = read_gpt(BytesReader(rewrite_entries(bytes(disk.data), {4: entry, 5: other})))
    assert any("partition 6 has the unique GUID of partition 5" in problem.what for problem in gpt.problems)


def test_broken_utf16_in_a_name_is_reported_and_replaced(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk", "-n", "1:2048:+1M")
    entry = b"\2" * 16 + b"\3" * 16 + struct.pack("<QQQ", 8192, 9000, 0) + b"\x00\xd8a\x00"
    gpt = read_gpt(BytesReader(rewrite_entries(bytes(disk.data), {4: entry})))
    assert gpt.entries[1].name == "\ufffda"
    assert any("not valid UTF-16" in problem.what for problem in gpt.problems)


def test_large_sectors_agree_with_sfdisk(tmp_path: Path) -> None:
    gpt = read_gpt(vector("4kn-fdisk"))
    assert gpt.entries[0].start % 4096 == 0
    assert gpt.entries[0].length == (gpt.entries[0].last_lba + 1 - gpt.entries[0].first_lba) * 4096


def test_damaged_headers_never_raise_anything_else(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk", "-n", "1:2048:+1M", mib=4)
    rng = random.Random(3)
    for _ in range(500):
        data = bytearray(disk.data)
        for _ in range(rng.randrange(1, 5)):
            data[rng.choice((rng.randrange(0, 1200), len(data) - 1 - rng.randrange(0, 512)))] = rng.randrange(256)
        for header in (512, len(data) - 512):
            struct.pack_into("<I", data, header + 16, 0)
            struct.pack_into("<I", data, header + 16, zlib.crc32(data[header : header + 92]))
        try:
            assert isinstance(read_gpt(BytesReader(data)), Gpt)
        except FormatError:
            continue


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=9000))
def test_any_bytes_give_a_table_or_a_format_error(data: bytes) -> None:
    try:
        assert isinstance(read_gpt(BytesReader(data)), Gpt)
    except FormatError:
        return
