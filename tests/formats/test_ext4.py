from __future__ import annotations

import gzip
import json
import lzma
import os
import pickle
import random
import re
import struct
import subprocess
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.crc32c import crc32c
from rocketaudit.formats.ext4 import Ext4, is_ext, open_ext4
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, FileType, Node
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
    "2k", "bigalloc", "bottlerocket-4k", "casefold", "desc128", "ea-inode", "encrypt", "ext2", "ext3", "half-md4",
    "inline-data", "journal-dirty", "large-dir", "mmp", "no64bit", "nocsum", "nodirindex", "nofiletype",
    "noflexbg", "quota-project", "sparse2", "uninit-bg",
)  # fmt: skip
MKFS_OPTIONS = (
    ("-O", "^has_journal"),
    ("-t", "ext2", "-b", "1024"),
    ("-t", "ext2", "-b", "1024", "-I", "128", "-O", "^filetype,^sparse_super,^resize_inode"),
    ("-t", "ext3", "-b", "2048"),
    ("-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"),
    ("-b", "1024", "-g", "512", "-O", "meta_bg,^resize_inode,^flex_bg,^64bit"),
    ("-b", "1024", "-O", "bigalloc", "-C", "8192"),
    ("-b", "65536", "-O", "^has_journal", "-F"),
    ("-O", "inline_data", "-I", "512"),
    ("-O", "ea_inode", "-I", "1024"),
    ("-O", "sparse_super2,^resize_inode,metadata_csum_seed"),
    ("-O", "casefold,large_dir", "-E", "encoding=utf8"),
    ("-G", "4", "-g", "4096", "-O", "uninit_bg,^metadata_csum"),
)


def vector(name: str) -> bytes:
    return lzma.decompress(shared_data("fs", "made", "ext4", f"{name}.img.xz").read_bytes())


def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(shared_data("fs", "made", "tree-manifest.json").read_text())
    return loaded


