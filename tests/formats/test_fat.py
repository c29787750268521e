from __future__ import annotations

import os
import pickle
import random
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError, TruncatedError
from rocketaudit.formats.ext4 import is_ext
from rocketaudit.formats.fat import Fat, is_fat, open_fat
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.model.reader import BytesReader
from tests.formats.tree_checks import PreadReader, content, exercise, walk
from tests.support import find_tool, needs_tools, shared_data

TIME = 1_700_000_000  # even: FAT counts in steps of two seconds
KIB = {12: 5 << 10, 16: 20 << 10, 32: 70 << 10}


def tool(name: str, *arguments: str | Path) -> str:
    needs_tools(name)
    path = find_tool(name)
    assert path
    environment = os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    command = [path, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def make(image: Path, folder: Path, bits: int, *options: str, kib: int = 0) -> bytes:
    size = str(kib or KIB[bits])
    tool("mkfs.vfat", "-F", str(bits), "-n", "EFI-TEST", "-i", "1234ABCD", *options, "-C", image, size)
    tool("mcopy", "-s", "-m", "-i", image, *sorted(folder.iterdir()), "::/")
    return image.read_bytes()


def opened(image: bytes | bytearray, budget: Budget | None = None) -> Fat:
    return open_fat(BytesReader(memoryview(image)), budget or Budget())


def damaged(image: bytes, *patches: tuple[int, bytes]) -> bytearray:
    out = bytearray(image)
    for at, new in patches:
        out[at : at + len(new)] = new
    return out


def entry_of(image: bytes, short: bytes) -> int:
    """Where the short entry of a file lies."""
    at = image.index(short)
    assert at % 32 == 0
    return at


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fat") / "tree"
    (folder / "EFI" / "BOOT").mkdir(parents=True)
    (folder / "EFI" / "BOOT" / "bootx64.efi").write_bytes(random.Random(1).randbytes(1_500_001))
    (folder / "A long name with ünïcode 名前.text").write_bytes(b"long")
    (folder / "lower.txt").write_bytes(b"lower")
    (folder / "UPPER.TXT").write_bytes(b"upper")
    (folder / "Mixed.Txt").write_bytes(b"mixed")
    (folder / ("n" * 250)).write_bytes(b"n")
    (folder / "noextension").write_bytes(b"")
    (folder / "many").mkdir()
    for number in range(300):
        (folder / "many" / f"entry-number-{number}.conf").write_bytes(b"%d" % number)
    for path in folder.rglob("*"):
        os.utime(path, (TIME, TIME))
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("small") / "tree"
    (folder / "SUB").mkdir(parents=True)
    (folder / "SUB" / "BODY").write_bytes(b"content " * 600)
    (folder / "a longer name").write_bytes(b"x" * 3000)
    return make(folder.parent / "image", folder, 12, "-s", "1", kib=128)


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_a_volume_that_mtools_filled_equals_its_source_tree(bits: int, tree: Path, tmp_path: Path) -> None:
    image = make(tmp_path / "image", tree, bits)
    assert is_fat(image[:4096])
    fs = opened(image)
    assert (fs.kind, fs.features, fs.label, fs.uuid) == ("fat", (f"fat{bits}",), "EFI-TEST", "1234-ABCD")
    assert fs.warnings == ()
    found = {os.fsdecode(path): node for path, node in walk(fs) if path}
    assert set(found) == {str(path.relative_to(tree)) for path in tree.rglob("*")}
    for name, node in found.items():
        assert node.mtime == TIME, name
        if node.type is FileType.REGULAR:
            assert content(fs, node) == (tree / name).read_bytes(), name
        else:
            assert (tree / name).is_dir()


@pytest.mark.parametrize("options", [("-S", "4096", "-s", "1"), ("-s", "8", "-f", "1"), ("-R", "40")], ids=" ".join)
def test_sector_sizes_single_tables_and_reserved_sectors_are_read(
    options: tuple[str, ...], tree: Path, tmp_path: Path
) -> None:
    fs = opened(make(tmp_path / "image", tree, 16, *options, kib=40 << 10))
    node = dict(walk(fs))[b"EFI/BOOT/bootx64.efi"]
    assert content(fs, node) == (tree / "EFI/BOOT/bootx64.efi").read_bytes()


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_clusters_are_those_that_mtools_shows(bits: int, tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    make(image, tree, bits)
    for number in range(0, 300, 2):  # every second entry goes, so that a large file is scattered
        tool("mdel", "-i", image, f"::/many/entry-number-{number}.conf")
    body = tmp_path / "scattered"
    body.write_bytes(random.Random(2).randbytes(900_000))
    tool("mcopy", "-i", image, body, "::/scattered")
    fs = opened(image.read_bytes())
    node = dict(walk(fs))[b"scattered"]
    assert content(fs, node) == body.read_bytes()
    size = fs.geometry.cluster_size
    ours = [
        2 + (extent.physical + at - fs.geometry.data_at) // size
        for extent in fs.extents(node)
        if extent.physical is not None
        for at in range(0, extent.length, size)
    ]
    theirs: list[int] = []
    for part in tool("mshowfat", "-i", image, "::/scattered").split("<")[1:]:
        first, _, last = part.split(">")[0].partition("-")
        theirs.extend(range(int(first), int(last or first) + 1))
    assert ours == theirs


def test_no_cluster_of_a_file_is_a_region(small: bytes) -> None:
    fs = opened(small)
    regions = list(fs.regions())
    assert {region.what for region in regions} >= {"boot sectors", "allocation table 2", "directory /SUB"}
    for _path, node in walk(fs):
        for extent in fs.extents(node):
            assert extent.physical is not None
            for region in regions:
                assert extent.physical >= region.start + region.length or extent.physical < region.start


def test_a_reader_that_copies_gives_the_same_bytes(small: bytes) -> None:
    fs = open_fat(PreadReader(small), Budget())
    assert b"".join(fs.chunks(dict(walk(fs))[b"SUB/BODY"])) == b"content " * 600


def test_a_long_name_whose_checksum_is_wrong_gives_way_to_the_short_name(small: bytes) -> None:
    at = entry_of(small, b"ALONGE~1   ")
    fs = opened(damaged(small, (at - 32 + 13, b"\0")))
    assert sorted(name for name, _ in fs.entries(fs.root())) == [b"ALONGE~1", b"SUB"]


def test_half_a_surrogate_in_a_long_name_stays_apart_from_others(small: bytes) -> None:
    at = entry_of(small, b"ALONGE~1   ") - 32 + 1
    names = set()
    for unit in (0xD800, 0xDC00, 0xFFFD):
        fs = opened(damaged(small, (at, struct.pack("<H", unit))))
        names |= {name for name, _ in fs.entries(fs.root())} - {b"SUB"}
    assert len(names) == 3


def test_a_name_with_a_slash_is_raised_after_the_other_entries(small: bytes) -> None:
    at = entry_of(small, b"ALONGE~1   ") - 32 + 1
    fs = opened(damaged(small, (at, b"/\0")))
    entries = fs.entries(fs.root())
    assert next(entries)[0] == b"SUB"
    with pytest.raises(FormatError, match="directory entry name"):
        next(entries)


def test_a_chain_that_ends_early_gives_what_it_holds_and_then_an_error(small: bytes) -> None:
    at = entry_of(small, b"BODY       ")
    fs = opened(damaged(small, (at + 28, struct.pack("<I", 20_000))))
    node = dict(walk(fs))[b"SUB/BODY"]
    pieces = fs.chunks(node)
    assert bytes(next(pieces)).startswith(b"content content")
    with pytest.raises(FormatError, match=r"chain ends after \d+ of 20000 bytes"):
        list(pieces)


def test_a_file_larger_than_the_volume_is_refused_at_once(small: bytes) -> None:
    at = entry_of(small, b"BODY       ")
    fs = opened(damaged(small, (at + 28, struct.pack("<I", 0xFFFFFFFF))))
    began = time.process_time()
    with pytest.raises(FormatError):
        list(fs.chunks(dict(walk(fs))[b"SUB/BODY"]))
    assert time.process_time() - began < 1


def test_a_folder_inside_itself_has_the_number_of_itself(small: bytes) -> None:
    folder = entry_of(small, b"SUB        ")
    body = entry_of(small, b"BODY       ")
    loop = damaged(small, (body + 11, b"\x10"), (body + 26, small[folder + 26 : folder + 28]))
    fs = opened(loop)
    sub = dict(fs.entries(fs.root()))[b"SUB"]
    assert isinstance(sub, Node)
    again = dict(fs.entries(sub))[b"BODY"]
    assert isinstance(again, Node)
    assert again.number == sub.number
    assert exercise(loop, open_fat).nodes > 0


def test_a_folder_whose_chain_is_a_ring_ends(small: bytes) -> None:
    fs = opened(small)
    sub = dict(fs.entries(fs.root()))[b"SUB"]
    assert isinstance(sub, Node)
    cluster: int = sub.handle.cluster  # type: ignore[attr-defined]
    at = fs.geometry.fat_at + cluster * 3 // 2
    word = int.from_bytes(small[at : at + 2], "little")
    ring = word & 0xF | cluster << 4 if cluster & 1 else word & 0xF000 | cluster
    used = fs.geometry.data_at + (cluster - 2) * fs.geometry.cluster_size
    filler = small[used + 64 : used + 96] * (fs.geometry.cluster_size // 32)
    broken = opened(damaged(small, (at, ring.to_bytes(2, "little")), (used, filler)))
    with pytest.raises(FormatError, match="loop"):
        list(broken.entries(sub))


def test_an_entry_that_starts_outside_is_a_bad_node_with_its_name(small: bytes) -> None:
    at = entry_of(small, b"SUB        ")
    fs = opened(damaged(small, (at + 26, b"\xff\x7f")))
    found = dict(fs.entries(fs.root()))[b"SUB"]
    assert isinstance(found, BadNode)
    assert "cluster 32767" in found.reason


def test_tables_that_differ_are_a_warning(small: bytes) -> None:
    geometry = opened(small).geometry
    fs = opened(damaged(small, (geometry.fat_at + geometry.fat_size + 3, b"\x55")))
    assert fs.warnings == ("allocation table 2 differs from the first",)


def test_a_cut_volume_opens_with_a_warning(small: bytes) -> None:
    fs = opened(small[: len(small) // 2])
    assert any(text.startswith("truncated") for text in fs.warnings)
    with pytest.raises(TruncatedError):
        opened(small[:511])


@pytest.mark.parametrize(
    ("at", "new"), [(11, b"\0\1"), (13, b"\3"), (14, b"\0\0"), (16, b"\0"), (510, b"\0\0"), (19, b"\1\0")]
)
def test_an_impossible_boot_sector_is_refused(small: bytes, at: int, new: bytes) -> None:
    with pytest.raises(FormatError):
        opened(damaged(small, (at, new)))


def test_a_read_larger_than_the_budget_is_refused(small: bytes) -> None:
    fs = opened(small, Budget(entry_bytes=1000))
    node = dict(walk(fs))[b"SUB/BODY"]
    assert len(fs.read(node, 100, 1000)) == 1000
    with pytest.raises(BudgetError):
        fs.read(node, 0, 2000)


def test_other_first_sectors_are_not_taken_for_fat() -> None:
    assert not is_fat(b"\xebR\x90NTFS    ".ljust(510, b"\0") + b"\x55\xaa")
    assert not is_fat(b"\xebv\x90EXFAT   ".ljust(510, b"\0") + b"\x55\xaa")
    assert not is_fat(bytes(510) + b"\x55\xaa")
    assert not is_fat(b"")
    assert not is_ext(b"")
    for path in shared_data("fs", "gpt").glob("*.bin"):
        assert not is_fat(path.read_bytes()[:4096])


def test_nodes_survive_pickling(small: bytes) -> None:
    fs = opened(small)
    node = pickle.loads(pickle.dumps(dict(walk(fs))[b"SUB/BODY"]))
    assert b"".join(fs.chunks(node)) == b"content " * 600


@given(st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_parse_or_raise_format_error(raw: bytes) -> None:
    is_fat(raw)
    exercise(raw, open_fat)


@pytest.mark.parametrize("bits", [12, 16, 32])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_gives_gaps_and_nothing_else(
    bits: int, small: bytes, wide: dict[int, bytes], data: st.DataObject
) -> None:
    base = wide.get(bits, small)
    image = bytearray(base)
    geometry = opened(base).geometry
    interesting = (0, geometry.fat_at, geometry.root_at, geometry.data_at, entry_of(base, b"BODY       "))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.sampled_from(interesting)) + data.draw(st.integers(0, 600))
        new = data.draw(st.sampled_from([b"\0", b"\xff", b"\xff" * 4, b"\0" * 4]) | st.binary(max_size=8))
        image[at : at + len(new)] = new
    exercise(image, open_fat, max_bytes=1 << 26)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    folder = tmp_path_factory.mktemp("wide") / "tree"
    (folder / "SUB").mkdir(parents=True)
    (folder / "SUB" / "BODY").write_bytes(b"content " * 600)
    return {
        16: make(folder.parent / "16", folder, 16, "-s", "1", kib=2400),
        32: make(folder.parent / "32", folder, 32, "-s", "1", kib=34 << 10),
    }
