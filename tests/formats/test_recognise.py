from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.recognise import LONGEST_HEAD, name_foreign
from tests.support import find_tool, needs_tools


def made_by(tool: str, image: Path, *arguments: str) -> bytes:
    needs_tools(tool)
    with image.open("wb") as file:
        file.truncate(400 << 20)
    path = find_tool(tool)
    assert path
    subprocess.run([path, *arguments, image], check=True, capture_output=True)
    with image.open("rb") as file:
        return file.read(LONGEST_HEAD)


@pytest.mark.parametrize("version", ["1", "2"])
def test_luks_is_named_with_its_version(version: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k")
    head = made_by(
        "cryptsetup", tmp_path / "image", "luksFormat", "--type", f"luks{version}", "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", "--batch-mode", "--key-file", str(key),
    )  # fmt: skip
    assert name_foreign(head[:4096]) == f"LUKS{version}"


@pytest.mark.parametrize(
    ("tool", "arguments", "name"),
    [
        ("mkswap", (), "swap"),
        ("mkfs.xfs", ("-f",), "XFS"),
        ("mkfs.btrfs", ("-f",), "btrfs"),
    ],
)
def test_what_a_tool_makes_is_named(tool: str, arguments: tuple[str, ...], name: str, tmp_path: Path) -> None:
    assert name_foreign(made_by(tool, tmp_path / "image", *arguments)) == name


@pytest.mark.parametrize(
    ("offset", "magic", "name"),
    [
        (0, b"LUKS\xba\xbe\x00\x02", "LUKS2"),
        (0, b"LUKS\xba\xbe\x00\x09", "LUKS"),
        (0, b"XFSB", "XFS"),
        (512, b"LABELONE" + bytes(16) + b"LVM2 001", "LVM2 physical volume"),
        (4086, b"SWAPSPACE2", "swap"),
        (65600, b"_BHRfS_M", "btrfs"),
        (32769, b"CD001", "ISO 9660"),
        (3, b"-FVE-FS-", "BitLocker"),
        (3, b"NTFS    ", "NTFS"),
        (3, b"EXFAT   ", "exFAT"),
    ],
)
def test_a_magic_at_its_place_is_named(offset: int, magic: bytes, name: str) -> None:
    head = bytearray(LONGEST_HEAD)
    head[offset : offset + len(magic)] = magic
    assert name_foreign(bytes(head)) == name
    assert name_foreign(b"\0" + bytes(head)) is None


def test_nothing_and_zeros_have_no_name() -> None:
    assert name_foreign(b"") is None
    assert name_foreign(bytes(LONGEST_HEAD)) is None


@given(st.binary(max_size=5000))
def test_any_bytes_have_a_name_or_none(head: bytes) -> None:
    assert name_foreign(head) is None or name_foreign(head)


def test_squashfs_that_is_not_version_4_is_named() -> None:
    assert name_foreign(b"hsqs" + bytes(24) + b"\3\0" + bytes(66)) == "squashfs of an unknown version"
    assert name_foreign(b"sqsh" + bytes(92)) == "squashfs of the other byte order"
