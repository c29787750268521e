"""Any one byte that a tree or its parameters depend on, flipped, changes the verdict and is placed."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.evidence.collect import collect
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Evidence, Wants
from rocketaudit.model.integrity import Integrity, IntegrityVerdict
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.target import Tool
from rocketaudit.source.opening import open_target
from tests.images import Built

VERITY_ONLY = Wants(digests=False, binaries=False)


def look(path: Path, wants: Wants = VERITY_ONLY) -> tuple[Evidence, Integrity]:
    source = open_target(path, budget=Budget(), tmp_dir=None, progress=NoProgress())
    try:
        evidence = collect(
            source, wants, collectors=(), workers=1, progress=NoProgress(), tool=Tool("test", "0"), when=""
        )
    finally:
        source.close()
    return evidence, judge_integrity(evidence)


@pytest.fixture
def scratch(tmp_path: Path, small_erofs_image: Built) -> Path:
    copy = tmp_path / "image.img"
    shutil.copyfile(small_erofs_image.path, copy)
    return copy


def flip(path: Path, offset: int, mask: int) -> int:
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(1)[0]
        file.seek(offset)
        file.write(bytes((before ^ mask,)))
    return before


def restore(path: Path, offset: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes((value,)))


def test_a_sound_image_is_consistent_and_says_that_nobody_signed_it(scratch: Path) -> None:
    _, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.CONSISTENT_UNSIGNED
    assert integrity.bad_blocks == ()
    assert integrity.uncovered


def test_a_flipped_byte_of_data_or_tree_is_found_and_placed(scratch: Path, small_erofs_image: Built) -> None:
    tree = small_erofs_image.verity["A"]
    partitions = {partition.label: partition for partition in small_erofs_image.partitions.values()}
    root, hashes = partitions["BOTTLEROCKET-ROOT-A"], partitions["BOTTLEROCKET-HASH-A"]
    size = 4096
    ranges = {
        "data": (root.start, tree.data_blocks * size),
        "hash": (hashes.start + size, tree_blocks(tree.data_blocks) * size),
    }
    chooser = random.Random(20261122)
    for number in range(120):
        kind = "data" if number % 2 else "hash"
        start, length = ranges[kind]
        offset = start + chooser.randrange(length)
        before = flip(scratch, offset, 1 << chooser.randrange(8))
        _, integrity = look(scratch)
        restore(scratch, offset, before)
        assert integrity.verdict is IntegrityVerdict.BROKEN, (kind, offset)
        assert integrity.bad_blocks_total == 1
        block = integrity.bad_blocks[0]
        assert block.offset <= offset < block.offset + block.length, (kind, offset, block)
        assert block.level.startswith(kind)


def tree_blocks(data_blocks: int) -> int:
    total, level = 0, data_blocks
    while level > 1:
        level = -(-level // 128)
        total += level
    return total


# (offset, length) of every field that fixes the tree; the UUID and the padding are covered by nothing
SUPERBLOCK_FIELDS = {
    "magic": (0, 8),
    "version": (8, 4),
    "hash type": (12, 4),
    "algorithm": (32, 7),
    "data block size": (64, 4),
    "hash block size": (68, 4),
    "data blocks": (72, 8),
    "salt size": (80, 2),
    "salt": (88, 32),
}


def test_a_flipped_byte_of_the_superblocks_parameters_names_the_superblock(
    scratch: Path, small_erofs_image: Built
) -> None:
    start = next(p.start for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-HASH-A")
    for name, (first, length) in SUPERBLOCK_FIELDS.items():
        for byte in {first, first + length // 2, first + length - 1}:
            before = flip(scratch, start + byte, 0x01)
            _, integrity = look(scratch)
            restore(scratch, start + byte, before)
            assert integrity.verdict is IntegrityVerdict.BROKEN, (name, byte)
            assert "superblock" in integrity.why, (name, byte, integrity.why)


def test_a_changed_character_of_the_verity_table_in_grub_cfg_names_the_boot_text(
    scratch: Path, small_erofs_image: Built
) -> None:
    data = scratch.read_bytes()
    boot = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-BOOT-A")
    match = re.search(rb'set dm_verity_root="([^"]*)"', data[boot.start : boot.start + boot.length])
    assert match is not None
    start = boot.start + match.start(1)
    text = match.group(1)
    sound = table_meaning(text)
    tried = 0
    for index in range(len(b"root"), len(text)):  # the mapping's name binds nothing
        changed = bytearray(text)
        changed[index] ^= 0x01
        if table_meaning(bytes(changed)) == sound:
            continue  # white space for white space, or the case of a digit
        before = flip(scratch, start + index, 0x01)
        _, integrity = look(scratch)
        restore(scratch, start + index, before)
        tried += 1
        assert integrity.verdict is IntegrityVerdict.BROKEN, (index, bytes(changed), integrity.why)
        assert "boot text" in integrity.why, (index, bytes(changed), integrity.why)
    assert tried >= 200


def table_meaning(text: bytes) -> tuple[bytes, ...]:
    return tuple(text.lower().split())


def test_a_command_line_that_mounts_another_root_is_broken(scratch: Path, small_erofs_image: Built) -> None:
    data = scratch.read_bytes()
    boot = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-BOOT-A")
    at = data.index(b"root=/dev/dm-0", boot.start)
    assert at < boot.start + boot.length
    flip(scratch, at + len(b"root=/dev/d"), 0x0B)
    _, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.BROKEN
    assert "not the verity device" in integrity.why


def test_slack_that_no_digest_covers_is_a_finding_and_no_broken_tree(scratch: Path, small_erofs_image: Built) -> None:
    from rocketaudit.analysis.findings import find_oddities

    hashes = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-HASH-A")
    flip(scratch, hashes.start + hashes.length - 100, 0x41)
    evidence, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.CONSISTENT_UNSIGNED
    found = [finding for finding in find_oddities(evidence, integrity) if finding.id == "bytes-outside-tree"]
    assert len(found) == 1
    assert found[0].where.offset == hashes.length - 100


def test_a_boot_partition_that_cannot_be_read_makes_the_verdict_unknown_and_not_sound(
    scratch: Path, small_erofs_image: Built
) -> None:
    boot = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-BOOT-A")
    with scratch.open("r+b") as file:
        file.seek(boot.start)
        file.write(random.Random(1).randbytes(1 << 16))
    _, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.UNKNOWN
    assert "boot files are out of reach" in integrity.why


def test_a_grub_cfg_without_a_verity_table_is_broken_and_not_unknown(scratch: Path, small_erofs_image: Built) -> None:
    boot = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-BOOT-A")
    at = scratch.read_bytes().index(b"dm-mod.create=", boot.start)
    flip(scratch, at, 0x01)
    _, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.BROKEN
    assert integrity.bad_blocks_total == 0


def test_a_grub_cfg_that_decides_only_at_boot_makes_the_verdict_unknown_and_not_sound(
    scratch: Path, small_erofs_image: Built
) -> None:
    """The same text, of the same length, but the loader takes in another file first."""
    boot = next(p for p in small_erofs_image.partitions.values() if p.label == "BOTTLEROCKET-BOOT-A")
    harmless = b'set timeout="0"\n'
    at = scratch.read_bytes().index(harmless, boot.start)
    with scratch.open("r+b") as file:
        file.seek(at)
        file.write(b"source /x".ljust(len(harmless) - 1) + b"\n")
    _, integrity = look(scratch)
    assert integrity.verdict is IntegrityVerdict.UNKNOWN
    assert "cannot be told from" in integrity.why
