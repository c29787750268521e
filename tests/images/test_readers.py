"""Our readers see in each image exactly the tree that went into it."""

from __future__ import annotations

import pytest

from tests.images import Built
from tests.images.compare import differences, root_of

SMALL = ("small_erofs_image", "small_ext4_image", "edges_erofs_image", "edges_ext4_image", "hostile_names_image")


@pytest.mark.parametrize("name", SMALL)
def test_a_small_root_is_read_as_it_was_made(name: str, request: pytest.FixtureRequest) -> None:
    assert_same(request.getfixturevalue(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full_erofs_image", "full_ext4_image"])
def test_a_root_of_700_mib_is_read_as_it_was_made(name: str, request: pytest.FixtureRequest) -> None:
    built = request.getfixturevalue(name)
    assert sum(entry.size for entry in built.manifest) > 700 << 20
    assert_same(built)


def assert_same(built: Built) -> None:
    assert differences(root_of(built), built.manifest) == []


def test_both_banks_hold_the_same_tree_under_different_salts(two_bank_image: Built) -> None:
    assert differences(root_of(two_bank_image, "B"), two_bank_image.manifests["B"]) == []
    assert two_bank_image.verity["A"].root_hash != two_bank_image.verity["B"].root_hash
