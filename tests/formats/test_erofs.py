from __future__ import annotations

import json
import lzma
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.erofs import is_erofs, open_erofs
from rocketaudit.formats.erofs.volume import Space
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, FileType
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

VARIANTS = (
    "allroot", "chunk-indexes", "chunk16k", "chunk1m", "chunk4k", "compact", "dedupe", "default", "extended",
    "fragments", "lz4", "lz4-64k", "lz4-legacy", "lz4hc", "noinline", "noxattr", "xattr-none-lz4-noinline",
)  # fmt: skip
MKFS_OPTIONS = (
    (),
    ("-zlz4hc,12", "-C262144"),
    ("-zlz4", "-Elegacy-compress"),
    ("-zlz4", "-Eztailpacking"),
    ("-zlz4hc", "-C65536", "-Eztailpacking", "-Eforce-inode-extended"),
    ("--chunksize=4096",),
    ("-Enoinline_data", "-x2"),
)


def vector(name: str) -> bytes:
    return lzma.decompress(shared_data("fs", "made", "erofs", f"{name}.img.xz").read_bytes())


def mkfs(image: Path, folder: Path, *options: str) -> bytes:
    needs_tools("mkfs.erofs")
    tool = find_tool("mkfs.erofs")
    assert tool
    subprocess.run([tool, "--quiet", "-T1700000000", *options, image, folder], check=True, capture_output=True)
    return image.read_bytes()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("erofs") / "tree"
    make_tree(root)
    return root


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_vector_reads_as_its_manifest_says(variant: str) -> None:
    manifest = json.loads(shared_data("fs", "made", "tree-manifest.json").read_text())
    fs = open_erofs(BytesReader(memoryview(vector(variant))), Budget())
    owners = variant not in ("allroot", "compact")  # both were made with --all-root
    xattrs = variant not in ("noxattr", "xattr-none-lz4-noinline")
    assert manifest_differences(fs, manifest, owners=owners, xattrs=xattrs) == []
    assert fs.warnings == ()
    assert fs.uuid == "6f1a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b"
    assert fs.root().mtime == 1_700_000_000


@pytest.mark.parametrize("options", MKFS_OPTIONS, ids=" ".join)
def test_what_mkfs_writes_equals_its_source_through_either_reader(
    options: tuple[str, ...], tree: Path, tmp_path: Path
) -> None:
    image = mkfs(tmp_path / "image", tree, *options)
    assert folder_differences(open_erofs(BytesReader(memoryview(image)), Budget()), tree) == []
    assert folder_differences(open_erofs(PreadReader(image), Budget()), tree) == []


def test_fsck_extracts_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    needs_tools("fsck.erofs")
    image = mkfs(tmp_path / "image", tree, "-zlz4hc", "-C65536")
    tool = find_tool("fsck.erofs")
    assert tool
    subprocess.run([tool, f"--extract={tmp_path / 'out'}", tmp_path / "image"], check=True, capture_output=True)
    fs = open_erofs(BytesReader(image), Budget())
    for path, node in walk(fs):
        if node.type is FileType.REGULAR:
            assert (tmp_path / "out" / os.fsdecode(path)).read_bytes() == content(fs, node)


