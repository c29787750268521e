"""What our builder writes of newer EROFS features is what the kernel reads: it mounts the images of the other tests.

It takes root and a kernel that knows all of them (6.17 has the metabox); only sound images are mounted.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rocketaudit.formats.erofs import open_erofs
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import Node
from rocketaudit.model.reader import BytesReader
from tests.formats import test_erofs_compression as images
from tests.formats.erofs_builder import DEFLATE, LZ4, LZMA, ZSTD, Builder
from tests.support import find_tool

pytestmark = pytest.mark.slow
_SUPERBLOCK = 1024
_ALGORITHMS = {"lz4": LZ4, "lzma": LZMA, "deflate": DEFLATE, "zstd": ZSTD}
_FIRST_KERNEL = (6, 17)


def _of_each(test: Callable[[int], None]) -> list[Callable[[], None]]:
    return [partial(test, algorithm) for algorithm in _ALGORITHMS.values()]


CASES: list[Callable[[], None]] = [
    *_of_each(images.test_every_algorithm_decodes_to_its_text),
    *_of_each(images.test_a_tail_packed_behind_its_index_is_read_from_there),
    *_of_each(images.test_a_deduplicated_extent_takes_only_the_start_of_what_its_block_decodes_to),
    *(partial(images.test_extent_records_of_every_size_are_read, size) for size in (4, 8, 16, 32)),
    images.test_big_pclusters_of_the_second_algorithm_take_as_many_blocks_as_the_index_says,
    images.test_extents_start_anywhere_in_an_lcluster_and_plain_ones_may_be_rotated,
    images.test_fragments_come_from_the_packed_inode_and_name_the_blocks_they_lie_in,
    images.test_extent_records_know_holes_fragments_and_plain_bytes,
    images.test_inodes_in_the_metabox_are_read_even_when_it_is_compressed,
    images.test_48_bit_images_have_wide_blocks_a_wide_root_and_holes,
    partial(images.test_lz4_without_0padding_may_end_in_zeros, 40),
]


def as_mkfs_writes(image: bytes) -> bytes:
    """With all algorithms listed in the superblock, as the kernel wants it; our reader does not ask."""
    data = bytearray(image)
    (features,) = struct.unpack_from("<I", data, _SUPERBLOCK + 80)
    if not features & 1:
        return image  # an image of the first layout
    struct.pack_into("<IH", data, _SUPERBLOCK + 80, features | 0x0B, 0x0F)
    data[_SUPERBLOCK + 13] = slots = 1 if features & 0x100 else 0  # the metabox has its number there
    records = (
        struct.pack("<HH10x", 65535, 255),
        struct.pack("<IH8x", 1 << 23, 0),
        struct.pack("<B5x", 15),
        struct.pack("<BB4x", 0, 10),
    )
    text = b"".join(struct.pack("<H", len(record)) + record for record in records)
    at = _SUPERBLOCK + 128 + 16 * slots
    data[at : at + len(text)] = text
    return bytes(data)


def kernel_lacks() -> str:
    """Why no image can be mounted here, or ""."""
    if os.geteuid():
        return "only root mounts"
    if not re.search(r"\berofs$", Path("/proc/filesystems").read_text(), re.MULTILINE):
        return "this kernel has no EROFS"
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if release is None or (int(release[1]), int(release[2])) < _FIRST_KERNEL:
        return f"kernel {platform.release()} does not know all features"
    return "" if find_tool("mount") else "mount is not installed"


def read_by_kernel(image: Path, folder: Path) -> dict[bytes, bytes | str]:
    subprocess.run(["mount", "-t", "erofs", "-o", "ro,nodev,nosuid,noexec", image, folder], check=True, timeout=60)
    try:
        found: dict[bytes, bytes | str] = {}
        for name in os.listdir(os.fsencode(folder)):
            try:
                found[name] = (folder / name.decode()).read_bytes()
            except OSError:
                found[name] = "unread"
        return found
    finally:
        subprocess.run(["umount", folder], check=True, timeout=60)


def read_by_us(image: bytes) -> dict[bytes, bytes | str]:
    fs = open_erofs(BytesReader(image), Budget())
    found: dict[bytes, bytes | str] = {}
    for name, node in fs.entries(fs.root()):
        try:
            found[name] = b"".join(fs.chunks(node)) if isinstance(node, Node) else "unread"
        except images.FormatError:
            found[name] = "unread"
    return found


def names_of(case: Callable[[], None]) -> str:
    made = case.func if isinstance(case, partial) else case
    return f"{made.__name__.removeprefix('test_')}{list(case.args) if isinstance(case, partial) else ''}"


@pytest.mark.parametrize("case", CASES, ids=names_of)
def test_the_kernel_reads_the_same_bytes(
    case: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = kernel_lacks()
    if reason:
        pytest.skip(reason)
    made: list[bytes] = []
    build = Builder.image

    def keep(builder: Builder) -> bytes:
        made.append(build(builder))
        return made[-1]

    monkeypatch.setattr(Builder, "image", keep)
    case()
    assert made
    for number, image in enumerate(dict.fromkeys(map(as_mkfs_writes, made))):
        (tmp_path / f"image-{number}").write_bytes(image)
        (tmp_path / "mounted").mkdir(exist_ok=True)
        theirs = read_by_kernel(tmp_path / f"image-{number}", tmp_path / "mounted")
        assert read_by_us(image) == theirs
        assert any(isinstance(data, bytes) for data in theirs.values())
