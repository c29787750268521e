"""Where results go: the options are checked first, and files are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rocketaudit.cli.output import Screen, parse_outputs, wants_sha512, write_file, write_outputs
from rocketaudit.errors import UsageError
from tests.report.samples import ordinary


def test_the_console_is_the_default_and_quiet_drops_it() -> None:
    assert [output.writer.name for output in parse_outputs([])] == ["console"]
    assert parse_outputs([], quiet=True) == ()
    assert [output.writer.name for output in parse_outputs(["console", "json=x"], quiet=True)] == ["json"]


def test_a_path_may_hold_an_equals_sign_and_a_dash_is_standard_output() -> None:
    (output,) = parse_outputs(["json=a=b.json"])
    assert output.path == Path("a=b.json")
    assert parse_outputs(["json=-"])[0].path is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pdf"], "no output format 'pdf'"),
        (["json="], "names no file"),
        (["json", "html"], "only one format can go to standard output"),
        (["json=x", "html=./x"], "two formats would be written"),
        ([""], "no output format ''"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_outputs(words)


def test_only_outputs_that_need_sha512_ask_for_it() -> None:
    assert wants_sha512(parse_outputs(["cyclonedx=x"]))
    assert not wants_sha512(parse_outputs(["json=x"]))


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("keep")
    link = tmp_path / "link"
    link.symlink_to(target)
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "."):
        with pytest.raises(UsageError, match="no regular file"):
            write_file(tmp_path / name, b"x")
    assert target.read_text() == "keep"


def test_a_missing_folder_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_file(tmp_path / "no" / "x", b"")
    assert list(tmp_path.iterdir()) == []


def test_files_are_written_before_the_screen(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    outputs = parse_outputs(["console", f"json={tmp_path / 'r.json'}"])
    write_outputs(ordinary(), outputs, Screen())
    assert (tmp_path / "r.json").exists()
    assert b"DOES NOT MEET THE POLICY" in capsysbinary.readouterr().out


def test_the_screen_is_plain_where_there_is_no_terminal(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write_outputs(ordinary(), parse_outputs([]), Screen.of_stdout())
    assert b"\x1b" not in capsysbinary.readouterr().out
