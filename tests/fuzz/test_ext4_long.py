"""Long seeded runs of damage on real volumes; `make fuzz` sets ROCKETAUDIT_FUZZ=long."""

from __future__ import annotations

import os
import random
import time

import pytest

from rocketaudit.formats.ext4 import open_ext4
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader
from tests.formats.test_ext4 import VARIANTS, vector
from tests.formats.tree_checks import exercise

ROUNDS = 40 if os.environ.get("ROCKETAUDIT_FUZZ") == "long" else 1


@pytest.mark.parametrize("name", VARIANTS)
def test_damaged_metadata_of_every_variant_gives_gaps_and_nothing_else(name: str) -> None:
    base = vector(name)
    regions = [region for region in open_regions(base) if region[1]]
    chance = random.Random(name)
    for round_number in range(ROUNDS):
        image = bytearray(base)
        for _ in range(chance.randint(1, 30)):
            start, length = chance.choice(regions)
            at = start + chance.randrange(min(length, 8192))
            new = chance.choice([b"\0", b"\xff", b"\xff" * 4, b"\0" * 4, chance.randbytes(4)])
            image[at : at + len(new)] = new
        began = time.process_time()
        exercise(image, open_ext4)
        assert time.process_time() - began < 5, (name, round_number)


def open_regions(image: bytes) -> list[tuple[int, int]]:

    fs = open_ext4(BytesReader(image), Budget())
    return [(1024, 1024)] + [(region.start, region.length) for region in fs.regions()]
