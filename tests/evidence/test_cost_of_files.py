"""What the files of an image may cost grows with what the image stores, and a file that costs more is refused alone."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rocketaudit.errors import BudgetError
from rocketaudit.evidence.reading import FileRead, read_file
from rocketaudit.formats.erofs import open_erofs
from rocketaudit.formats.ext4 import open_ext4
from rocketaudit.formats.fat import open_fat
from rocketaudit.formats.squashfs import open_squashfs
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Wants
from rocketaudit.model.filesystem import FileSystem, FileType
from rocketaudit.model.reader import BytesReader, Reader
from rocketaudit.source.raw import open_raw
from tests.formats.erofs_builder import CHUNKED, Builder
from tests.formats.tree_checks import walk
from tests.support import find_tool, needs_tools

MIB = 1 << 20
GIB = 1 << 30
Opener = Callable[[Reader, Budget], FileSystem]
WANTS = Wants(digests=True, binaries=True)


def tool(name: str, *arguments: str | Path) -> None:
    needs_tools(name)
    subprocess.run([find_tool(name) or "", *arguments], check=True, capture_output=True)


def made(kind: str, tree: Path, image: Path, *options: str) -> Opener:
    """An image of the tree; the function that opens it."""
    match kind:
        case "ext4" | "ext2":
            tool("mke2fs", "-q", "-t", kind, "-b", "1024", "-O", "^resize_inode", *options, "-d", tree, image, "24M")
            return open_ext4
        case "erofs":
            tool("mkfs.erofs", "--quiet", "--chunksize=4096", *options, image, tree)
            return open_erofs
        case _:
            tool("mksquashfs", tree, image, "-noappend", "-no-progress", "-noD", *options)
            return open_squashfs


def read_all(fs: FileSystem) -> dict[str, FileRead]:
    return {
        path.decode(): read_file(fs, node, "root", path.decode(), WANTS)
        for path, node in sorted(walk(fs), key=lambda one: one[0])
        if node.type is FileType.REGULAR
    }


@pytest.mark.parametrize("kind", ["ext4", "ext2", "squashfs"])
def test_a_sparse_file_larger_than_all_is_unread_and_costs_the_others_nothing(kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    body = random.Random(kind).randbytes(70_000)
    (tree / "a-plain").write_bytes(body)
    size = {"ext4": 4000 * GIB, "ext2": 15 * GIB, "squashfs": 200 * MIB}[kind]  # mksquashfs reads every zero
    with (tree / "lastlog").open("wb") as file:
        file.write(b"head")
        file.seek(size - 5)
        file.write(b"-tail")
    with (tree / "moderate").open("wb") as file:
        file.truncate(3 * MIB)
    (tree / "z-plain").write_bytes(body[::-1])
    opener = made(kind, tree, tmp_path / "image")
    raw, _ = open_raw(tmp_path / "image")
    fs = opener(raw, Budget(max_holes=64 * MIB))
    began = time.process_time()
    found = read_all(fs)
    assert time.process_time() - began < 4
    raw.close()
    assert found["lastlog"].sha256 is None
    assert "of holes in this scan" in str(found["lastlog"].unread)
    assert found["a-plain"].sha256 == hashlib.sha256(body).hexdigest()
    assert found["z-plain"].sha256 == hashlib.sha256(body[::-1]).hexdigest()
    if kind != "squashfs":  # its holes are one word for a block, so the first ones of a file were counted
        assert found["moderate"].sha256 == hashlib.sha256(bytes(3 * MIB)).hexdigest()


@pytest.mark.parametrize("kind", ["ext4", "ext2", "squashfs"])
def test_what_a_giant_sparse_file_does_hold_can_be_read_and_located(kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    size = 14 * GIB if kind.startswith("ext") else 40 * MIB
    with (tree / "disk").open("wb") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"in the middle")
        file.truncate(size)
    opener = made(kind, tree, tmp_path / "image")
    fs = opener(BytesReader((tmp_path / "image").read_bytes()), Budget())
    node = dict(walk(fs))[b"disk"]
    assert node.size == size
    assert fs.read(node, size // 2 // 4096 * 4096 - 2, 17) == b"\0\0in the middle\0\0"
    stored = [extent for extent in fs.extents(node) if extent.physical is not None]
    assert 0 < sum(extent.length for extent in stored) <= 128 << 10
    assert sum(extent.length for extent in fs.extents(node)) == size


def test_holes_between_the_chunks_of_an_erofs_file_are_bounded_too() -> None:
    builder = Builder()
    first = builder.block(b"x" * 4096)
    chunks = [first, *[0xFFFFFFFF] * 60]
    builder.inode(CHUNKED, 61 * 4096, struct.pack("<61I", *chunks), name=b"file")
    data = builder.image()
    expected = hashlib.sha256(b"x" * 4096 + bytes(60 * 4096)).hexdigest()
    assert read_all(open_erofs(BytesReader(data), Budget()))["file"].sha256 == expected
    assert "of holes" in str(read_all(open_erofs(BytesReader(data), Budget(max_holes=59 * 4096)))["file"].unread)


def test_a_sparse_file_within_the_bound_has_the_digest_of_its_zeros(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "disk").open("wb") as file:  # larger than the image by far
        file.truncate(300 * MIB)
    opener = made("ext4", tree, tmp_path / "image")
    data = (tmp_path / "image").read_bytes()
    digest = hashlib.sha256()
    for _ in range(300):
        digest.update(bytes(MIB))
    assert read_all(opener(BytesReader(data), Budget()))["disk"].sha256 == digest.hexdigest()


def shared_ext4(tmp_path: Path, count: int) -> tuple[Opener, bytes]:
    """A file of 1 MiB, `count` others whose map says that they are the same, and one of its own."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "0-large").write_bytes(random.Random(1).randbytes(MIB))
    for number in range(count):
        (tree / f"1-copy-{number:03}").write_bytes(b"x" * 200)
    (tree / "2-own").write_bytes(b"its own bytes")
    opener = made("ext4", tree, tmp_path / "image", "-O", "^metadata_csum,^has_journal,^inline_data")
    data = bytearray((tmp_path / "image").read_bytes())
    nodes = dict(walk(opener(BytesReader(bytes(data)), Budget())))
    large: int = nodes[b"0-large"].handle.offset  # type: ignore[attr-defined]
    for path, node in nodes.items():
        if path.startswith(b"1-"):
            at: int = node.handle.offset  # type: ignore[attr-defined]
            for first, last in ((4, 8), (0x28, 0x64)):  # the size, the map
                data[at + first : at + last] = data[large + first : large + last]
    return opener, bytes(data)


