"""Trees that are larger than memory: what is kept while they are checked does not grow with them."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rocketaudit.cli.verity import verity
from rocketaudit.evidence.tree_check import check_tree
from rocketaudit.formats.verity import Layout, layout_of
from rocketaudit.formats.verity_findings import Findings
from rocketaudit.formats.verity_judge import TreeCheckBuilder
from rocketaudit.formats.verity_tree import MAX_LISTED, check_range, range_size
from rocketaudit.model.verity import BlockRange, TreeCheck, TreeVerdict, VerityParameters
from rocketaudit.source.span import open_span
from tests.support import find_tool, needs_tools

BLOCK = 65536
TIB = 1 << 40


@dataclass
class SparseDevice:
    """A device of any size: pieces of bytes, and zeros elsewhere that nobody can ask for by mistake."""

    size: int
    pieces: dict[int, bytes] = field(default_factory=dict)

    def read(self, offset: int, length: int) -> bytes:
        assert offset + length <= self.size
        out = bytearray(length)
        for at, piece in self.pieces.items():
            if at < offset + length and offset < at + len(piece):
                begin, end = max(at, offset), min(at + len(piece), offset + length)
                out[begin - offset : end - offset] = piece[begin - at : end - at]
        return bytes(out)

    def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for at, piece in sorted(self.pieces.items()):
            if at < end and start < at + len(piece):
                yield max(at, start), min(at + len(piece), end)


@dataclass
class TreeOfZeros:
    """The hash device over zeros, made when it is read: one content for every block of a level but the last one."""

    layout: Layout
    patches: dict[int, bytes] = field(default_factory=dict)
    contents: list[tuple[bytes, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        below = hashlib.sha256(self.layout.salt + bytes(BLOCK)).digest()
        last, self.contents = below, []
        count = self.layout.parameters.data_blocks
        for level in self.layout.levels:
            rest = count - (level.blocks - 1) * self.layout.per_block
            ending = (below * (rest - 1) + last).ljust(BLOCK, b"\0")
            self.contents.append((below * self.layout.per_block, ending))
            below, last = (hashlib.sha256(self.layout.salt + one).digest() for one in self.contents[-1])
            count = level.blocks
        self.root = last

    @property
    def size(self) -> int:
        return self.layout.tree_end

    def read(self, offset: int, length: int) -> bytes:
        assert length == BLOCK and not offset % BLOCK
        for level, (usual, last) in zip(self.layout.levels, self.contents, strict=True):
            number = offset // BLOCK - level.start
            if 0 <= number < level.blocks:
                return self.patches.get(offset, last if number == level.blocks - 1 else usual)
        raise AssertionError(offset)


def zeros_of(blocks: int, *, options: tuple[str, ...] = ()) -> tuple[Layout, TreeOfZeros]:
    parameters = VerityParameters(1, "sha256", BLOCK, BLOCK, blocks, "ab" * 32, "00" * 32, 1, options)
    draft = layout_of(parameters)
    layout = layout_of(replace(parameters, root_hash=TreeOfZeros(draft).root.hex()))
    return layout, TreeOfZeros(layout)


def check(layout: Layout, data: SparseDevice, tree: TreeOfZeros) -> TreeCheck:
    layout.check_sizes(data.size, tree.size)
    builder = TreeCheckBuilder(layout, tree)
    total, step = layout.levels[0].blocks, range_size(layout)
    for first in range(0, total, step):
        builder.add(check_range(data, tree, layout, first, min(first + step, total)))
    return builder.finish()


def peak_of(blocks: int) -> tuple[int, TreeCheck]:
    layout, tree = zeros_of(blocks)
    tracemalloc.start()
    found = check(layout, SparseDevice(blocks * BLOCK), tree)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, found


def test_a_tebibyte_of_zeros_take_no_more_memory_than_an_eighth_of_one():
    small, found = peak_of(TIB // 8 // BLOCK)
    assert (found.verdict, found.zero_blocks) == (TreeVerdict.VERIFIED, TIB // 8 // BLOCK)
    large, found = peak_of(TIB // BLOCK + 7)
    assert (found.verdict, found.zero_blocks) == (TreeVerdict.VERIFIED, TIB // BLOCK + 7)
    assert large < small + (1 << 20)


def test_every_bad_block_of_more_than_a_tebibyte_is_listed():
    layout, tree = zeros_of(5 * TIB // 4 // BLOCK)
    place = TIB + 5 * BLOCK
    data = SparseDevice(5 * TIB // 4, {place + 9: b"implant", 7 * BLOCK: b"x"})
    usual = tree.contents[0][0]
    offset = layout.offset_of(0, 9_000)
    tree.patches[offset] = usual[:-1] + bytes([usual[-1] ^ 1])
    found = check(layout, data, tree)
    assert [(bad.level, bad.block) for bad in found.bad_blocks] == [
        ("hash-0", 9_000),
        ("data", 7),
        ("data", place // BLOCK),
    ]
    assert found.first_bad_position == 7 * BLOCK
    assert found.hidden == (7, place // BLOCK)
    assert found.refused_total == 2 + layout.per_block


def test_a_tree_of_nothing_but_wrong_blocks_is_counted_and_its_lists_stay_bounded():
    blocks = (16 << 30) // BLOCK
    layout, _ = zeros_of(blocks)
    foreign = TreeOfZeros(layout_of(replace(layout.parameters, salt="cd" * 32)))
    layout = layout_of(replace(layout.parameters, root_hash=foreign.root.hex()))
    found = check(layout, SparseDevice(16 << 30), foreign)
    assert found.verdict is TreeVerdict.CORRUPT
    assert found.bad_blocks_total == blocks + sum(level.blocks for level in layout.levels)
    assert [bad.level for bad in found.bad_blocks].count("data") == MAX_LISTED
    assert found.refused == (BlockRange(0, blocks - 1),) and found.refused_total == blocks
    assert found.first_bad_position == 0


@pytest.mark.parametrize("exponent", [20, 32, 47, 48])
def test_nothing_is_kept_of_a_tree_whose_blocks_are_only_counted(exponent):
    """2^48 blocks cannot be read in a lifetime; what a check would keep for them can be measured."""
    parameters = VerityParameters(1, "sha256", 4096, 4096, 1 << exponent, "", "00" * 32, 1)
    tracemalloc.start()
    layout = layout_of(parameters)
    builder = TreeCheckBuilder(layout, SparseDevice(layout.tree_end))
    data = SparseDevice(layout.data_end)
    for first in (0, 16, 32):
        builder.add(check_range(data, builder.hashes, layout, first, first + 16))
    assert tracemalloc.get_traced_memory()[0] < 16 << 20
    tracemalloc.stop()
    assert len(builder.open) == len(layout.levels) <= 7


def test_ranges_that_are_refused_are_the_first_ones_and_their_number_is_exact():
    found = Findings(limit=2)
    for first in (0, 1, 5, 9, 10):
        found.refuse_all(BlockRange(first, first))
    assert found.refused == [BlockRange(0, 1), BlockRange(5, 5)]
    assert found.refused_total == 5


def sparse_devices(folder: Path, size: int) -> tuple[Path, Path, Layout]:
    """Files on disk: data of nothing but holes but for its ends, and its tree, level 0 written block by block."""
    layout, zeros = zeros_of(size // BLOCK)
    data, hashes = folder / "data", folder / "hash"
    with data.open("wb") as file:
        file.truncate(size)
    with hashes.open("wb") as file:
        for level in range(len(layout.levels)):
            for block in range(layout.levels[level].blocks):
                file.seek(layout.offset_of(level, block))
                file.write(zeros.read(layout.offset_of(level, block), BLOCK))
    return data, hashes, layout


def resident_of(command: list[str | Path]) -> int:
    """The most bytes that a command or one of its workers held at once; it must succeed.

    A small process starts it: Linux counts what the one that forked held before exec as the child's own.
    """
    words = [str(word) for word in command]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *words], capture_output=True, text=True, check=True)
    return int(done.stdout) << 10


_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("size", [64 << 30, pytest.param(4 * TIB, marks=pytest.mark.slow)])
def test_no_process_of_a_check_holds_more_than_sixty_mebibytes(tmp_path, size):
    """Pages that the kernel maps around those that were asked for count too: the tree of the large one has 2 GiB."""
    data, hashes, layout = sparse_devices(tmp_path, size)
    options = {
        "--salt": layout.salt.hex(),
        "--data-block-size": BLOCK,
        "--hash-block-size": BLOCK,
        "--data-blocks": size // BLOCK,
        "--hash-offset": BLOCK,
        "--root-hash": layout.root_hash.hex(),
    }
    words: list[str | Path] = [sys.executable, "-m", "rocketaudit", "verity", "-q", data, "--hash-device", hashes]
    words += ["--no-superblock", "-o", "json", *(str(word) for pair in options.items() for word in pair)]
    assert resident_of(words) < 60 << 20
    hashes.unlink()


@pytest.mark.parametrize("size", [64 << 30, pytest.param(4 * TIB, marks=pytest.mark.slow)])
def test_a_sparse_device_is_checked_without_reading_its_holes(tmp_path, size):
    data, hashes, layout = sparse_devices(tmp_path, size)
    with open_span(str(data)) as data_span, open_span(str(hashes)) as hash_span:
        found = check_tree(layout, data_span, hash_span)
    assert (found.verdict, found.zero_blocks) == (TreeVerdict.VERIFIED, size // BLOCK)
    with data.open("r+b") as file:
        file.seek(size - BLOCK - 1)
        file.write(b"x")
    with open_span(str(data)) as data_span, open_span(str(hashes)) as hash_span:
        found = check_tree(layout, data_span, hash_span)
    assert [(bad.level, bad.block) for bad in found.bad_blocks] == [("data", size // BLOCK - 2)]
    assert found.first_bad_position == size - 2 * BLOCK
    hashes.unlink()


def test_a_sparse_device_has_the_verdict_and_position_of_veritysetup(tmp_path, capsys):
    needs_tools("veritysetup")
    data, hashes = tmp_path / "data", tmp_path / "hash"
    chance = random.Random(5)
    with data.open("wb") as file:
        file.truncate(192 << 20)
        for at in (3, 70 << 20, (192 << 20) - 9):
            file.seek(at)
            file.write(chance.randbytes(9))
    made = subprocess.run(
        [find_tool("veritysetup"), "format", data, hashes], capture_output=True, text=True, check=True
    )
    root = re.search(r"Root hash:\s+(\w+)", made.stdout)
    assert root is not None
    assert verity(data, hash_device=hashes, root_hash=root[1]) == 0
    content = bytearray(hashes.read_bytes())
    content[-5000] ^= 1  # a digest of the hole
    hashes.write_bytes(content)
    theirs = subprocess.run(
        [find_tool("veritysetup"), "verify", data, hashes, root[1]], capture_output=True, text=True, check=False
    )
    capsys.readouterr()
    assert verity(data, hash_device=hashes, root_hash=root[1]) == 1
    assert theirs.returncode != 0
    position = re.search(r"position (\d+)", theirs.stderr)
    assert position is not None
    assert f"first bad position: byte {position[1]} of the data device" in capsys.readouterr().out
    assert os.stat(data).st_blocks * 512 < 1 << 20
