"""What a command line makes of a sound tree: a kernel that mounts something else, or runs something first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.analysis.findings import find_oddities
from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.audit import Looking, look
from rocketaudit.evidence.verity import plan_jobs
from rocketaudit.evidence.verity_check import SlackResult, Tasks, check_range
from rocketaudit.formats.verity_tree import RangeCheck
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.verity import FecParameters
from rocketaudit.source.image import ImageSource, open_image
from tests.images import Built
from tests.images.release import bootconfig
from tests.source.packed import run
from tests.support import find_tool, needs_tools


@pytest.fixture(scope="module")
def opened(small_erofs_image: Built) -> ImageSource:
    source = open_image(small_erofs_image.path, budget=Budget(), tmp_dir=None, progress=NoProgress())
    yield source
    source.close()


def problems(source: ImageSource, change: tuple[str, str]) -> tuple[str, ...]:
    (entry,) = source.disk.boot_entries
    assert change[0] in entry.command_line
    line = entry.command_line.replace(*change)
    disk = replace(source.disk, boot_entries=(replace(entry, command_line=line),))
    job = plan_jobs(disk, source.reader, "image")[0]
    return tuple(text for one in job.statements for text in one.problems)


@pytest.mark.parametrize(
    "line",
    [
        "root=/dev/sda3",
        'root=/dev/sda3 x="y root=/dev/dm-0 z"',
        'root=/dev/sda3 "x=y root=/dev/dm-0"',
        "root=/dev/dm-0 root=/dev/sda3",
        'root="/dev/sda3"',
        '"root=/dev/sda3"',
        "root=/dev/sda3 -- root=/dev/dm-0",
        "root=/dev/mapper/other",
    ],
)
def test_a_kernel_that_mounts_something_else_is_said(opened: ImageSource, line: str) -> None:
    (found,) = problems(opened, ("root=/dev/dm-0", line))
    assert "not the verity device" in found


@pytest.mark.parametrize(
    "line",
    [
        "root=/dev/dm-0",
        '"root=/dev/dm-0"',
        'root="/dev/dm-0"',
        "root=/dev/sda3 root=/dev/dm-0",
        "root=/dev/mapper/root",
    ],
)
def test_a_kernel_that_mounts_the_verity_device_is_no_problem(opened: ImageSource, line: str) -> None:
    assert problems(opened, ("root=/dev/dm-0", line)) == ()


def with_initrd(image: Built, out: Path, data: bytes) -> Evidence:
    """The image with another bootconfig.data on PRIVATE, written by e2fsprogs."""
    needs_tools("debugfs")
    tool = find_tool("debugfs") or "debugfs"
    part = next(one for one in image.partitions.values() if one.label == "BOTTLEROCKET-PRIVATE")
    raw = image.path.read_bytes()
    private, content = out.with_suffix(".private"), out.with_suffix(".data")
    private.write_bytes(raw[part.start : part.start + part.length])
    content.write_bytes(data)
    run(tool, "-w", "-R", "rm /bootconfig.data", str(private))
    run(tool, "-w", "-R", f"write {content} /bootconfig.data", str(private))
    out.write_bytes(raw[: part.start] + private.read_bytes() + raw[part.start + part.length :])
    return look(out, Looking(verity_only=True), ())


ARCHIVE = b"070701" + b"0" * 104 + b"TRAILER!!!\0\0\0\0"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bootconfig("kernel.quiet\n"), ""),
        (b"", ""),
        (bytes(4096) + bootconfig("kernel.quiet\n"), ""),
        (ARCHIVE, "more than boot arguments"),
        (ARCHIVE + bootconfig("kernel.quiet\n"), "more than boot arguments"),
        (bootconfig("kernel.quiet\n")[:-13] + b"\xff#BOOTCONFIG\n", "no boot configuration"),
        (bootconfig("kernel.password = a\nkernel.password = b\n"), "no boot configuration"),
        (b"x" * (300 << 10), "cannot be read"),
    ],
    ids=["arguments", "empty", "padded", "archive", "archive with arguments", "wrong checksum", "set twice", "big"],
)
def test_an_initrd_on_private_that_may_run_programs_is_a_finding(
    small_erofs_image: Built, tmp_path: Path, data: bytes, said: str
) -> None:
    """Nothing signs PRIVATE: arguments there are known and said, an archive there would replace the system."""
    evidence = with_initrd(small_erofs_image, tmp_path / "i.img", data)
    assert evidence.disk is not None
    (entry,) = evidence.disk.boot_entries
    assert said in entry.runs_first
    assert bool(said) == bool(entry.runs_first)
    assert "password" not in entry.runs_first  # nothing of PRIVATE leaves a node
    ids = {one.id for one in find_oddities(evidence, judge_integrity(evidence))}
    assert ("initrd-runs-first" in ids) == bool(said)


@pytest.mark.parametrize(
    ("options", "identity"),
    [
        (("ignore_corruption",), "verity-not-enforced"),
        (("restart_on_corruption", "check_at_most_once"), "verity-checked-once"),
        (("restart_on_corruption", "ignore_zero_blocks"), ""),
        (("panic_on_corruption",), ""),
        ((), ""),
    ],
)
def test_options_that_weaken_a_tree_are_findings(
    small_erofs_image: Built, options: tuple[str, ...], identity: str
) -> None:
    seen = look(small_erofs_image.path, Looking(verity_only=True), ())
    bank = next(one for one in seen.verity if one.populated)
    boot = bank.statements[0]
    parameters = replace(boot.parameters, options=options, fec=FecParameters("/dev/sda9", 2, 64, 1))
    stated = replace(bank, statements=(replace(boot, parameters=parameters), *bank.statements[1:]))
    changed = replace(seen, verity=(stated,), _facts={}, _files={}, _children={})
    found = {one.id for one in find_oddities(changed, judge_integrity(changed)) if one.id.startswith("verity-")}
    assert found == {identity, "verity-corrects-errors"} - {""}


def test_a_sparse_image_that_claims_a_huge_root_is_not_read_for_days(opened: ImageSource) -> None:
    """A hole of an exbibyte costs its maker nothing."""
    (root,) = [one for one in opened.disk.partitions if one.scope == "bank-a"]
    others = tuple(one for one in opened.disk.partitions if one.scope != "bank-a")
    disk = replace(opened.disk, partitions=(*others, replace(root, length=1 << 60)))

    class Holes:
        size = 1 << 62

        def read(self, offset: int, length: int) -> bytes:
            inside = opened.reader.size
            return opened.reader.read(offset, length) if offset + length <= inside else bytes(length)

    job = plan_jobs(disk, Holes(), "image")[0]
    assert job.unread is not None and "at most" in job.unread
    assert list(job.ranges()) == []


@pytest.mark.parametrize("far", [1 << 35, 1 << 42])
def test_a_large_root_is_checked_where_the_file_tells_its_holes_and_stores_the_tree(
    opened: ImageSource, far: int
) -> None:
    root, hashes = (next(p for p in opened.disk.partitions if p.number == n) for n in (4, 5))
    reader = opened.reader

    class Sparse:
        size = 1 << 62
        lacks_tree = False

        def read(self, offset: int, length: int) -> bytes:
            return reader.read(offset, length) if offset + length <= reader.size else bytes(length)

        def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
            if self.lacks_tree and start < hashes.start + 8192 < end:
                yield start, hashes.start + 8192
            elif start < reader.size:
                yield start, min(end, reader.size)

    others = tuple(one for one in opened.disk.partitions if one is not root)
    disk = replace(opened.disk, partitions=(*others, replace(root, length=far)))
    sparse = Sparse()
    job = plan_jobs(disk, sparse, "image")[0]
    assert job.unread is None and job.layout is not None
    tasks = Tasks([job])
    assert len(tasks) < 2000
    assert all(isinstance(check_range(job, task), RangeCheck | SlackResult) for task in tasks)
    sparse.lacks_tree = True
    job = plan_jobs(disk, sparse, "image")[0]
    assert job.unread is not None and "no tree for them is stored" in job.unread


def test_an_older_release_in_either_bank_is_said(two_bank_image: Built) -> None:
    seen = look(two_bank_image.path, Looking(verity_only=True), ())
    integrity = judge_integrity(seen)

    def found(next_one: str, other: str) -> set[str]:
        banks = tuple(replace(one, version=next_one if one.boots_next else other) for one in integrity.banks)
        return {one.id for one in find_oddities(seen, replace(integrity, banks=banks)) if "older" in one.id}

    assert found("1.62.0", "1.61.0") == {"rollback-older"}
    assert found("1.61.0", "1.62.0") == {"boots-older"}
    assert found("1.62.0", "1.62.0") == found("1.62.0", "") == set()
