"""Tar archives against Python's own writer, and hostile ones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.tar_members import MAX_MEMBERS, list_members
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader
from tests.support import needs_tools

NAMES = ("a", "d/" + "b" * 90, "x" * 150, "ünï/" + "y" * 300)


def archive(style: int, names: tuple[str, ...] = NAMES) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = number * 300
            tar.addfile(info, io.BytesIO(bytes([number]) * info.size))
    return out.getvalue()


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_were_written(style: int) -> None:
    data = archive(style)
    members = list_members(BytesReader(data), Budget())
    assert [(member.name, member.size) for member in members] == [(n, i * 300) for i, n in enumerate(NAMES)]
    assert all(set(data[m.offset : m.offset + m.size]) <= {i} for i, m in enumerate(members))


def test_ustar_prefix_is_part_of_the_name() -> None:
    name = "p" * 100 + "/" + "n" * 90
    (member,) = list_members(BytesReader(archive(tarfile.USTAR_FORMAT, (name,))), Budget())
    assert member.name == name


def test_wrong_checksum_and_cut_archive_are_format_errors() -> None:
    data = bytearray(archive(tarfile.USTAR_FORMAT, ("a", "b")))
    with pytest.raises(TruncatedError):
        list_members(BytesReader(data[: 512 * 3]), Budget())
    data[600] ^= 1
    with pytest.raises(FormatError, match="checksum"):
        list_members(BytesReader(data), Budget())


def test_too_many_members_are_refused() -> None:
    data = archive(tarfile.USTAR_FORMAT, ("a",))
    with pytest.raises(FormatError, match="more than"):
        list_members(BytesReader((data[:512] * (MAX_MEMBERS + 1)) + bytes(1024)), Budget())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3000), st.binary(max_size=200))
def test_damage_gives_members_or_a_format_error(at: int, patch: bytes) -> None:
    data = bytearray(archive(tarfile.PAX_FORMAT))
    data[at : at + len(patch)] = patch
    try:
        members = list_members(BytesReader(data), Budget())
    except FormatError:
        return
    assert all(member.offset + member.size <= len(data) for member in members)


def test_two_files_of_one_name_are_refused() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for text in (b"first", b"second"):
            member = tarfile.TarInfo("disk.vmdk")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    with pytest.raises(FormatError, match=r"two files named 'disk.vmdk' \(byte 1024\)"):
        list_members(BytesReader(made.getvalue()), Budget())


@pytest.mark.parametrize("style", ["gnu", "posix"])
def test_a_member_with_holes_is_refused_by_name(style: str, tmp_path: Path) -> None:
    needs_tools("tar")
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(512 << 10)
        file.write(b"x" * 4096)
    command = ["tar", "--sparse", f"--format={style}", "-C", tmp_path, "-cf", tmp_path / "x.ova", "disk.img"]
    subprocess.run(command, check=True)
    with pytest.raises(UnsupportedError, match="stored with holes"):
        list_members(BytesReader((tmp_path / "x.ova").read_bytes()), Budget())
