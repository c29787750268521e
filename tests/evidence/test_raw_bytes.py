"""Digests of what lies outside of hash trees, of real images."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from rocketaudit.audit import Looking, look
from rocketaudit.cli.running import read_benchmarks
from rocketaudit.errors import RocketauditError
from rocketaudit.evidence import raw_bytes
from rocketaudit.model.fact import Fact, State
from tests.analysis.drift.image_mutations import Disk
from tests.images import Built
from tests.support import needs_tools


def regions(path: Path) -> dict[str, Fact]:
    evidence = look(path, Looking(workers=1, signatures=True), read_benchmarks(("container_host",)))
    return {fact.key.subject[0]: fact for fact in evidence.facts if fact.key.namespace == "raw"}


def values(path: Path) -> dict[str, object]:
    return {name: fact.value for name, fact in regions(path).items()}


def test_a_scan_that_keeps_nothing_reads_no_byte_for_it(small_ext4_image: Built) -> None:
    evidence = look(small_ext4_image.path, Looking(workers=1), read_benchmarks(("container_host",)))
    assert not [fact for fact in evidence.facts if fact.key.namespace == "raw"]


def test_every_partition_that_holds_something_and_no_tree_checks_is_there(small_ext4_image: Built) -> None:
    numbers = {
        str(list(small_ext4_image.partitions).index(name) + 1) for name in ("BIOS-BOOT", "EFI-A", "BOOT-A", "PRIVATE")
    }
    found = regions(small_ext4_image.path)
    assert numbers | {"outside"} <= set(found)
    root, tree = (str(list(small_ext4_image.partitions).index(name) + 1) for name in ("ROOT-A", "HASH-A"))
    assert {root, tree} & set(found) == set()


def test_stored_zeros_and_holes_are_the_same_bytes(small_ext4_image: Built, tmp_path: Path) -> None:
    dense = tmp_path / "dense.img"
    subprocess.run(["cp", "--sparse=never", str(small_ext4_image.path), str(dense)], check=True)
    assert dense.stat().st_blocks > small_ext4_image.path.stat().st_blocks
    assert values(dense) == values(small_ext4_image.path)


def test_what_is_compared_field_by_field_is_left_out(small_ext4_image: Built, tmp_path: Path) -> None:
    """The bits of a bank, the disk's GUID and the checksums that follow; a name in the table is not."""
    needs_tools("sgdisk")
    disk = Disk(small_ext4_image, tmp_path / "disk.img")
    disk.sgdisk("-A", "3:toggle:49", "-U", "R")
    assert values(disk.path) == values(small_ext4_image.path)
    disk.sgdisk("-c", "3:OTHER")
    assert {name for name, value in values(disk.path).items() if value != values(small_ext4_image.path)[name]} == {
        "outside"
    }


def table_with(path: Path, *entries: tuple[int, int, int], size: int = 4 << 20) -> Path:
    """A disk with a DOS table of (kind, first sector, sectors)."""
    sector = bytearray(512)
    for number, (kind, first, count) in enumerate(entries):
        struct.pack_into("<BBBBBBBBII", sector, 446 + 16 * number, 0, 0, 2, 0, kind, 255, 255, 255, first, count)
    sector[510:] = b"\x55\xaa"
    with path.open("wb") as file:
        file.write(sector)
        file.truncate(size)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        [(0x83, 0, 8192)],  # all of the disk, and the table itself
        [(0x83, 1, 0xFFFFFFFF)],  # far beyond its end
        [(0x83, 64, 64), (0x83, 32, 8000), (0x83, 100, 2)],  # one in another
        [(0x83, 9000, 64)],  # behind its end
        [(0x83, 64, 0)],
    ],
)
def test_a_table_that_lies_costs_a_region_and_no_crash(tmp_path: Path, entries: list[tuple[int, int, int]]) -> None:
    disk = table_with(tmp_path / "disk.img", *entries)
    try:
        before = values(disk)
    except RocketauditError:
        return  # no image that anybody opens
    with disk.open("r+b") as file:
        file.seek(10)
        file.write(b"boot code")
    assert values(disk) != before


def test_more_than_the_bound_is_unread_and_not_the_same(
    small_ext4_image: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_bytes, "MAX_BYTES", 3 << 20)
    found = regions(small_ext4_image.path)
    unread = [fact for fact in found.values() if fact.state is State.UNREAD]
    assert unread and all("are not read" in fact.reason for fact in unread)
