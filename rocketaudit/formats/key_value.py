"""Shell-like assignments: os-release(5), image-features.env."""

from __future__ import annotations

import re
import shlex

from rocketaudit.errors import FormatError

MAX_LINES = 5_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse_key_values(data: bytes) -> dict[str, tuple[str, int]]:
    """Names to (value, byte of the line), of two lines the last; lines that assign nothing are left out."""
    found: dict[str, tuple[str, int]] = {}
    offset = 0
    for number, raw in enumerate(data.split(b"\n")):
        if number >= MAX_LINES:
            raise FormatError(f"more than {MAX_LINES} lines", offset=offset)
        start, offset = offset, offset + len(raw) + 1
        name, equals, value = raw.decode("utf-8", "replace").strip().partition("=")
        if not equals or not _NAME.match(name):
            continue
        found[name] = (_unquote(value), start)
    return found


def _unquote(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else ("" if not words else value)
