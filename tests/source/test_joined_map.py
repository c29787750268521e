"""Parts of a file as one view: what is mapped is what reading one part after the other gives."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from rocketaudit.evidence import reading
from rocketaudit.formats.elf import Named, read_elf
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.ext4 import Ext4, open_ext4
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Wants
from rocketaudit.model.filesystem import Node
from rocketaudit.model.reader import MOST_JOINED, Part, Window, joined
from rocketaudit.source.raw import RawFile, open_raw
from tests.formats.elf.programs import program
from tests.support import needs_tools

PAGE = 4096
DATA = random.Random(5).randbytes(64 * PAGE + 100)


@pytest.fixture
def raw(tmp_path: Path) -> RawFile:
    (tmp_path / "x").write_bytes(DATA)
    return open_raw(tmp_path / "x")[0]


def test_parts_in_any_order_and_holes_are_one_view_that_is_searched_in_place(raw: RawFile) -> None:
    assert raw.joined([(0, PAGE)]) is None  # nothing is mapped yet
    raw.use_map()
    view = raw.joined([(8 * PAGE, 3 * PAGE), (None, 2 * PAGE), (0, PAGE), (64 * PAGE, 100)])
    assert view is not None and view.readonly
    assert view == DATA[8 * PAGE : 11 * PAGE] + bytes(2 * PAGE) + DATA[:PAGE] + DATA[64 * PAGE :]
    hay = Haystack(view)
    assert hay.find(DATA[50:60], ((0, len(view)),)) == 5 * PAGE + 50
    assert not hay._copies
    raw.close()  # a view stays when its file is closed
    assert view[5 * PAGE : 6 * PAGE] == DATA[:PAGE]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(1, PAGE), (PAGE, PAGE)],  # not at a page
        [(0, 100), (PAGE, PAGE)],  # not to the end of one
        [(0, PAGE), (64 * PAGE, 101)],  # behind the end of the file
        [(0, PAGE), (1 << 62, PAGE)],
        [(-PAGE, PAGE)],
        [(0, PAGE), (0, -PAGE), (0, PAGE)],
        [(None, PAGE)],
        [(0, PAGE), (None, 1 << 62)],
        [(0, PAGE)] * (MOST_JOINED + 1),
    ],
)
def test_other_parts_are_none(raw: RawFile, parts: list[Part]) -> None:
    raw.use_map()
    assert raw.joined(parts) is None


def test_parts_of_a_window_lie_inside_it(raw: RawFile) -> None:
    raw.use_map()
    window = Window(raw, 4 * PAGE, 8 * PAGE)
    view = joined(window, [(2 * PAGE, PAGE), (None, PAGE)])
    assert bytes(view or b"") == DATA[6 * PAGE : 7 * PAGE] + bytes(PAGE)
    for part in ((8 * PAGE, PAGE), (-PAGE, PAGE), (7 * PAGE, 2 * PAGE)):
        assert joined(window, [part]) is None
    assert joined(Window(raw, 100, 8 * PAGE), [(0, PAGE)]) is None  # a partition that begins within a page


def image_of(folder: Path, image: Path) -> Ext4:
    """In groups of 1 MiB, so that no large file lies in one piece."""
    needs_tools("mke2fs")
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-g", "256", "-N", "64", "-d", str(folder)]
    subprocess.run([*command, str(image), "48M"], check=True)
    raw = open_raw(image)[0]
    raw.use_map()
    return open_ext4(Window(raw, 0, raw.size), Budget())


def found(fs: Ext4, name: bytes) -> Node:
    node = dict(fs.entries(fs.root()))[name]
    assert isinstance(node, Node)
    return node


def test_a_program_in_many_parts_is_read_as_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    data = program("rust")
    data += bytes(3 << 20) + random.Random(6).randbytes(2 << 20) + b"the end"
    (tmp_path / "tree/whole").write_bytes(data)
    with (tmp_path / "tree/sparse").open("wb") as file:
        file.truncate(len(data))
        file.write(data[: len(program("rust"))])
        file.seek(len(data) - 7)
        file.write(b"the end")
    fs = image_of(tmp_path / "tree", tmp_path / "image")
    monkeypatch.setattr(reading, "CODELESS", 1 << 16)
    monkeypatch.setattr(reading, "Codeless", None)  # not needed
    for name in ("whole", "sparse"):
        node = found(fs, name.encode())
        assert fs.in_one_piece(node) is None and len(list(fs.extents(node))) > 1
        body = (tmp_path / "tree" / name).read_bytes()
        assert bytes(fs.joined(node) or b"") == body
        seen = reading.read_file(fs, node, "root", f"/{name}", Wants())
        assert seen.unread is None and seen.sha256 is not None
        assert seen.binary == read_elf(body, Named("root", f"/{name}", seen.sha256))