def shared_fat(tmp_path: Path, count: int) -> tuple[Opener, bytes]:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(24 * MIB)
    tool("mkfs.vfat", image)
    (tmp_path / "large").write_bytes(random.Random(1).randbytes(MIB))
    names = [f"COPY{number:03}" for number in range(count)]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "own").write_bytes(b"its own bytes")
    tool("mcopy", "-i", image, tmp_path / "large", *(tmp_path / name for name in names), tmp_path / "own", "::")
    data = bytearray(image.read_bytes())
    large = data.index(b"LARGE      ")
    for name in names:
        at = data.index(name.encode().ljust(11))
        data[at + 20 : at + 22] = data[large + 20 : large + 22]
        data[at + 26 : at + 32] = data[large + 26 : large + 32]
    return open_fat, bytes(data)


def shared_squashfs(tmp_path: Path, count: int) -> tuple[Opener, bytes]:
    """mksquashfs stores the same block once by itself."""
    tree = tmp_path / "tree"
    tree.mkdir()
    body = random.Random(1).randbytes(MIB)
    for number in range(count):
        (tree / f"1-copy-{number:03}").write_bytes(body)
    (tree / "2-own").write_bytes(b"its own bytes")
    return made("squashfs", tree, tmp_path / "image", "-b", "1M", "-no-fragments"), (tmp_path / "image").read_bytes()


def shared_fragment(tmp_path: Path, count: int) -> tuple[Opener, bytes]:
    tree = tmp_path / "tree"
    tree.mkdir()
    body = random.Random(1).randbytes(MIB - 4096)
    for number in range(count):
        (tree / f"1-copy-{number:03}").write_bytes(body)
    (tree / "2-own").write_bytes(b"its own bytes")
    opener = made("squashfs", tree, tmp_path / "image", "-b", "1M", "-always-use-fragments", "-noF")
    return opener, (tmp_path / "image").read_bytes()


def shared_chunks(tmp_path: Path, count: int) -> tuple[Opener, bytes]:
    """mkfs.erofs stores chunks that are the same once, too."""
    tree = tmp_path / "tree"
    tree.mkdir()
    body = random.Random(1).randbytes(MIB)
    for number in range(count):
        (tree / f"1-copy-{number:03}").write_bytes(body)
    (tree / "2-own").write_bytes(b"its own bytes")
    return made("erofs", tree, tmp_path / "image"), (tmp_path / "image").read_bytes()


@pytest.mark.parametrize("make", [shared_ext4, shared_fat, shared_squashfs, shared_fragment, shared_chunks])
def test_bytes_that_many_files_share_are_given_a_few_times_and_the_rest_is_read(
    make: Callable[[Path, int], tuple[Opener, bytes]], tmp_path: Path
) -> None:
    opener, data = make(tmp_path, 120)
    image = tmp_path / "sparse"
    with image.open("wb") as file:  # as sparse as an image that came out of its packing
        for at in range(0, len(data), 4096):
            piece = data[at : at + 4096]
            if piece.strip(b"\0"):
                file.seek(at)
                file.write(piece)
        file.truncate(len(data))
    raw, _ = open_raw(image)
    most_bytes = 16 * MIB
    found = read_all(opener(raw, Budget(max_bytes=most_bytes)))
    raw.close()
    digests = [one.sha256 for path, one in found.items() if "copy" in path.lower() and one.sha256]
    unread = [one.unread for path, one in found.items() if one.unread]
    assert 2 <= len(digests) <= 70
    assert len(digests) + len(unread) >= 120
    assert all("in this scan" in str(reason) for reason in unread)
    own = hashlib.sha256(b"its own bytes").hexdigest()
    read_last = "shared_fragment" not in make.__name__  # there all ends are in one block, whose budget is spent
    assert (own in {one.sha256 for one in found.values()}) == read_last


def test_a_volume_of_terabytes_that_stores_nothing_may_give_no_more_than_a_small_one(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(4 << 40)
    raw, _ = open_raw(image)
    budget = Budget()
    for _ in range(3):
        budget.allow(sum(end - start for start, end in raw.stored_extents(0, raw.size)))
    budget.give(3 * GIB)
    with pytest.raises(BudgetError):
        budget.give(2 * GIB)
    budget.give(GIB)  # what was refused did not count
    raw.close()
