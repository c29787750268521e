"""The order of RPM versions (rpmio/rpmvercmp.c describes it; written from its documentation)."""

from __future__ import annotations

import re

_PART = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
MAX_LENGTH = 4096

_COMMIT = re.compile(r"(\d+\.\d{10})(\.[0-9a-f]{8})(\.br\d+)\Z")


def compare_versions(left: str, right: str) -> int:
    """-1, 0 or 1 as `left` is older than, as new as, or newer than `right`.

    Runs of digits compare as numbers and are newer than letters; `~` is older than the end, `^` newer.
    """
    a, b = _PART.findall(left[:MAX_LENGTH]), _PART.findall(right[:MAX_LENGTH])
    for index in range(max(len(a), len(b))):
        one = a[index] if index < len(a) else ""
        two = b[index] if index < len(b) else ""
        order = 0 if one == two else _compare_part(one, two)
        if order:
            return order
    return 0


def _compare_part(one: str, two: str) -> int:
    if "~" in (one, two):
        return -1 if one == "~" else 1
    if not one or not two:
        return -1 if not one else 1
    if "^" in (one, two):
        return -1 if one == "^" else 1
    if one.isdigit() and two.isdigit():
        number, other = one.lstrip("0"), two.lstrip("0")
        if len(number) != len(other):
            return -1 if len(number) < len(other) else 1
        return (number > other) - (number < other)
    if one.isdigit() or two.isdigit():
        return 1 if one.isdigit() else -1
    return (one > two) - (one < two)


def compare_evr(left: tuple[str, str, str], right: tuple[str, str, str]) -> int:
    """The order of (epoch, version, release); a missing epoch is 0, a missing release equals any."""
    for index, (one, two) in enumerate(zip(left, right, strict=True)):
        if index == 2 and not (one and two):
            return 0
        order = compare_versions(one or "0", two or "0") if index == 0 else compare_versions(one, two)
        if order:
            return order
    return 0


def parse_evr(text: str) -> tuple[str, str, str]:
    """(epoch, version, release) out of "1:2.3-4"; parts that are not stated are ""."""
    epoch, colon, rest = text.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "", text
    version, _, release = rest.partition("-")
    return epoch, version, release


def without_commit(text: str) -> tuple[str, str, str]:
    """The parts of a written version without the commit that Bottlerocket's releases name: a commit has no order."""
    epoch, version, release = parse_evr(text)
    return epoch, version, _COMMIT.sub(r"\1\3", release)