def tool(name: str, *arguments: str | Path) -> str:
    needs_tools(name)
    path = find_tool(name)
    assert path
    return subprocess.run([path, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


def mkfs(image: Path, folder: Path | None, *options: str, size: str = "48M") -> bytes:
    source = ("-d", folder) if folder else ()
    kind = () if "-t" in options else ("-t", "ext4")
    tool("mke2fs", "-q", "-F", *kind, *options, *source, image, size)
    return image.read_bytes()


def opened(image: bytes | bytearray, budget: Budget | None = None) -> Ext4:
    return open_ext4(BytesReader(memoryview(image)), budget or Budget())


def find(fs: Ext4, path: bytes) -> Node:
    return dict(walk(fs))[path]


def damaged(image: bytes, *patches: tuple[int, bytes]) -> bytearray:
    out = bytearray(image)
    for at, new in patches:
        out[at : at + len(new)] = new
    return out


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ext4") / "tree"
    folder.mkdir()
    make_tree(folder)
    (folder / "lost+found").mkdir(mode=0o700)
    os.setxattr(folder / "etc" / "empty", "user.large", b"v" * 700)  # 2000 bytes need blocks of 4 KiB
    with (folder / "sparse").open("wb") as file:
        for at in (0, 1 << 20, 5 << 20, 12 << 20):
            file.seek(at)
            file.write(b"island %d" % at)
        file.truncate((13 << 20) + 777)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """1 MiB with a handful of files, cheap to damage thousands of times."""
    folder = tmp_path_factory.mktemp("small") / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"content" * 3000)
    (folder / "other").write_bytes(b"x")
    (folder / "link").symlink_to("t" * 100)
    os.setxattr(folder / "other", "user.a", b"b" * 700)
    return mkfs(folder.parent / "image", folder, "-b", "1024", "-N", "32", "-O", "^has_journal", size="512K")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_vector_reads_as_its_manifest_says(name: str) -> None:
    image = vector(name)
    assert is_ext(image[:4096])
    differences = manifest_differences(opened(image), manifest())
    known = {"extra lost+found"}
    if name == "inline-data":  # mke2fs 1.47 writes a wrong size for this one file
        known |= {"size of sizes/sparse", "data of sizes/sparse"}
    assert set(differences) == known


def test_names_of_255_bytes_are_read() -> None:
    fs = opened(vector("bottlerocket-4k-name255"))
    assert any(len(path.rsplit(b"/", 1)[-1]) == 255 for path, _ in walk(fs))


@pytest.mark.parametrize("options", MKFS_OPTIONS, ids=" ".join)
def test_an_image_of_any_option_equals_its_source_tree(options: tuple[str, ...], tree: Path, tmp_path: Path) -> None:
    image = mkfs(tmp_path / "image", tree, *options)
    differences = folder_differences(opened(image), tree)
    if "inline_data" in options:  # the same mistake of mke2fs as above
        differences = [line for line in differences if "sparse" not in line and "zeros" not in line]
    assert differences == []


def test_a_reader_that_copies_gives_the_same_bytes_as_one_that_maps() -> None:
    image = vector("2k")
    fs = open_ext4(PreadReader(image), Budget())
    assert manifest_differences(fs, manifest()) == ["extra lost+found"]


@pytest.mark.parametrize("options", [("-b", "4096"), ("-t", "ext2", "-b", "1024")], ids=" ".join)
def test_extents_are_the_blocks_that_debugfs_names(options: tuple[str, ...], tree: Path, tmp_path: Path) -> None:
    image = mkfs(tmp_path / "image", tree, *options)
    fs = opened(image)
    size = fs.block_size
    for path in (b"sparse", b"etc/text", b"etc/noise", b"etc/deep/size-131073"):
        node = find(fs, path)
        ours = [
            (extent.physical + at) // size
            for extent in fs.extents(node)
            if extent.physical is not None
            for at in range(0, extent.length, size)
        ]
        theirs = tool("debugfs", "-R", f"blocks <{node.number}>", tmp_path / "image").split()
        indirect = {region.start // size for region in fs.regions() if region.what.endswith(f"inode {node.number}")}
        assert ours == [int(block) for block in theirs if int(block) not in indirect]


def test_inodes_are_as_debugfs_prints_them(tree: Path, tmp_path: Path) -> None:
    fs = opened(mkfs(tmp_path / "image", tree))
    for path in (b"etc/os-release", b"etc/noise", b"names", b"hard", b"fifo"):
        node = find(fs, path)
        text = tool("debugfs", "-R", f"stat <{node.number}>", tmp_path / "image")
        said = dict(reversed(re.findall(r"(Mode|User|Group|Size|Links|mtime): +(-?\w+)", text)))
        assert int(said["Mode"], 8) == node.mode
        owner = (int(said["User"]) & 0xFFFFFFFF, int(said["Group"]) & 0xFFFFFFFF)
        assert (*owner, int(said["Links"])) == (node.uid, node.gid, node.nlink)
        assert int(said["Size"]) == node.size
        assert int(said["mtime"], 16) == node.mtime


def test_regions_name_what_dumpe2fs_names(tree: Path, tmp_path: Path) -> None:
    fs = opened(mkfs(tmp_path / "image", tree, "-b", "1024", "-g", "4096"))
    size = fs.block_size
    regions = {(region.start // size, region.length // size, region.what) for region in fs.regions()}
    text = tool("dumpe2fs", tmp_path / "image")
    groups = re.split(r"\nGroup (\d+):", text)[1:]
    for number, body in zip(groups[::2], groups[1::2], strict=True):
        for what in ("Block bitmap", "Inode bitmap"):
            block = re.search(rf"{what} at (\d+)", body)
            assert block
            assert (int(block[1]), 1, f"{what.lower()} (group {number})") in regions
        table = re.search(r"Inode table at (\d+)-(\d+)", body)
        assert table
        span = int(table[2]) - int(table[1]) + 1
        assert (int(table[1]), span, f"inode table (group {number})") in regions
        descriptors = re.search(r"Group descriptors? at (\d+)(?:-(\d+))?", body)
        if descriptors:
            span = int(descriptors[2] or descriptors[1]) - int(descriptors[1]) + 1
            assert (int(descriptors[1]), span, f"group descriptors (group {number})") in regions
    names = find(fs, b"names")
    assert any(what == f"directory (inode {names.number})" for _, _, what in regions)
    assert any(what == "journal" for _, _, what in regions)


def test_no_block_is_both_metadata_and_file_data(tree: Path, tmp_path: Path) -> None:
    fs = opened(mkfs(tmp_path / "image", tree, "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "1024"))
    size = fs.block_size
    metadata: dict[int, str] = {}
    for region in fs.regions():
        for block in range(region.start // size, -(-(region.start + region.length) // size)):
            assert metadata.setdefault(block, region.what) == region.what
    for path, node in walk(fs):
        if node.type is FileType.REGULAR:
            for extent in fs.extents(node):
                if extent.physical is not None:
                    for block in range(extent.physical // size, (extent.physical + extent.length - 1) // size + 1):
                        assert block not in metadata, (path, metadata[block])


def test_allocated_but_unwritten_blocks_read_as_zeros(tmp_path: Path) -> None:
    mkfs(tmp_path / "image", None, "-b", "1024", size="8M")
    (tmp_path / "body").write_bytes(b"A" * 5000)
    tool("debugfs", "-w", "-R", f"write {tmp_path / 'body'} f", tmp_path / "image")
    tool("debugfs", "-w", "-R", "fallocate /f 0 40", tmp_path / "image")
    tool("debugfs", "-w", "-R", "sif /f size 40000", tmp_path / "image")
    fs = opened((tmp_path / "image").read_bytes())
    node = find(fs, b"f")
    assert content(fs, node) == b"A" * 5000 + bytes(35000)
    assert [extent.physical is None for extent in fs.extents(node)] == [False, True]


def test_a_deep_extent_tree_is_read_to_its_end_and_its_nodes_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    with (folder / "islands").open("wb") as file:
        for number in range(700):
            file.seek(number * 8192)
            file.write(b"%d" % number)
    fs = opened(mkfs(tmp_path / "image", folder, "-b", "1024"))
    node = find(fs, b"islands")
    assert content(fs, node) == (folder / "islands").read_bytes()
    assert sum(extent.physical is not None for extent in fs.extents(node)) == 700
    assert sum(region.what == f"block map of inode {node.number}" for region in fs.regions()) >= 9


def test_an_attribute_larger_than_a_block_is_read_from_its_own_inode(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "file").write_bytes(b"body")
    mkfs(tmp_path / "image", folder, "-b", "1024", "-O", "ea_inode", size="8M")
    value = random.Random(2).randbytes(1024)  # debugfs gives no more than a block
    (tmp_path / "value").write_bytes(value)
    tool("debugfs", "-w", "-R", f"ea_set -f {tmp_path / 'value'} /file user.huge", tmp_path / "image")
    fs = opened((tmp_path / "image").read_bytes())
    assert fs.xattrs(find(fs, b"file")) == ((b"user.huge", value),)
    assert any(region.what.startswith("xattr value") for region in fs.regions())


def test_access_control_lists_have_the_form_that_getxattr_gives(tmp_path: Path) -> None:
    needs_tools("mke2fs")
    entries = ((1, 6, -1), (2, 4, 1000), (4, 4, -1), (0x10, 6, -1), (0x20, 0, -1))
    value = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, permission, who & 0xFFFFFFFF) for tag, permission, who in entries
    )
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "file").write_bytes(b"")
    try:
        os.setxattr(folder / "file", "system.posix_acl_access", value)
    except OSError as error:
        pytest.skip(f"this file system holds no access control lists: {error}")
    fs = opened(mkfs(tmp_path / "image", folder))
    assert dict(fs.xattrs(find(fs, b"file")))[b"system.posix_acl_access"] == value


@pytest.mark.parametrize(
    ("bit", "name"), [(0x1, "compression"), (0x8, "journal_dev"), (0x1000, "dirdata"), (0x40000, "incompat_bit_18")]
)
def test_a_feature_that_we_cannot_read_is_refused_by_name(small: bytes, bit: int, name: str) -> None:
    flags = struct.unpack_from("<I", small, 1024 + 96)[0] | bit
    with pytest.raises(UnsupportedError, match=name):
        opened(damaged(small, (1024 + 96, struct.pack("<I", flags))))


def test_an_encrypted_file_is_refused_and_its_neighbours_are_read(small: bytes) -> None:
    fs = opened(small)
    node = find(fs, b"sub/file")
    at: int = node.handle.offset  # type: ignore[attr-defined]
    flags = struct.unpack_from("<I", small, at + 32)[0] | 0x800
    broken = opened(damaged(small, (at + 32, struct.pack("<I", flags))))
    encrypted = find(broken, b"sub/file")
    with pytest.raises(UnsupportedError, match="encrypted"):
        list(broken.chunks(encrypted))
    assert content(broken, find(broken, b"other")) == b"x"


def test_a_superblock_whose_checksum_is_wrong_opens_with_a_warning(small: bytes) -> None:
    assert opened(small).warnings == ()
    broken = damaged(small, (1024 + 120, b"other name\0"))
    assert opened(broken).warnings == ("bad superblock checksum",)
    assert opened(broken).label == "other name"


def test_a_journal_that_was_not_replayed_is_a_warning(tmp_path: Path) -> None:
    mkfs(tmp_path / "image", None, size="8M")
    tool("debugfs", "-w", "-R", "feature needs_recovery", tmp_path / "image")
    assert any(text.startswith("needs_recovery") for text in opened((tmp_path / "image").read_bytes()).warnings)


def test_a_cut_image_gives_what_is_left_and_says_that_it_is_cut() -> None:
    image = vector("bottlerocket-4k")
    outcome = exercise(image[: len(image) // 4], open_ext4)
    assert any(text.startswith("truncated") for text in outcome.warnings)
    assert outcome.refused == ""
    assert outcome.nodes > 0


def test_a_damaged_directory_block_is_raised_after_the_entries_that_could_be_read(small: bytes) -> None:
    fs = opened(small)
    names = [name for name, _ in fs.entries(fs.root())]
    block = next(extent.physical for extent in fs.extents(fs.root()))
    assert block is not None
    at = small.index(b"sub", block) - 8
    broken = opened(damaged(small, (at + 4, b"\x03\x00")))
    entries = broken.entries(broken.root())
    read = [name for name, _ in islice(entries, names.index(b"sub"))]
    assert read == names[: names.index(b"sub")]
    with pytest.raises(FormatError, match="directory inode 2: directory entry of 3 bytes"):
        next(entries)


@pytest.mark.parametrize("hostile", [b"a/b", b"a\0b"])
def test_a_name_that_no_path_can_hold_is_an_error(small: bytes, hostile: bytes) -> None:
    fs = opened(damaged(small, (small.index(b"sub\0"), hostile)))
    with pytest.raises(FormatError, match="directory entry name"):
        list(fs.entries(fs.root()))


def test_an_entry_of_an_impossible_inode_is_a_bad_node_with_its_name(small: bytes) -> None:
    at = small.index(b"sub\0") - 8
    fs = opened(damaged(small, (at, struct.pack("<I", 99999))))
    entries = dict(fs.entries(fs.root()))
    assert entries[b"sub"] == BadNode(99999, "inode 99999 of 32")
    assert isinstance(entries[b"other"], Node)


def test_a_file_that_claims_terabytes_is_refused_at_once(small: bytes) -> None:
    node = find(opened(small), b"sub/file")
    at: int = node.handle.offset  # type: ignore[attr-defined]
    fs = opened(damaged(small, (at + 108, struct.pack("<I", 0x100))))
    claimed = find(fs, b"sub/file")
    assert claimed.size > 1 << 40
    began = time.process_time()
    with pytest.raises(BudgetError, match="a hole of 1099511627"):
        list(fs.chunks(claimed))
    assert time.process_time() - began < 1


def test_an_empty_hole_is_counted_against_the_budget(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    with (folder / "hole").open("wb") as file:
        file.truncate(200 << 20)
    fs = opened(mkfs(tmp_path / "image", folder, size="8M"), Budget(max_holes=64 << 20))
    with pytest.raises(BudgetError, match="a hole of 209715200 bytes, more than 67108864"):
        next(iter(fs.chunks(find(fs, b"hole"))))


def test_files_that_all_share_the_same_blocks_meet_a_bound(tmp_path: Path) -> None:
    """A thousand inodes may name one gigabyte; they are given out only so often."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "file").write_bytes(os.urandom(4 << 20))
    fs = opened(mkfs(tmp_path / "image", folder, size="8M"), Budget(max_bytes=1 << 20))
    node = find(fs, b"file")
    for _ in range(8):
        assert sum(len(piece) for piece in fs.chunks(node)) == 4 << 20
    with pytest.raises(BudgetError, match="bytes of files in this scan"):
        list(fs.chunks(node))


def test_an_extent_tree_that_names_itself_ends(small: bytes) -> None:
    fs = opened(small)
    node = find(fs, b"sub/file")
    at: int = node.handle.offset + 40  # type: ignore[attr-defined]
    block = next(extent.physical for extent in fs.extents(node))
    assert block is not None
    number = block // fs.block_size
    entries = b"".join(struct.pack("<IIHH", logical, number, 0, 0) for logical in range(80))
    header = struct.pack("<HHHHI", 0xF30A, 80, 84, 5, 0)
    root = struct.pack("<HHHHI", 0xF30A, 4, 4, 5, 0)
    root += b"".join(struct.pack("<IIHH", logical, number, 0, 0) for logical in range(4))
    broken = opened(damaged(small, (at, root), (block, header + entries)))
    with pytest.raises(FormatError, match="extent tree"):
        list(broken.chunks(find(broken, b"sub/file")))
    empty = struct.pack("<HHHHI", 0xF30A, 80, 84, 4, 0)
    broken = opened(damaged(small, (at, root), (block, empty + entries)))
    with pytest.raises(FormatError, match="extent tree"):
        list(broken.chunks(find(broken, b"sub/file")))


def test_a_read_from_the_middle_of_fragmented_indirect_blocks_starts_where_asked() -> None:
    """A run that ends before the wanted byte once gave a read of negative length."""
    image = lzma.decompress(shared_data("fs", "syzkaller", "ext4", "ext4_0.img.xz").read_bytes())
    fs = opened(image)
    for _path, node in walk(fs):
        if node.type is FileType.REGULAR:
            content(fs, node)


def test_descriptors_are_found_when_bigalloc_counts_from_block_zero_with_meta_groups() -> None:
    image = lzma.decompress(shared_data("fs", "syzkaller", "ext4", "ext4_23.img.xz").read_bytes())
    assert {b"file0", b"file1", b"file.cold"} <= {path for path, _ in walk(opened(image))}


def test_the_sizes_of_devices_and_pipes_are_nothing_whatever_their_inode_says(tree: Path, tmp_path: Path) -> None:
    mkfs(tmp_path / "image", tree)
    tool("debugfs", "-w", "-R", "sif /fifo size 5000", tmp_path / "image")
    tool("debugfs", "-w", "-R", "sif /fifo flags 0x10000000", tmp_path / "image")
    fs = opened((tmp_path / "image").read_bytes())
    node = find(fs, b"fifo")
    assert (node.size, list(fs.chunks(node)), list(fs.extents(node))) == (0, [], [])


def damaged_vectors() -> list[tuple[str, bytes]]:
    found = []
    for folder in (("ext", "e2fsprogs"), ("syzkaller", "ext4"), ("util-linux",), ("dissect",)):
        for path in sorted(shared_data("fs", *folder).iterdir()):
            if path.suffix == ".xz" and (folder[0] == "syzkaller" or path.name.startswith("ext")):
                found.append((path.name, lzma.decompress(path.read_bytes())))
            elif path.suffix == ".gz":
                found.append((path.name, gzip.decompress(path.read_bytes())))
    return found


def test_other_projects_images_are_read_or_refused_in_time() -> None:
    for name, image in damaged_vectors():
        began = time.process_time()
        outcome = exercise(image, open_ext4)
        assert time.process_time() - began < 5, name
        assert outcome.nodes or outcome.refused or outcome.gaps, name
    healthy = json.loads(shared_data("fs", "ext", "e2fsprogs", "index.json").read_text())
    assert sum(entry["e2fsck_fn_rc"] == 0 for entry in healthy) > 20


def test_seeded_damages_give_gaps_and_nothing_else() -> None:
    base = vector("bottlerocket-4k")
    patches = json.loads(shared_data("fs", "made", "fuzz-patches.json").read_text())
    seen = 0
    for case in patches:
        if case["base"] != "ext4/bottlerocket-4k":
            continue
        image = bytearray(base)
        for at, new in case["patch"]:
            if at == "truncate":
                del image[new:]
            else:
                image[at : at + len(new) // 2] = bytes.fromhex(new)
        began = time.process_time()
        exercise(image, open_ext4)
        assert time.process_time() - began < 5, case["id"]
        seen += 1
    assert seen > 100


@given(st.binary(max_size=6000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_parse_or_raise_format_error(raw: bytes) -> None:
    is_ext(raw)
    exercise(raw, open_ext4)
    with_magic = bytearray(raw.ljust(4096, b"\0"))
    with_magic[1080:1082] = b"\x53\xef"
    exercise(with_magic, open_ext4)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_a_small_image_gives_gaps_and_nothing_else(small: bytes, data: st.DataObject) -> None:
    image = bytearray(small)
    interesting = [1024, 2048] + [region.start for region in opened(small).regions()]
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.sampled_from(interesting))
        at = min(len(image) - 8, start + data.draw(st.integers(0, 1023)))
        new = data.draw(st.sampled_from([b"\0", b"\xff", b"\xff" * 4, b"\0" * 4, b"\x01"]) | st.binary(max_size=8))
        image[at : at + len(new)] = new
    exercise(image, open_ext4, max_bytes=1 << 26)


@pytest.mark.parametrize("size", [0, 1023, 2047, 2048, 4096, 100_000])
def test_a_file_system_cut_anywhere_opens_partly_or_not_at_all(small: bytes, size: int) -> None:
    exercise(small[:size], open_ext4)
    if size < 2048:
        with pytest.raises(TruncatedError):
            opened(small[:size])


def test_groups_that_start_after_the_end_of_the_image_are_not_walked(small: bytes) -> None:
    """A superblock that counted four billion blocks once took 19 seconds to name the regions of 12 MiB."""
    fs = opened(damaged(small, (1024 + 4, b"\xff\xff\xff\xff"), (1024 + 32, struct.pack("<I", 256))))
    began = time.process_time()
    assert any(region.what == "inode table (group 0)" for region in fs.regions())
    assert time.process_time() - began < 1
    with pytest.raises(FormatError, match="groups of 8 blocks"):
        opened(damaged(small, (1024 + 32, struct.pack("<I", 8))))


def test_nodes_survive_pickling(small: bytes) -> None:
    fs = opened(small)
    node = pickle.loads(pickle.dumps(find(fs, b"sub/file")))
    assert b"".join(fs.chunks(node)) == b"content" * 3000


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert crc32c(b"123456789") ^ 0xFFFFFFFF == 0xE3069283


def test_pieces_are_views_of_the_image_and_at_most_four_mebibytes(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    body = random.Random(1).randbytes(10 << 20)
    (folder / "large").write_bytes(body)
    fs = opened(mkfs(tmp_path / "image", folder))
    pieces = list(fs.chunks(find(fs, b"large")))
    assert b"".join(pieces) == body
    assert all(isinstance(piece, memoryview) and len(piece) <= 4 << 20 for piece in pieces)
    assert len(pieces) < 8


def test_a_file_in_one_piece_is_one_view_and_another_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    body = random.Random(2).randbytes(9 << 20)
    (folder / "large").write_bytes(body)
    (folder / "small").write_bytes(body[: 300 << 10])
    with (folder / "sparse").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(5 << 20)
        file.write(body[:4096])
    (folder / "empty").write_bytes(b"")
    data = mkfs(tmp_path / "image", folder)
    fs = opened(data)
    places = [(extent.physical or 0) - extent.logical for extent in fs.extents(find(fs, b"large"))]
    assert len(places) > 1, "mke2fs writes an extent for each group"
    assert fs.in_one_piece(find(fs, b"large")) == (body if len(set(places)) == 1 else None)
    assert fs.in_one_piece(find(fs, b"small")) == body[: 300 << 10]
    assert fs.in_one_piece(find(fs, b"sparse")) is None
    assert fs.in_one_piece(find(fs, b"empty")) is None
