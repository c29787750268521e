"""`inspect`, `ls` and `cat` on real images: what they print, and what they never print."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.image_argument import path_of, split_argument
from rocketaudit.cli.main import main
from rocketaudit.model import bytepath
from tests.images import Built
from tests.source import disks
from tests.source.disks import Part
from tests.source.packed import run


def out_of(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    """What a command prints to standard output, ending with this code."""
    assert main([str(word) for word in words]) == code
    return capsys.readouterr().out


def rows_of(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, Any]]:
    rows = json.loads(out_of(capsys, "ls", *words, "-o", "json"))
    assert isinstance(rows, list)
    return rows


# inspect


def test_inspect_names_layout_partitions_banks_and_release(
    small_erofs_image: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = json.loads(out_of(capsys, "inspect", small_erofs_image.path, "-o", "json"))
    assert shown["layout"] == "grub-two-banks"
    assert shown["judged"] == "bank-a"
    assert shown["container"]["kind"] == "raw"
    assert [bank["boots_next"] for bank in shown["banks"]] == [True, False]
    assert {p["scope"]: p["content"] for p in shown["partitions"]}["bank-a"] == "erofs"
    assert shown["boot_entries"][0]["kind"] == "grub"
    assert ["ID", "bottlerocket"] in shown["release"]["os_release"]
    text = out_of(capsys, "inspect", small_erofs_image.path)
    assert "grub-two-banks" in text
    assert "bank a     boots next, priority 1" in text
    assert "IN_PLACE_UPDATES=true" in text


def test_inspect_of_a_packed_image_says_how_it_was_packed(
    small_erofs_image: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("lz4", "-q", small_erofs_image.path, tmp_path / "x")
    assert "container  lz4, " in out_of(capsys, "inspect", tmp_path / "x", "--tmp-dir", tmp_path)


def test_inspect_of_a_damaged_partition_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = bytearray(disks.erofs(tmp_path))
    root[1024 + 12] = 99  # block size bits
    path = disks.put_together(tmp_path / "disk", Part("ROOT", bytes(root)), Part("DATA"))
    text = out_of(capsys, "inspect", path, code=ExitCode.UNREAD)
    assert "unread     bank-a: " in text


def test_hostile_partition_names_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = disks.put_together(
        tmp_path / "disk", Part("ROOT", disks.erofs(tmp_path), "\x1b[31m\u202eevil"), Part("DATA")
    )
    text = out_of(capsys, "inspect", path)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u202e" in text


# ls


@pytest.mark.parametrize("image", ["small_erofs_image", "small_ext4_image"])
def test_listing_equals_what_went_in(
    image: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    built: Built = request.getfixturevalue(image)
    rows = {row["path"]: row for row in rows_of(capsys, built.path, "-R", "--digest")}
    assert set(rows) == {bytepath.encode(entry.path) for entry in built.manifest}
    for entry in built.manifest:
        row = rows[bytepath.encode(entry.path)]
        assert int(row["mode"], 8) == entry.mode & 0o7777, row
        assert (row["uid"], row["gid"]) == (entry.uid, entry.gid)
        assert row["xattrs"] == {
            name.decode(): base64.b64encode(value).decode() for name, value in sorted(entry.xattrs)
        }
        if row["type"] == "regular":
            assert row["sha256"] == entry.sha256
            assert row["size"] == entry.size
        if row["type"] == "symlink":
            assert row["target"] == bytepath.encode(entry.target)


def test_listing_without_recursion_is_one_folder_and_follows_links(
    small_erofs_image: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(capsys, small_erofs_image.path, "/usr/share/bottlerocket")
    root = small_erofs_image.usr("share/bottlerocket/")
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert all(row["path"].startswith(root) and "/" not in row["path"].removeprefix(root) for row in rows)
    assert set(rows[0]) == {
        "path", "type", "mode", "uid", "gid", "size", "mtime", "nlink", "target", "rdev", "xattrs",
    }  # fmt: skip


def test_listing_a_link_shows_the_link(small_erofs_image: Built, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = rows_of(capsys, small_erofs_image.path, "/etc/os-release")
    assert (row["type"], row["target"]) == ("symlink", "../usr/lib/os-release")
    text = out_of(capsys, "ls", small_erofs_image.path, "/etc/os-release")
    assert text.startswith("lrwxrwxrwx")
    assert text.endswith("/etc/os-release -> ../usr/lib/os-release\n")


@pytest.mark.parametrize("partition", ["3", "boot-a", "BOTTLEROCKET-BOOT-A"])
def test_partition_by_number_scope_or_name(
    partition: str, small_erofs_image: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [row["path"] for row in rows_of(capsys, f"{small_erofs_image.path}@{partition}", "/grub")]
    assert paths == ["/grub/grub.cfg"]


def test_partition_by_guid_uuid_or_label_and_no_name_stands_for_a_number_or_scope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = []
    for word in ("first", "second"):
        (tmp_path / word).mkdir()
        (tmp_path / word / word).write_bytes(b"x")
        uuid = f"{len(word):08}-1111-2222-3333-444444444444"
        options = ("-q", "-t", "ext4", "-L", f"label-{word}", "-U", uuid)
        run("mke2fs", *options, "-d", tmp_path / word, tmp_path / f"{word}.image", "1M")
        parts.append(Part("BOOT", (tmp_path / f"{word}.image").read_bytes(), {"first": "2", "second": "boot-a"}[word]))
    path = disks.put_together(tmp_path / "disk", *parts, Part("DATA"))
    shown = json.loads(out_of(capsys, "inspect", path, "-o", "json"))["partitions"]
    wanted = {"1": "first", "2": "second", "boot-a": "first", "boot-b": "second", "label-second": "second"}
    for one, word in zip(shown, ("first", "second"), strict=False):
        wanted |= {one["unique_guid"].lower(): word, one["unique_guid"].upper(): word, one["uuid"]: word}
    for name, word in wanted.items():
        assert f"/{word}" in [row["path"] for row in rows_of(capsys, f"{path}@{name}")], name


def test_below_a_folder_recursively(small_erofs_image: Built, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, f"{small_erofs_image.path}@boot-a", "/grub", "-R")
    assert [row["path"] for row in rows] == ["/grub", "/grub/grub.cfg"]


def test_hostile_file_names_are_escaped(hostile_names_image: Built, capsys: pytest.CaptureFixture[str]) -> None:
    text = out_of(capsys, "ls", hostile_names_image.path, "-R", "--digest")
    assert not [char for char in text if ord(char) < 32 and char != "\n"]
    assert not set(text) & set("\u202e\u2066\u200b\x7f\x9b")
    assert len(text.splitlines()) == len(hostile_names_image.manifest)
    rows = rows_of(capsys, hostile_names_image.path, "-R")
    assert {bytepath.decode(row["path"]) for row in rows} == {entry.path for entry in hostile_names_image.manifest}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("@nothing",), ExitCode.USAGE, "there is no partition nothing"),
        (("@data",), ExitCode.USAGE, "partition data holds blank"),
        (("", "/no/such"), ExitCode.UNREAD, "/no/such does not exist"),
        (("", "/", "-o", "yaml"), ExitCode.USAGE, "unknown output"),
    ],
)
def test_wrong_arguments_say_what_would_be_right(
    words: tuple[str, ...], code: int, said: str, small_erofs_image: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = words
    assert main(["ls", f"{small_erofs_image.path}{first}", *rest]) == code
    assert said in capsys.readouterr().err


def test_directory_that_cannot_be_listed_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {f"d__{number}": "x" * 5000 for number in range(40)}
    path = tmp_path / "root"
    data = bytearray(disks.erofs(tmp_path, **files))
    at = data.index(b"os-release")
    data[at : at + 10] = b"os/release"  # a name that no file may have
    path.write_bytes(data)
    rows = json.loads(out_of(capsys, "ls", path, "-R", "-o", "json", code=ExitCode.UNREAD))
    assert any("unread" in row for row in rows)
    assert sum(row["path"].startswith("/d/") for row in rows) == 40


# cat


def test_cat_gives_the_bytes(small_erofs_image: Built, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["cat", str(small_erofs_image.path), "/usr/bin/../lib/os-release"]) == 0
    data = capfdbinary.readouterr().out
    entry = small_erofs_image.entry(small_erofs_image.usr("lib/os-release"))
    assert hashlib.sha256(data).hexdigest() == entry.sha256


def test_cat_of_a_boot_file(small_erofs_image: Built, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["cat", f"{small_erofs_image.path}@boot-a", "grub/grub.cfg"]) == 0
    assert capfdbinary.readouterr().out.decode() == small_erofs_image.grub_cfg


def test_cat_of_a_folder_is_refused(small_erofs_image: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", str(small_erofs_image.path), "/usr"]) == ExitCode.UNREAD
    assert "is a directory" in capsys.readouterr().err


def test_cat_on_a_terminal_shows_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").write_bytes(disks.erofs(tmp_path, etc__motd="a\x1b[2Jb\n"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["cat", str(tmp_path / "root"), "/etc/motd"]) == 0
    assert capsys.readouterr().out == "a\\x1b[2Jb\n"


# arguments


def test_file_whose_name_holds_an_at_sign_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a@b").touch()
    assert split_argument(f"{tmp_path}/a@b") == (tmp_path / "a@b", "")
    assert split_argument(f"{tmp_path}/a@b@efi-a") == (tmp_path / "a@b", "efi-a")
    assert split_argument("x.img@3") == (Path("x.img"), "3")


def test_path_is_taken_as_printed_or_as_typed() -> None:
    assert path_of("/a%25b") == "/a%25b"
    assert path_of("/100%") == "/100%25"
    assert path_of("/%41") == "/%2541"
    assert path_of(os.fsdecode(b"/\xff")) == "/%FF"


@pytest.mark.parametrize("command", ["inspect", "ls", "cat"])
def test_an_image_that_cannot_be_opened_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.img").write_bytes(b"text\n" * 999)
    assert main([command, str(tmp_path / "x.img"), *(["/a"] if command == "cat" else [])]) == 3
    assert capsys.readouterr().err.startswith(f"rocketaudit: {tmp_path / 'x.img'}: the image has no partition table")
