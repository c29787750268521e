from __future__ import annotations

import json
import lzma
import struct
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.squashfs import Squashfs, is_squashfs, open_squashfs
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import FileType, Node
from rocketaudit.model.reader import BytesReader
from tests.formats.tree_checks import (
    PreadReader,
    content,
    exercise,
    folder_differences,
    make_tree,
    manifest_differences,
    walk,
)
from tests.support import find_tool, needs_tools, shared_data

VARIANTS = ("b4k-nofrag", "lz4", "none", "xz", "zstd")
# two entries that mkfs.erofs 1.5 cannot write, so the manifest that both formats share leaves them out
LEFT_OUT = ["extra links/len4000", "extra names/" + "M" * 255]
MKSQUASHFS_OPTIONS = (
    ("-comp", "gzip"),
    ("-comp", "xz", "-b", "1048576"),
    ("-comp", "xz", "-Xbcj", "x86"),
    ("-comp", "lz4", "-Xhc"),
    ("-comp", "zstd", "-Xcompression-level", "3", "-always-use-fragments"),
    ("-comp", "zstd", "-b", "4096", "-no-fragments"),
    ("-noI", "-noD", "-noF", "-noX", "-no-exports"),
    ("-no-duplicates", "-noId"),
)


def vector(name: str) -> bytes:
    return lzma.decompress(shared_data("fs", "made", "squashfs", f"{name}.img.xz").read_bytes())


def mksquashfs(image: Path, folder: Path, *options: str) -> bytes:
    needs_tools("mksquashfs")
    tool = find_tool("mksquashfs")
    assert tool
    subprocess.run(
        [tool, folder, image, "-quiet", "-no-progress", "-noappend", "-processors", "1", *options],
        check=True,
        capture_output=True,
    )
    return image.read_bytes()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("squashfs") / "tree"
    make_tree(root)
    with (root / "etc" / "sparse").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
    return root


