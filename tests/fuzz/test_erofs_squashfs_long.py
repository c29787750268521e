"""Long seeded runs of damage on EROFS and squashfs volumes; `make fuzz` sets ROCKETAUDIT_FUZZ=long."""

from __future__ import annotations

import os
import random
import struct
import time

import pytest

from rocketaudit.formats.erofs import open_erofs
from rocketaudit.formats.squashfs import open_squashfs
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader
from tests.formats import test_erofs, test_erofs_compression, test_squashfs
from tests.formats.erofs_builder import DEFLATE, LZ4, LZMA, ZSTD, Builder
from tests.formats.tree_checks import Opener, exercise

ROUNDS = 400 if os.environ.get("ROCKETAUDIT_FUZZ") == "long" else 4


def newer_layouts() -> bytes:
    """Fragments and every algorithm, which the vectors lack."""
    builder = Builder(incompat=0x21)
    test_erofs_compression.fragments(builder)
    for algorithm in (LZ4, LZMA, DEFLATE, ZSTD):
        test_erofs_compression.compressed(builder, algorithm, name=b"file %d" % algorithm)
    return builder.image()


def damage(base: bytes, opener: Opener, seed: str) -> None:
    regions = [(0, 2048)]
    regions += [(region.start, region.length) for region in opener(BytesReader(base), Budget()).regions()]
    chance = random.Random(seed)
    for round_number in range(ROUNDS):
        image = bytearray(base)
        for _ in range(chance.randint(1, 30)):
            start, length = chance.choice(regions)
            at = start + chance.randrange(max(1, length))
            bit = struct.pack("<H", 1 << chance.randrange(16))
            new = chance.choice([b"\0", b"\xff", b"\xff" * 4, b"\0" * 4, chance.randbytes(4), bit])
            image[at : at + len(new)] = new
        if chance.random() < 0.05:
            del image[chance.randrange(len(image)) :]
        began = time.process_time()
        exercise(image, opener)
        assert time.process_time() - began < 5, (seed, round_number)


@pytest.mark.parametrize("name", test_erofs.VARIANTS)
def test_damage_to_any_erofs_variant_gives_gaps_and_nothing_else(name: str) -> None:
    damage(test_erofs.vector(name), open_erofs, name)


def test_damage_to_newer_erofs_layouts_gives_gaps_and_nothing_else() -> None:
    damage(newer_layouts(), open_erofs, "newer")


@pytest.mark.parametrize("name", test_squashfs.VARIANTS)
def test_damage_to_any_squashfs_variant_gives_gaps_and_nothing_else(name: str) -> None:
    damage(test_squashfs.vector(name), open_squashfs, name)
