"""300 changes to a real image; `make fuzz` sets ROCKETAUDIT_FUZZ=long."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from rocketaudit.model.evidence import Evidence
from tests.analysis.drift.image_mutations import KINDS, Disk, Made
from tests.analysis.drift.test_image_mutations import check, see
from tests.images import Built

ROUNDS = range(1, 13)  # of 25 kinds; the ordinary run has one of each elsewhere, and one here
CASES = [(kind, number) for kind in KINDS for number in ROUNDS]
CHOSEN = CASES if os.environ.get("ROCKETAUDIT_FUZZ") == "long" else CASES[:1]


@pytest.fixture(scope="module")
def pristine(small_ext4_image: Built) -> Evidence:
    return see(small_ext4_image.path)


@pytest.mark.parametrize(("kind", "number"), CHOSEN, ids=lambda part: getattr(part, "__name__", str(part)))
def test_every_change_is_found_placed_and_unexpected(
    kind: Callable[[Disk, random.Random], Made],
    number: int,
    pristine: Evidence,
    small_ext4_image: Built,
    tmp_path: Path,
) -> None:
    disk = Disk(small_ext4_image, tmp_path / "disk.img")
    try:
        check(kind, number, pristine, disk)
    finally:
        disk.path.unlink()
