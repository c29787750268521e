"""300 random changes to a real image, over all kinds: each found, placed and classed (`make nightly`)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.analysis.drift.image_mutations import KINDS, Disk, Made
from tests.analysis.drift.test_image_mutations import check, pristine
from tests.images import Built

__all__ = ["pristine"]
pytestmark = pytest.mark.slow
ROUNDS = range(2, 12)  # of 31 kinds; rounds 0 and 1 are a part of every run
CASES = [(kind, number) for kind in KINDS for number in ROUNDS]


def test_there_are_three_hundred() -> None:
    assert len(CASES) >= 300


@pytest.mark.parametrize(("kind", "number"), CASES, ids=lambda part: getattr(part, "__name__", str(part)))
def test_every_change_is_found_placed_and_classed(
    kind: Callable[[Disk, random.Random], Made],
    number: int,
    pristine: object,
    small_ext4_image: Built,
    tmp_path: Path,
) -> None:
    disk = Disk(small_ext4_image, tmp_path / "disk.img")
    try:
        check(kind, number, pristine, disk)  # type: ignore[arg-type]
    finally:
        for path in tmp_path.iterdir():
            path.unlink()
