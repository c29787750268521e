"""What an LZ4 frame states of itself is compared: `lz4 -t` refuses each of the damaged files here."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import lz4.frame
import pytest

from rocketaudit.cli.main import main
from rocketaudit.errors import FormatError
from rocketaudit.evidence.identity import begin_content_check, checked_disk
from rocketaudit.formats.containers.lz4_frame import index_frames
from rocketaudit.model.budget import Budget
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.reader import BytesReader
from rocketaudit.source.disk import Disk, open_disk
from rocketaudit.source.image import open_image
from tests.source.packed import make_disk, run
from tests.support import find_tool


def opened(path: Path) -> Disk:
    return open_disk(path, budget=Budget())


def run_fails(*command: str | Path) -> bool:
    tool = find_tool(str(command[0]))
    return subprocess.run([str(tool), *map(str, command[1:])], capture_output=True, check=False).returncode != 0


def lz4_of(tmp_path: Path, *options: str) -> bytearray:
    make_disk(tmp_path / "raw")
    run("lz4", "-q", "-f", *options, tmp_path / "raw", tmp_path / "packed")
    return bytearray((tmp_path / "packed").read_bytes())


def content_problems(path: Path) -> tuple[str, ...]:
    disk = opened(path)
    try:
        return tuple(problem.what for problem in disk.check_content())
    finally:
        disk.close()


@pytest.mark.parametrize(
    "options", [("-9",), ("-1", "--content-size"), ("-B4", "-BX"), ("-BD",), ("-BD", "-B4", "-BX")]
)
def test_the_checksum_of_an_lz4_frames_content_is_compared(tmp_path: Path, options: tuple[str, ...]) -> None:
    packed = lz4_of(tmp_path, *options)
    assert content_problems(tmp_path / "packed") == ()
    packed[-1] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    (problem,) = content_problems(tmp_path / "packed")
    assert "LZ4 frame with checksum" in problem
    assert f"states {int.from_bytes(packed[-4:], 'little'):08x}" in problem


def test_the_frame_whose_content_differs_is_told_from_the_others(tmp_path: Path) -> None:
    first = bytearray(lz4_of(tmp_path))
    size = (tmp_path / "raw").stat().st_size
    first[-2] ^= 4
    (tmp_path / "packed").write_bytes(
        lz4.frame.compress(b"a" * 99999, content_checksum=True, block_linked=False) + first
    )
    (problem,) = content_problems(tmp_path / "packed")
    assert problem.startswith(f"{size} bytes")


def test_a_frame_below_another_packing_is_compared_before_it_goes_away(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("gzip", "-k", tmp_path / "raw")
    run("lz4", "-q", tmp_path / "raw.gz", tmp_path / "packed")
    packed = bytearray((tmp_path / "packed").read_bytes())
    packed[-3] ^= 128
    (tmp_path / "packed").write_bytes(packed)
    disk = opened(tmp_path / "packed")
    disk.close()
    (problem,) = disk.container.problems
    assert "LZ4 frame with checksum" in problem.what


@pytest.mark.parametrize(("options", "at", "said"), [((), 6, "header"), (("-B4", "-BX"), -9, "does not")])
def test_other_checksums_of_an_lz4_frame_are_damage(
    tmp_path: Path, options: tuple[str, ...], at: int, said: str
) -> None:
    packed = lz4_of(tmp_path, *options)
    packed[at] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    with pytest.raises(FormatError, match=said):
        opened(tmp_path / "packed")


def test_damage_among_linked_blocks_names_the_block(tmp_path: Path) -> None:
    packed = lz4_of(tmp_path, "-BD", "-B4")
    (frame,) = index_frames(BytesReader(bytes(packed)), Budget())
    assert not frame.is_independent
    block = next(block for block in frame.blocks[3:] if not block.is_raw)
    packed[block.offset : block.offset + 8] = b"\xff" * 8
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    with pytest.raises(FormatError, match=rf"does not decode.*{block.offset}"):
        opened(tmp_path / "packed")


def test_a_run_of_equal_linked_blocks_is_decoded_once_and_each_checksum_compared(tmp_path: Path) -> None:
    with (tmp_path / "raw").open("wb") as file:
        file.write(b"head")
        file.truncate(600 << 20)
    run("lz4", "-q", "-BD", "-BX", "-B7", tmp_path / "raw", tmp_path / "packed")
    began = time.process_time()
    disk = opened(tmp_path / "packed")
    assert time.process_time() - began < 0.8  # 1.3 s when each is decoded
    assert (disk.reader.size, disk.check_content()) == (600 << 20, ())
    disk.close()
    packed = bytearray((tmp_path / "packed").read_bytes())
    (frame,) = index_frames(BytesReader(bytes(packed)), Budget())
    block = frame.blocks[90]
    packed[block.offset + block.stored] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    with pytest.raises(FormatError, match=rf"does not match its checksum.*{block.offset}"):
        opened(tmp_path / "packed")


@pytest.mark.parametrize("options", [(), ("-BD",)])
@pytest.mark.parametrize("command", [("inspect",), ("ls", "-R"), ("cat", "/etc/name")])
def test_commands_that_look_inside_compare_the_content_too(
    command: tuple[str, ...], options: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/name").write_bytes(b"what it holds")
    run("mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "tree", tmp_path / "image", "4M")
    run("lz4", "-q", *options, tmp_path / "image", tmp_path / "packed")
    word, *rest = command
    assert main([word, str(tmp_path / "packed"), *rest]) == 0
    good = capfd.readouterr().out
    packed = bytearray((tmp_path / "packed").read_bytes())
    packed[-1] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert main([word, str(tmp_path / "packed"), *rest]) == 3
    said = capfd.readouterr()
    assert said.out == good
    assert "not what its packer read" in said.err


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scan_says_that_the_content_differs(tmp_path: Path, workers: int) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    run("mke2fs", "-q", "-t", "ext4", "-d", folder, tmp_path / "image", "4M")
    packed = bytearray(lz4.frame.compress((tmp_path / "image").read_bytes(), content_checksum=True, block_linked=False))
    for change in (0, 1):
        packed[-1] ^= change
        (tmp_path / "packed").write_bytes(packed)
        source = open_image(tmp_path / "packed", budget=Budget(), tmp_dir=tmp_path, progress=NoProgress())
        disk = checked_disk(source, begin_content_check(source, workers))
        source.close()
        assert disk is not None
        assert len([one for one in disk.problems if "LZ4 frame with checksum" in one.what]) == change
