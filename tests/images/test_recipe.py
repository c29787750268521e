"""The recipes against the tools that made the images: what a Built says is what is there."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.images import Built, Flip, damaged_copy
from tests.support import find_tool, needs_tools


@pytest.fixture(params=["small_erofs_image", "small_ext4_image", "two_bank_image", "single_bank_image"])
def image(request: pytest.FixtureRequest) -> Built:
    return request.getfixturevalue(request.param)


def cut(built: Built, path: Path, partition: str, into: Path) -> Path:
    part = built.partitions[partition]
    with path.open("rb") as disk:
        disk.seek(part.start)
        into.write_bytes(disk.read(part.length))
    return into


def veritysetup_says(built: Built, disk: Path, bank: str, folder: Path) -> subprocess.CompletedProcess[str]:
    data = cut(built, disk, f"ROOT-{bank}", folder / "data")
    tree = cut(built, disk, f"HASH-{bank}", folder / "hash")
    command = [str(find_tool("veritysetup")), "verify", str(data), str(tree), built.verity[bank].root_hash]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_partition_table_is_clean_to_sgdisk(image: Built) -> None:
    said = subprocess.run([str(find_tool("sgdisk")), "-v", image.path], capture_output=True, text=True, check=True)
    assert "No problems found" in said.stdout


def test_each_bank_verifies_with_the_root_hash_of_its_boot_configuration(image: Built, tmp_path: Path) -> None:
    for bank, tree in image.verity.items():
        assert veritysetup_says(image, image.path, bank, tmp_path).returncode == 0
        assert tree.root_hash in image.boot_configurations[bank]


def test_a_flipped_byte_fails_veritysetup(small_erofs_image: Built, tmp_path: Path) -> None:
    damaged = damaged_copy(small_erofs_image, tmp_path / "damaged.img", Flip("ROOT-A", 4096 * 7 + 5))
    assert veritysetup_says(small_erofs_image, damaged, "A", tmp_path).returncode != 0


def test_the_corrupt_bank_alone_fails_veritysetup(corrupt_bank_b_image: Built, tmp_path: Path) -> None:
    image = corrupt_bank_b_image
    assert veritysetup_says(image, image.path, "A", tmp_path).returncode == 0
    assert veritysetup_says(image, image.path, "B", tmp_path).returncode != 0


def test_files_extracted_by_fsck_erofs_equal_the_manifest(small_erofs_image: Built, tmp_path: Path) -> None:
    needs_tools("fsck.erofs")
    root = cut(small_erofs_image, small_erofs_image.path, "ROOT-A", tmp_path / "root.img")
    subprocess.run(
        [str(find_tool("fsck.erofs")), f"--extract={tmp_path / 'out'}", root], check=True, capture_output=True
    )
    compare(small_erofs_image, tmp_path / "out")


def test_files_dumped_by_debugfs_equal_the_manifest(small_ext4_image: Built, tmp_path: Path) -> None:
    root = cut(small_ext4_image, small_ext4_image.path, "ROOT-A", tmp_path / "root.img")
    (tmp_path / "out").mkdir()
    command = [str(find_tool("debugfs")), "-R", f"rdump / {tmp_path / 'out'}", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    compare(small_ext4_image, tmp_path / "out")


def compare(built: Built, folder: Path) -> None:
    for entry in built.manifest:
        path = folder / entry.path.decode().lstrip("/")
        if entry.type == "regular":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256, entry.path
        elif entry.type == "symlink":
            assert os.readlink(os.fsencode(path)) == entry.target
        else:
            assert path.is_dir()
    assert len(list(folder.rglob("*"))) == len(built.manifest) - 1


def test_ext4_is_clean_to_fsck(small_ext4_image: Built, tmp_path: Path) -> None:
    needs_tools("e2fsck")
    for partition in ("ROOT-A", "BOOT-A", "PRIVATE"):
        part = cut(small_ext4_image, small_ext4_image.path, partition, tmp_path / "part.img")
        subprocess.run([str(find_tool("e2fsck")), "-fn", str(part)], check=True, capture_output=True)


def test_a_unified_kernel_image_states_the_root_hash_in_its_command_line(uki_image: Built, tmp_path: Path) -> None:
    needs_tools("objcopy", "mcopy")
    esp = cut(uki_image, uki_image.path, "EFI-A", tmp_path / "esp")
    kernel, line = tmp_path / "kernel.efi", tmp_path / "line"
    subprocess.run([str(find_tool("mcopy")), "-i", esp, "::EFI/BOOT/BOOTX64.EFI", kernel], check=True)
    command = ["objcopy", "--dump-section", f".cmdline={line}", str(kernel), str(tmp_path / "copy.efi")]
    subprocess.run(command, check=True)
    said = line.read_bytes().rstrip(b"\0").decode()
    assert said == uki_image.boot_configurations["A"]
    assert f"sha256 {uki_image.verity['A'].root_hash} " in said
    assert f"PARTUUID={uki_image.partitions['EFI-A'].guid}/PARTNROFF=1" in said


@pytest.mark.parametrize(
    ("name", "partitions"),
    [
        ("uki_image", "BIOS-BOOT EFI-A ROOT-A HASH-A RESERVED-A PRIVATE DATA"),
        ("standalone_image", "BIOS-BOOT EFI-A BOOT-A ROOT-A HASH-A"),
        ("enclave_image", "ROOT-A HASH-A"),
    ],
)
def test_other_layouts_have_their_partitions(name: str, partitions: str, request: pytest.FixtureRequest) -> None:
    image = request.getfixturevalue(name)
    assert " ".join(image.partitions) == partitions
    said = subprocess.run([str(find_tool("sgdisk")), "-p", image.path], capture_output=True, text=True, check=True)
    assert len(re.findall(r"^ +\d+ +\d+", said.stdout, re.MULTILINE)) == len(image.partitions)
