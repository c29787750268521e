"""Versions of Bottlerocket releases: three numbers, and the commit that a build may add."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][0-9a-f]{7,40}(?:-dirty)?)?", re.ASCII)


def release_numbers(version: str) -> tuple[int, int, int] | None:
    """The three numbers of a release version such as 1.57.0 or v1.57.0-abcdef0; None for a pre-release or none."""
    match = _RELEASE.fullmatch(version)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))