def test_dump_names_the_same_inode_and_extents(tree: Path, tmp_path: Path) -> None:
    needs_tools("dump.erofs")
    image = mkfs(tmp_path / "image", tree, "-zlz4hc", "-C65536")
    tool = find_tool("dump.erofs")
    assert tool
    shown = subprocess.run(
        [tool, "--path=/etc/text", "-e", tmp_path / "image"], check=True, capture_output=True, text=True
    ).stdout
    fs = open_erofs(BytesReader(image), Budget())
    node = dict(walk(fs))[b"etc/text"]
    assert f"NID: {node.number} " in shown
    # "0:        0..  272567 |  272567 :     315392..  380928 |   65536": whole blocks, where ours are exact
    numbers = [re.findall(r"\d+", line) for line in shown.splitlines() if ".." in line]
    theirs = [tuple(int(number) for number in row[1:]) for row in numbers]
    ours = []
    for extent in fs.extents(node):
        stored = -(-extent.stored // 4096) * 4096
        physical = extent.physical or 0
        ours.append(
            (extent.logical, extent.logical + extent.length, extent.length, physical, physical + stored, stored)
        )
    assert len(ours) > 1
    assert ours == theirs


def test_every_block_that_is_not_free_has_an_owner(tree: Path, tmp_path: Path) -> None:
    image = mkfs(tmp_path / "image", tree, "-zlz4hc")
    fs = open_erofs(BytesReader(image), Budget())
    owned = bytearray(len(image))
    for _path, node in walk(fs):
        for extent in fs.extents(node):
            assert extent.physical is not None
            owned[extent.physical : extent.physical + extent.stored] = b"\1" * extent.stored
    for region in fs.regions():
        owned[region.start : region.start + region.length] = b"\1" * region.length
    # what nobody owns is padding: the boot block, and gaps that hold zeros
    strangers = [at for at in range(1024, len(image)) if not owned[at] and image[at]]
    assert strangers == []


def test_a_region_names_the_inode_and_the_directory_it_holds(tree: Path, tmp_path: Path) -> None:
    fs = open_erofs(BytesReader(mkfs(tmp_path / "image", tree)), Budget())
    named = {region.what: region for region in fs.regions()}
    node = dict(walk(fs))[b"etc/os-release"]
    assert named["inode of /etc/os-release"].start == node.number * 32 + (
        fs.volume.superblock.meta_block << fs.volume.superblock.block_bits
    )
    assert "directory /names" in named
    assert "inode of /names/%FF%FE" in named
    assert "inode of /names/%2541" in named


def test_uncompressed_files_are_views_of_the_mapped_image(tree: Path, tmp_path: Path) -> None:
    fs = open_erofs(BytesReader(memoryview(mkfs(tmp_path / "image", tree))), Budget())
    node = dict(walk(fs))[b"etc/noise"]
    assert [type(piece) for piece in fs.chunks(node)] == [memoryview, memoryview]


def patched() -> Iterator[Any]:
    for patch in json.loads(shared_data("fs", "made", "fuzz-patches.json").read_text()):
        if patch["base"].startswith("erofs/"):
            yield patch


def test_damaged_vectors_give_partial_results_and_never_hang() -> None:
    images = {base: vector(base.split("/")[1]) for base in ("erofs/default", "erofs/lz4")}
    count = 0
    for patch in patched():
        image = bytearray(images[patch["base"]])
        for place, data in patch["patch"]:
            if place == "truncate":
                del image[data:]
            else:
                raw = bytes.fromhex(data)
                image[place : place + len(raw)] = raw
        started = time.monotonic()
        outcome = exercise(image, open_erofs)
        assert time.monotonic() - started < 5
        if patch["rc"]:  # whatever fsck.erofs finds we find too
            assert outcome.refused or outcome.gaps or outcome.warnings, patch["id"]
        count += 1
    assert count == 140


@pytest.mark.parametrize("name", ["sample_1024", "sample_4096", "sample_512_1024", "sample_noxattrs"])
def test_small_blocks_that_old_tools_refuse_are_read(name: str) -> None:
    outcome = exercise(shared_data("fs", "erofs-rs", f"{name}.img").read_bytes(), open_erofs)
    assert outcome.gaps == []
    assert outcome.nodes >= 8


def test_seeds_of_the_kernel_fuzzer_are_read() -> None:
    for file in sorted(shared_data("fs", "syzkaller", "erofs").iterdir()):
        outcome = exercise(lzma.decompress(file.read_bytes()), open_erofs)
        assert (outcome.nodes, outcome.gaps) == (7, [])


def test_the_magic_alone_tells_erofs() -> None:
    assert is_erofs(bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(3068))
    assert not is_erofs(bytes(4096))
    assert not is_erofs(b"")


@pytest.mark.parametrize(
    ("offset", "value", "error", "words"),
    [
        (1024, b"\0", FormatError, "no EROFS magic"),
        (1024 + 12, b"\x08", FormatError, "block size of 2^8"),
        (1024 + 80, b"\0\0\0\x40", UnsupportedError, "0x40000000"),
        (1024 + 90, b"\1", UnsupportedError, "directory blocks"),
    ],
)
def test_a_superblock_that_cannot_be_used_says_which_byte(
    offset: int, value: bytes, error: type[FormatError], words: str
) -> None:
    image = bytearray(vector("default"))
    image[offset : offset + len(value)] = value
    with pytest.raises(error, match=r"byte \d+") as raised:
        open_erofs(BytesReader(image), Budget())
    assert words in str(raised.value)


def test_a_wrong_superblock_checksum_is_a_warning() -> None:
    image = bytearray(vector("default"))
    image[1024 + 64] ^= 1
    assert open_erofs(BytesReader(image), Budget()).warnings == ("bad superblock checksum",)


def test_an_image_cut_short_still_lists_what_is_there() -> None:
    image = vector("noinline")
    fs = open_erofs(BytesReader(image[:-8192]), Budget())
    assert fs.warnings == ("the image ends 8192 bytes early",)
    assert exercise(image[:-8192], open_erofs).nodes > 600
    with pytest.raises(TruncatedError):
        open_erofs(BytesReader(image[:1100]), Budget())


def test_names_out_of_order_are_given_and_then_refused() -> None:
    image = bytearray(vector("default"))
    at = image.index(b"os-release")
    image[at : at + 2] = b"\x01s"
    fs = open_erofs(BytesReader(image), Budget())
    directory = next(node for path, node in walk(fs) if path == b"etc")
    names = []
    found = (names.append(name) for name, _node in fs.entries(directory))
    with pytest.raises(FormatError, match="not in order"):
        list(found)
    assert b"\x01s-release" in names


def test_a_scan_that_decodes_more_than_its_budget_stops() -> None:
    fs = open_erofs(BytesReader(vector("lz4")), Budget(max_bytes=20_000))
    contents = (content(fs, node) for _path, node in walk(fs) if node.type is FileType.REGULAR)
    with pytest.raises(BudgetError):
        list(contents)


def test_files_that_all_share_the_same_blocks_meet_a_bound(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(os.urandom(2 << 20))
    fs = open_erofs(BytesReader(mkfs(tmp_path / "image", tmp_path / "tree")), Budget(max_bytes=1 << 20))
    ((_, node),) = [found for found in fs.entries(fs.root()) if found[0] == b"file"]
    assert not isinstance(node, BadNode)
    for _ in range(4):
        assert sum(len(piece) for piece in fs.chunks(node)) == 2 << 20
    with pytest.raises(BudgetError, match="bytes of files in this scan"):
        list(fs.chunks(node))


def test_a_scan_with_more_entries_than_its_budget_stops() -> None:
    fs = open_erofs(BytesReader(vector("default")), Budget(max_entries=100))
    with pytest.raises(BudgetError):
        list(walk(fs))


@pytest.mark.parametrize("options", [(), ("-zlz4hc", "-C65536"), ("--chunksize=4096",)], ids=" ".join)
def test_order_sorts_files_by_where_their_first_byte_lies(options: tuple[str, ...], tree: Path, tmp_path: Path) -> None:
    fs = open_erofs(BytesReader(mkfs(tmp_path / "image", tree, *options)), Budget())
    files = {node.number: node for _path, node in walk(fs) if node.type is FileType.REGULAR and node.size}
    for node in files.values():
        first = next(fs.extents(node)).physical
        if first is not None:  # a compact index counts from a neighbouring block
            assert abs(node.order - first) <= 16 * 4096


def test_the_cache_of_metadata_stays_small() -> None:
    fetched: list[int] = []

    def fetch(offset: int, length: int) -> bytes:
        fetched.append(offset)
        return bytes(length)

    space = Space("test", 1 << 30, fetch)
    for offset in range(0, 1 << 24, 1 << 12):
        space.at(offset, 32)
    assert fetched == list(range(0, 1 << 24, 1 << 14))
    assert len(space.pages) == 256
    buffer, position = space.at((1 << 14) - 8, 16)
    assert len(buffer) - position >= 16
    with pytest.raises(TruncatedError, match="EROFS test has 1073741824 bytes"):
        space.at((1 << 30) - 8, 16)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_image_parses_or_raises_format_error(data: st.DataObject) -> None:
    image = bytearray(_mutation_base(data.draw(st.sampled_from(("lz4-64k", "chunk-indexes", "lz4-legacy")))))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(1024, min(len(image), 120_000) - 9))
        patch = data.draw(st.sampled_from((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01", b"\x80", b"\x7f\xff")))
        image[at : at + len(patch)] = patch
    exercise(image, open_erofs, max_bytes=1 << 26)


_BASES: dict[str, bytes] = {}


def _mutation_base(name: str) -> bytes:
    if name not in _BASES:
        _BASES[name] = vector(name)
    return _BASES[name]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_behind_a_magic_parse_or_raise_format_error(tail: bytes) -> None:
    exercise(bytes(1024) + b"\xe2\xe1\xf5\xe0" + tail, open_erofs, max_bytes=1 << 26)
