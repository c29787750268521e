"""What an LZ4 frame states of itself is compared: `lz4 -t` refuses each of the damaged files here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import lz4.block
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
from tests.images.demo import DEMO_FILE
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


def test_a_header_that_does_not_match_its_checksum_is_refused(tmp_path: Path) -> None:
    packed = lz4_of(tmp_path)
    packed[6] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    with pytest.raises(FormatError, match="header"):
        opened(tmp_path / "packed")


def damage_of(packed: Path) -> str:
    """What is said of the place where the disk ends."""
    disk = opened(packed)
    disk.close()
    (problem,) = disk.container.problems
    assert problem.in_doubt
    return problem.what


def test_a_block_that_does_not_match_its_checksum_ends_the_disk(tmp_path: Path) -> None:
    packed = lz4_of(tmp_path, "-B4", "-BX")
    packed[-9] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    assert "does not match its checksum" in damage_of(tmp_path / "packed")


def test_damage_among_linked_blocks_names_the_block(tmp_path: Path) -> None:
    packed = lz4_of(tmp_path, "-BD", "-B4")
    (frame,) = index_frames(BytesReader(bytes(packed)), Budget())
    assert not frame.is_independent
    block = next(block for block in frame.blocks[3:] if not block.is_raw)
    packed[block.offset : block.offset + 8] = b"\xff" * 8
    (tmp_path / "packed").write_bytes(packed)
    assert run_fails("lz4", "-t", tmp_path / "packed")
    assert re.search(rf"does not decode.*{block.offset}", damage_of(tmp_path / "packed"))


def test_a_run_of_equal_linked_blocks_is_decoded_once_and_each_checksum_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "raw").open("wb") as file:
        file.write(b"head")
        file.truncate(600 << 20)
    run("lz4", "-q", "-BD", "-BX", "-B7", tmp_path / "raw", tmp_path / "packed")
    decoded = []
    decompress = lz4.block.decompress
    monkeypatch.setattr(lz4.block, "decompress", lambda *a, **named: decoded.append(1) or decompress(*a, **named))
    disk = opened(tmp_path / "packed")
    assert 2 <= len(decoded) < 10  # of 150 blocks
    assert (disk.reader.size, disk.check_content()) == (600 << 20, ())
    disk.close()
    packed = bytearray((tmp_path / "packed").read_bytes())
    (frame,) = index_frames(BytesReader(bytes(packed)), Budget())
    block = frame.blocks[90]
    packed[block.offset + block.stored] ^= 1
    (tmp_path / "packed").write_bytes(packed)
    assert re.search(rf"does not match its checksum.*{block.offset}", damage_of(tmp_path / "packed"))


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


def test_a_scan_of_a_cut_image_reports_what_came_out_and_cannot_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = DEMO_FILE.read_bytes()
    (tmp_path / "cut.img.lz4").write_bytes(packed[: len(packed) * 99 // 100])
    assert main(["scan", str(tmp_path / "cut.img.lz4"), "--fail-on", "integrity", "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert any("the disk ends after the" in reason for reason in report["policy"]["reasons"])
    (doubt,) = [finding for finding in report["findings"] if finding["id"] == "image-in-doubt"]
    assert doubt["severity"] == "high"
    assert {bank["scope"]: bank["verdict"] for bank in report["integrity"]["banks"]}["bank-a"] == "consistent_unsigned"
    assert main(["ls", str(tmp_path / "cut.img.lz4"), "/"]) == 3
    said = capsys.readouterr()
    assert said.out
    assert "the lz4 file is damaged" in said.err
