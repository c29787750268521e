"""RPM's own order of versions, by its documented cases and by the program itself."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.rpm_version import compare_evr, compare_versions, parse_evr
from tests.support import needs_tools

OLDER_FIRST = [
    ("1.0", "2.0"), ("1.0", "1.0.1"), ("1.0", "1.0a"), ("1.0a", "1.0b"), ("1.0a", "1.0.1"), ("9", "10"),
    ("1.0~rc1", "1.0"),
    ("1.0~rc1", "1.0~rc2"), ("1.0~rc1~git1", "1.0~rc1"), ("1.0", "1.0^"), ("1.0^", "1.0.1"), ("1.0^20240501", "1.0.1"),
    ("1.0~rc1", "1.0~rc1^git1"), ("abc", "1"), ("1.0^git1~pre", "1.0^git1"), ("20101121", "20101122"),
    ("5.15.160-104.158.amzn2", "5.15.160-104.159.amzn2"), ("6.1.140", "6.1.140^1"), ("", "1"), ("~", ""),
]  # fmt: skip
EQUAL = [
    ("1.0", "1.0"),
    ("1.0", "1_0"),
    ("1..0", "1.0"),
    ("001", "1"),
    ("a", "a"),
    ("1.0.", "1.0"),
    ("1ä", "1"),
    ("", ""),
]


@pytest.mark.parametrize(("older", "newer"), OLDER_FIRST)
def test_the_older_version_comes_first(older: str, newer: str) -> None:
    assert (compare_versions(older, newer), compare_versions(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("one", "two"), EQUAL)
def test_what_differs_only_in_separators_or_leading_zeros_is_equal(one: str, two: str) -> None:
    assert (compare_versions(one, two), compare_versions(two, one)) == (0, 0)


@given(st.text("01a9bB.~^_-é", max_size=8), st.text("01a9bB.~^_-é", max_size=8))
def test_the_order_of_two_is_the_reverse_of_the_order_of_the_other_two(one: str, two: str) -> None:
    assert compare_versions(one, two) == -compare_versions(two, one)
    assert compare_versions(one, one) == 0


def test_rpm_itself_says_the_same(tmp_path: Path) -> None:
    needs_tools("rpm")
    chosen = random.Random(7)
    pairs = [("".join(chosen.choices("0119abB.~^_+", k=chosen.randrange(1, 9))),
              "".join(chosen.choices("0119abB.~^_+", k=chosen.randrange(1, 9)))) for _ in range(4000)]  # fmt: skip
    pairs += [(a, b) for a, b in OLDER_FIRST + EQUAL if a and b and (a + b).isascii()]
    lines = "\n".join(f"print(rpm.vercmp('{a}', '{b}'), ' ')" for a, b in pairs)
    script = tmp_path / "compare.lua"
    script.write_text(lines)
    said = subprocess.run(
        ["rpm", "--eval", f'%{{lua: dofile("{script}")}}'], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(said) == len(pairs)
    wrong = [(pair, int(word)) for pair, word in zip(pairs, said, strict=True) if compare_versions(*pair) != int(word)]
    assert wrong == []


@pytest.mark.parametrize(
    ("one", "two", "order"),
    [
        (("1", "1.0", "1"), ("", "9.0", "1"), 1),
        (("", "1.0", "1"), ("0", "1.0", "1"), 0),
        (("", "1.0", "1"), ("", "1.0", "2"), -1),
        (("", "1.0", ""), ("", "1.0", "2"), 0),
        (("10", "1.0", ""), ("9", "1.0", ""), 1),
    ],
)
def test_the_epoch_wins_and_a_missing_release_is_any(
    one: tuple[str, str, str], two: tuple[str, str, str], order: int
) -> None:
    assert (compare_evr(one, two), compare_evr(two, one)) == (order, -order)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1:2.43-1.br1", ("1", "2.43", "1.br1")),
        ("2.43", ("", "2.43", "")),
        ("6.1.140-1.1749663821.e27d1b03.br1", ("", "6.1.140", "1.1749663821.e27d1b03.br1")),
        ("a:b-1", ("", "a:b", "1")),
        ("", ("", "", "")),
    ],
)
def test_the_parts_of_a_written_version(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_evr(text) == parts


def test_a_version_of_a_megabyte_is_compared_at_once() -> None:
    assert compare_versions("1." * 500_000, "1." * 500_000 + "2") in (-1, 0, 1)
