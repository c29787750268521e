"""Bad blocks are named as the file system's own tools name them, and at the right place of the file."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.audit import Looking, look
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.integrity import BadBlockReport
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.image import open_image
from tests.images import Built
from tests.support import find_tool, needs_tools

BLOCK = 4096


def root_of(image: Built) -> tuple[int, int]:
    part = next(one for one in image.partitions.values() if one.label == "BOTTLEROCKET-ROOT-A")
    return part.start, part.length


def damaged(image: Built, out: Path, blocks: list[int]) -> dict[int, list[BadBlockReport]]:
    """What integrity says of each data block after one byte of it was changed."""
    raw = bytearray(image.path.read_bytes())
    start, _ = root_of(image)
    for block in blocks:
        raw[start + block * BLOCK + 77] ^= 0x10
    out.write_bytes(raw)
    found: dict[int, list[BadBlockReport]] = {}
    for report in judge_integrity(look(out, Looking(verity_only=True), ())).bad_blocks:
        assert report.offset == start + report.block * BLOCK
        found.setdefault(report.block, []).append(report)
    return found


def chosen(image: Built, count: int) -> list[int]:
    return sorted(random.Random(20261126).sample(range(image.verity["A"].data_blocks), count))


def test_blocks_of_ext4_belong_to_what_debugfs_says(small_ext4_image: Built, tmp_path: Path) -> None:
    needs_tools("debugfs")
    blocks = chosen(small_ext4_image, 40)
    start, length = root_of(small_ext4_image)
    root = tmp_path / "root"
    root.write_bytes(small_ext4_image.path.read_bytes()[start : start + length])

    def debugfs(request: str) -> dict[int, str]:
        told = subprocess.run([find_tool("debugfs"), "-R", request, root], capture_output=True, text=True, check=True)
        return {int(one[1]): one[2] for one in re.finditer(r"^(\d+)\t(.+)$", told.stdout, re.MULTILINE)}

    inodes = debugfs(f"icheck {' '.join(map(str, blocks))}")
    numbers = {inode for inode in inodes.values() if inode.isdigit()}
    names = debugfs(f"ncheck {' '.join(sorted(numbers))}")
    found = damaged(small_ext4_image, tmp_path / "image.img", blocks)
    assert sorted(found) == blocks
    named = 0
    for block in blocks:
        path = names.get(int(inodes[block])) if inodes[block].isdigit() else None
        said = [one.path for one in found[block]]
        if path is None:
            assert said == [None] and found[block][0].what, (block, inodes[block], found[block])
        else:
            named += 1
            assert said == [re.sub("/+", "/", path)], block
    assert named >= 10


@pytest.mark.parametrize("kind", ["small_ext4_image", "small_erofs_image", "edges_erofs_image"])
def test_the_offset_in_the_file_is_where_the_blocks_bytes_are(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image: Built = request.getfixturevalue(kind)
    blocks = chosen(image, 60)
    found = damaged(image, tmp_path / "image.img", blocks)
    start, _ = root_of(image)
    raw = image.path.read_bytes()
    source = open_image(image.path, budget=Budget(), tmp_dir=None, progress=NoProgress())
    tree = next(one for one in source.trees if one.scope == "bank-a")
    plain = packed = 0
    for block in blocks:
        content = raw[start + block * BLOCK : start + (block + 1) * BLOCK]
        for report in found[block]:
            if report.path is None:
                assert report.what
                continue
            _, node = tree.lookup(report.path, follow=False)
            assert report.offset_in_file is not None and report.offset_in_file <= max(0, node.size - 1), report
            if node.type is not FileType.REGULAR:
                continue
            here = tree.fs.read(node, report.offset_in_file, min(BLOCK, node.size - report.offset_in_file))
            plain += here in content
            packed += here not in content
    source.close()
    assert plain + packed >= 3
    if "ext4" in kind:
        assert packed == 0
