"""Lengths of time as users write them."""

from __future__ import annotations

import re

from rocketaudit.errors import UsageError

_TEXT = re.compile(r"([0-9]{1,6})([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str, option: str) -> int:
    """Seconds of "90m", "6h" or "2d"; UsageError that names the option for what is no time."""
    match = _TEXT.match(text)
    if match is None:
        raise UsageError(f"{option} {text}: not a time such as 30s, 90m, 6h or 2d")
    return int(match[1]) * _SECONDS[match[2]]