@pytest.fixture(scope="module")
def image(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return mksquashfs(tmp_path_factory.mktemp("squashfs") / "image", tree, "-comp", "zstd")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_vector_reads_as_its_manifest_says(variant: str) -> None:
    manifest = json.loads(shared_data("fs", "made", "tree-manifest.json").read_text())
    fs = open_squashfs(BytesReader(memoryview(vector(variant))), Budget())
    assert sorted(manifest_differences(fs, manifest)) == LEFT_OUT
    assert fs.warnings == ()


@pytest.mark.parametrize("options", MKSQUASHFS_OPTIONS, ids=" ".join)
def test_what_mksquashfs_writes_equals_its_source_through_either_reader(
    options: tuple[str, ...], tree: Path, tmp_path: Path
) -> None:
    image = mksquashfs(tmp_path / "image", tree, *options)
    assert folder_differences(open_squashfs(BytesReader(memoryview(image)), Budget()), tree) == []
    assert folder_differences(open_squashfs(PreadReader(image), Budget()), tree) == []


def test_unsquashfs_extracts_the_same_tree(tree: Path, tmp_path: Path) -> None:
    needs_tools("unsquashfs")
    image = mksquashfs(tmp_path / "image", tree, "-comp", "xz")
    tool = find_tool("unsquashfs")
    assert tool
    subprocess.run([tool, "-no-progress", "-d", tmp_path / "out", tmp_path / "image"], check=False, capture_output=True)
    assert folder_differences(open_squashfs(BytesReader(image), Budget()), tmp_path / "out") == []


@pytest.mark.parametrize("name", ["gzip-opts", "gzip", "lz4", "xz", "zstd"])
def test_images_of_other_makers_are_read_without_a_gap(name: str) -> None:
    outcome = exercise(shared_data("fs", "squashfs", f"{name}.sqfs").read_bytes(), open_squashfs)
    assert (outcome.nodes, outcome.gaps) == (108, [])


@pytest.mark.parametrize("name", ["lzma", "lzo"])
def test_a_compression_that_is_not_read_is_named(name: str) -> None:
    reader = BytesReader(shared_data("fs", "squashfs", f"{name}.sqfs").read_bytes())
    with pytest.raises(UnsupportedError, match=f"compressed by {name}"):
        open_squashfs(reader, Budget())


def test_seeds_of_the_kernel_fuzzer_are_read_or_named_as_lzo() -> None:
    for file in sorted(shared_data("fs", "syzkaller", "squashfs").iterdir()):
        outcome = exercise(lzma.decompress(file.read_bytes()), open_squashfs)
        assert outcome.gaps == []
        assert outcome.nodes == 7 or "lzo" in outcome.refused


def test_a_node_number_is_its_place_so_only_hard_links_share_one(image: bytes) -> None:
    fs = open_squashfs(BytesReader(image), Budget())
    numbers: dict[int, list[bytes]] = {}
    for path, node in walk(fs):
        numbers.setdefault(node.number, []).append(path)
    shared = [sorted(paths) for paths in numbers.values() if len(paths) > 1]
    assert shared == [[b"etc/text", b"hard"]]


def test_extents_hold_the_stored_bytes_and_regions_the_rest(tree: Path, tmp_path: Path) -> None:
    image = mksquashfs(tmp_path / "image", tree, "-noD", "-noF")
    fs = open_squashfs(BytesReader(image), Budget())
    owned = bytearray(len(image))
    for path, node in walk(fs):
        if node.type is FileType.REGULAR:
            data = content(fs, node)
            for extent in fs.extents(node):
                if extent.physical is None:
                    assert not any(data[extent.logical : extent.logical + extent.length])
                    continue
                stored = image[extent.physical : extent.physical + extent.stored]
                assert stored == data[extent.logical : extent.logical + extent.length], path
                owned[extent.physical : extent.physical + extent.stored] = b"\1" * extent.stored
    for region in fs.regions():
        owned[region.start : region.start + region.length] = b"\1" * region.length
    assert bytes(owned[: fs.superblock.bytes_used]).find(b"\0") == -1
    assert {"inode table", "directory table", "fragment table"} <= {region.what for region in fs.regions()}


def test_uncompressed_blocks_are_views_of_the_mapped_image(tree: Path, tmp_path: Path) -> None:
    fs = open_squashfs(BytesReader(memoryview(mksquashfs(tmp_path / "image", tree, "-noD", "-noF"))), Budget())
    node = dict(walk(fs))[b"etc/noise"]
    assert {type(piece) for piece in fs.chunks(node)} == {memoryview}


def test_the_magic_and_version_tell_squashfs() -> None:
    assert is_squashfs(b"hsqs" + bytes(24) + b"\x04\0" + bytes(4066))
    assert not is_squashfs(b"hsqs" + bytes(24) + b"\x03\0" + bytes(4066))
    assert not is_squashfs(b"")


@pytest.mark.parametrize(
    ("offset", "value", "error", "words"),
    [
        (0, b"sqsh", FormatError, "no squashfs magic"),
        (28, b"\x03", UnsupportedError, "version 3.0"),
        (12, b"\x01", FormatError, "block size"),
        (20, b"\x09", UnsupportedError, "compression 9"),
        (64, b"\xff" * 8, FormatError, "tables at"),
        (48, b"\xff" * 8, TruncatedError, "does not fit"),
    ],
)
def test_a_superblock_that_cannot_be_used_says_which_byte(
    image: bytes, offset: int, value: bytes, error: type[FormatError], words: str
) -> None:
    damaged = bytearray(image)
    damaged[offset : offset + len(value)] = value
    with pytest.raises(error, match=rf"{words}.*byte \d+"):
        open_squashfs(BytesReader(damaged), Budget())


def test_a_damaged_data_block_leaves_the_other_files_readable(image: bytes) -> None:
    fs = open_squashfs(BytesReader(image), Budget())
    node = dict(walk(fs))[b"etc/text"]
    extent = next(fs.extents(node))
    assert extent.physical is not None
    damaged = bytearray(image)
    damaged[extent.physical : extent.physical + 40] = b"\xa5" * 40
    outcome = exercise(damaged, open_squashfs)
    assert outcome.nodes > 400
    assert outcome.gaps
    assert all(f"byte {extent.physical}" in gap for gap in outcome.gaps)


def test_an_image_cut_short_is_refused_or_read_in_part(image: bytes) -> None:
    for size in (0, 50, 96, 4096, len(image) // 2, len(image) - 5000):
        outcome = exercise(image[:size], open_squashfs)
        assert outcome.refused or outcome.gaps or outcome.warnings


def test_a_scan_that_decodes_more_than_its_budget_stops(image: bytes) -> None:
    fs = open_squashfs(BytesReader(image), Budget(max_bytes=100_000))
    contents = (content(fs, node) for _path, node in walk(fs) if node.type is FileType.REGULAR)
    with pytest.raises(BudgetError):
        list(contents)


def test_a_scan_with_more_entries_than_its_budget_stops(image: bytes) -> None:
    with pytest.raises(BudgetError):
        list(walk(open_squashfs(BytesReader(image), Budget(max_entries=100))))


def plain_image(tree: Path, folder: Path) -> bytes:
    """One whose metadata is not compressed, so that a test can find and change it."""
    return mksquashfs(folder / "image", tree, "-noI", "-noD", "-noF", "-noX", "-noId")


def the_file(fs: Squashfs, path: bytes) -> Node:
    return dict(walk(fs))[path]


def test_a_file_that_claims_exbibytes_ends_with_its_block_list_or_the_budget(tree: Path, tmp_path: Path) -> None:
    image = bytearray(plain_image(tree, tmp_path))
    fs = open_squashfs(BytesReader(image), Budget())
    node = the_file(fs, b"etc/sparse")
    at = image.index(struct.pack("<Q", node.size), fs.superblock.inode_table)
    image[at : at + 8] = struct.pack("<Q", (1 << 62) + 1)
    started = time.monotonic()
    tracemalloc.start()
    outcome = exercise(image, open_squashfs)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.gaps
    assert time.monotonic() - started < 5
    assert peak < 64 << 20


def test_a_directory_that_contains_itself_is_given_like_any_other(tree: Path, tmp_path: Path) -> None:
    image = bytearray(plain_image(tree, tmp_path))
    fs = open_squashfs(BytesReader(image), Budget())
    outer, inner = the_file(fs, b"etc/deep"), the_file(fs, b"etc/deep/deeper")
    assert outer.number >> 16 == inner.number >> 16
    # the entry: offset of the inode, difference of numbers, type, length of the name less one
    wanted = struct.pack("<H", inner.number & 0xFFFF)
    at = image.index(wanted, fs.superblock.directory_table)
    while image[at + 8 : at + 14] != b"deeper":
        at = image.index(wanted, at + 1)
    image[at : at + 2] = struct.pack("<H", outer.number & 0xFFFF)
    looped = open_squashfs(BytesReader(image), Budget())
    child = dict(looped.entries(outer))[b"deeper"]
    assert isinstance(child, Node)
    assert child.number == outer.number


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "lz4"])
def test_a_block_that_decodes_to_more_than_it_may_is_refused(compression: str, tree: Path, tmp_path: Path) -> None:
    image = bytearray(mksquashfs(tmp_path / "image", tree, "-comp", compression, "-b", "131072"))
    struct.pack_into("<I", image, 12, 4096)
    struct.pack_into("<H", image, 22, 12)
    fs = open_squashfs(BytesReader(image), Budget())
    with pytest.raises(FormatError):
        content(fs, the_file(fs, b"etc/text"))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(VARIANTS),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), min_size=1, max_size=12),
)
def test_a_mutated_image_parses_or_raises_format_error(variant: str, patches: list[tuple[int, bytes]]) -> None:
    if variant not in _BASES:
        _BASES[variant] = vector(variant)
    image = bytearray(_BASES[variant])
    # most of the tables lie at the end: half of the patches go there, some into the superblock
    for number, (at, patch) in enumerate(patches):
        limit = (len(image), len(image), 96)[number % 3]
        place = limit - 1 - at % min(limit, 30_000)
        image[place : place + len(patch)] = patch
    exercise(image, open_squashfs, max_bytes=1 << 26)


_BASES: dict[str, bytes] = {}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_behind_a_magic_parse_or_raise_format_error(tail: bytes) -> None:
    exercise(b"hsqs" + tail, open_squashfs, max_bytes=1 << 26)
