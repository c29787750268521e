"""A split plan's two disks are one image: files of the data disk are listed and read, nothing of it can boot."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.errors import FormatError, RocketauditError, UsageError
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Content, Layout
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.reader import BytesReader
from rocketaudit.source.image import ImageSource, open_image
from rocketaudit.source.split import JoinedDisks
from tests.images import Built
from tests.images.disk import DATA_PREFERRED
from tests.source import disks
from tests.source.disks import MIB, Part
from tests.source.packed import run

LARGE = os.urandom(700_000)


def opened(path: Path, data_disk: Path | None = None) -> ImageSource:
    return open_image(
        path, budget=Budget(), tmp_dir=None, progress=NoProgress(), data_disk=data_disk, looks_beside=True
    )


def ext4(folder: Path) -> bytes:
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree" / "large").write_bytes(LARGE)
    run("mke2fs", "-q", "-t", "ext4", "-L", "data", "-d", folder / "tree", folder / "data.fs", "8M")
    return (folder / "data.fs").read_bytes()


@pytest.fixture
def system(tmp_path: Path, small_erofs_image: Built) -> Path:
    """The OS disk of a split plan, under a name of its own."""
    path = tmp_path / "host.img"
    path.symlink_to(small_erofs_image.path)
    return path


def data_disk(path: Path, *parts: Part) -> Path:
    return disks.put_together(path, *(parts or (Part("DATA", ext4(path.parent), guid=DATA_PREFERRED),)))


@pytest.mark.parametrize("packing", ["raw", "lz4"])
@pytest.mark.parametrize("asked", [False, True])
def test_both_disks_are_one_image(tmp_path: Path, system: Path, packing: str, asked: bool) -> None:
    other = data_disk(tmp_path / ("elsewhere.img" if asked else "host-data.img"))
    if packing == "lz4":
        run("lz4", "-q", other, f"{other}.tmp")
        Path(f"{other}.tmp").rename(other)
    source = opened(system, other if asked else None)
    alone = open_image(system, budget=Budget(), tmp_dir=None, progress=NoProgress())
    *own, data = source.disk.partitions
    assert tuple(own) == alone.disk.partitions
    assert (data.scope, data.content, data.label, data.number) == ("data-b", Content.EXT4, "data", len(own) + 1)
    assert data.unique_guid == DATA_PREFERRED
    assert (source.disk.banks, source.disk.layout, source.judged) == (alone.disk.banks, alone.disk.layout, "bank-a")
    assert source.disk.boot_entries == alone.disk.boot_entries
    tree = next(tree for tree in source.trees if tree.scope == "data-b")
    for _ in range(2):
        assert tree.read("/large") == LARGE
        source.use_map()
    assert bytes(source.reader.read(data.start + 0x438, 2)) == b"\x53\xef"
    assert source.disk.container.data_image == other.name
    assert any(f"bytes from {data.start - MIB} on are those" in note for note in source.disk.container.notes)
    assert source.sha256() == alone.sha256()
    assert not source.disk.problems
    assert not source.check_content()
    alone.close()
    source.close()


def test_a_scan_reads_the_files_of_both_disks(tmp_path: Path, system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_disk(tmp_path / "host-data.img")
    assert main(["ls", f"{system}@data-b", "/large", "--digest", "-o", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert main(["collect", "-q", str(system), "-o", str(tmp_path / "evidence.json")]) in (0, 3)
    evidence = json.loads((tmp_path / "evidence.json").read_text())["body"]
    found = {(one["scope"], one["path"]): one.get("sha256") for one in evidence["files"]}
    assert found["data-b", "/large"] == row["sha256"]
    assert any(scope == "bank-a" for scope, _ in found)


def test_nothing_on_the_data_disk_boots_or_is_judged(tmp_path: Path, system: Path) -> None:
    root = disks.erofs(tmp_path)
    data_disk(tmp_path / "host-data.img", Part("ROOT", root), Part("HASH"), Part("BOOT", attributes=(48, 56)))
    source, alone = opened(system), open_image(system, budget=Budget(), tmp_dir=None, progress=NoProgress())
    assert (source.disk.banks, source.disk.layout, source.judged) == (alone.disk.banks, alone.disk.layout, "bank-a")
    assert sum("the data disk holds a partition of type" in one.what for one in source.disk.problems) == 3
    assert len({one.scope for one in source.disk.partitions}) == len(source.disk.partitions)
    source.close()
    alone.close()


def test_a_partition_of_both_disks_is_named(tmp_path: Path, system: Path) -> None:
    alone = open_image(system, budget=Budget(), tmp_dir=None, progress=NoProgress())
    root = next(one for one in alone.disk.partitions if one.scope == "bank-a")
    data_disk(tmp_path / "host-data.img", Part("DATA", ext4(tmp_path), guid=root.unique_guid))
    source = opened(system)
    assert any(root.unique_guid in one.what and "either" in one.what for one in source.disk.problems)
    source.close()
    alone.close()


def test_a_bare_file_system_is_a_data_disk_too(tmp_path: Path, system: Path) -> None:
    (tmp_path / "host-data.img").write_bytes(ext4(tmp_path))
    source = opened(system)
    assert source.disk.partitions[-1].scope == "data-b"
    assert source.disk.layout is Layout.GRUB_TWO_BANKS
    source.close()


def test_a_data_disk_that_cannot_be_read_is_a_problem_unless_it_was_asked_for(tmp_path: Path, system: Path) -> None:
    other = tmp_path / "host-data.img"
    other.write_bytes(b"QFI\xfb" + b"\xff" * 600)
    source = opened(system)
    assert source.judged == "bank-a"
    (problem,) = source.disk.container.problems
    assert problem.what.startswith("the data disk host-data.img beside it is not read: ")
    source.close()
    with pytest.raises(RocketauditError) as caught:
        opened(system, other)
    assert caught.value.message.startswith(f"{other}: ")
    with pytest.raises(UsageError, match="the image itself"):
        opened(system, system)
    table = bytearray(data_disk(tmp_path / "good.img").read_bytes())
    for at in (512, len(table) - 512):
        table[at + 80 : at + 88] = b"\xff" * 8
    other.write_bytes(table)
    source = opened(system)
    assert any(one.what.startswith("host-data.img: ") for one in source.disk.problems)
    source.close()


def test_partitions_of_the_os_disk_never_reach_into_the_data_disk(tmp_path: Path, small_erofs_image: Built) -> None:
    root = small_erofs_image.partitions["ROOT-A"]
    path = tmp_path / "host.img"
    with small_erofs_image.path.open("rb") as file:
        path.write_bytes(file.read(root.start + root.length - MIB))
    data_disk(tmp_path / "host-data.img")
    source = opened(path)
    assert all(one.scope != "data-b" for one in source.disk.partitions)
    assert any("reaches beyond it" in one.what for one in source.disk.problems)
    source.close()
    with pytest.raises(FormatError, match="reaches beyond it"):
        opened(path, tmp_path / "host-data.img")


def test_a_link_beside_the_image_is_not_followed_unless_it_was_asked_for(tmp_path: Path, system: Path) -> None:
    other = data_disk(tmp_path / "elsewhere.img")
    (tmp_path / "host-data.img").symlink_to(other)
    source = opened(system)
    assert (source.disk.container.data_image, len(source.disk.problems)) == ("", 0)
    assert all(one.scope != "data-b" for one in source.disk.partitions)
    source.close()
    source = opened(system, tmp_path / "host-data.img")
    assert source.disk.partitions[-1].scope == "data-b"
    source.close()


def test_reads_stop_where_a_disk_ends() -> None:
    joined = JoinedDisks(BytesReader(b"a" * 1000), BytesReader(b"b" * 500))
    assert (joined.second_at, joined.size) == (MIB, MIB + 500)
    assert (joined.read(999, 1), joined.read(MIB, 500)) == (b"a", b"b" * 500)
    for offset, length in ((999, 2), (1000, 1), (MIB - 1, 1), (MIB - 1, 2), (MIB + 499, 2), (-1, 1), (0, MIB + 1)):
        with pytest.raises(FormatError):
            joined.read(offset, length)
    assert list(joined.stored_extents(500, MIB + 100)) == [(500, 1000), (MIB, MIB + 100)]
