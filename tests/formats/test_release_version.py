"""Release versions: three numbers, and nothing that only looks like them."""

from __future__ import annotations

import pytest

from rocketaudit.formats.release_version import release_numbers


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("1.57.0", (1, 57, 0)),
        ("v1.57.0-abcdef0", (1, 57, 0)),
        ("1.57.0+abcdef0123-dirty", (1, 57, 0)),
        ("999999999.0.0", (999_999_999, 0, 0)),
        ("1.57.0-rc1", None),
        ("1.57", None),
        ("1.57.0.1", None),
        ("1.57.0\n", None),
        ("١.57.0", None),
        ("9999999999.0.0", None),
        ("", None),
    ],
)
def test_a_release_is_three_numbers_and_perhaps_a_commit(version: str, numbers: tuple[int, int, int] | None) -> None:
    assert release_numbers(version) == numbers
