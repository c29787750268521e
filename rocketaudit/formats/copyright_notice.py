"""Copyright notices in licence texts: the lines that name a year or a sign and a holder, as they stand there.

The machine-readable form of Debian (debian.org/doc/packaging-manuals/copyright-format/1.0) puts holders on the lines
below `Copyright:`. Placeholders of licence templates, and the notice that a licence text has for itself, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_TEXT = 256 << 10
MAX_STATEMENT = 300
MAX_STATEMENTS = 50
_LEADING = r"[\s#*/;%.>-]*"
_NOTICE = re.compile(rf"{_LEADING}(?:\(c\)[ \t]*)?copyright\b[ \t:,]*(?P<rest>.*)\Z", re.IGNORECASE)
_HOLDER = re.compile(r"(?:\(c\)|\u00a9|\d{4})", re.IGNORECASE)
_DEBIAN = re.compile(r"Format(?:-Specification)?:\s+\S+copyright-format", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"[\[<{](?:year|yyyy|fullname|name|copyright|\d{4})|\byear your name", re.IGNORECASE)
_VERBATIM = "permitted to copy and distribute verbatim"  # the text below the notice of a licence for itself


def parse_copyright(data: bytes) -> tuple[str, ...]:
    """The notices of a text in their order, each once and at most 300 characters long; at most 50."""
    lines = data[:MAX_TEXT].decode("utf-8", "replace").splitlines()
    if lines and _DEBIAN.match(lines[0]):
        return tuple(dict.fromkeys(_fields(lines)))[:MAX_STATEMENTS]
    return tuple(dict.fromkeys(_notices(lines)))[:MAX_STATEMENTS]


def _notices(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        found = _NOTICE.match(line[: 2 * MAX_STATEMENT])
        is_stated = found is not None and _HOLDER.match(found["rest"])
        if is_stated and not _is_template(line, lines[number + 1 : number + 5]):
            yield _plain(line)


def _fields(lines: list[str]) -> Iterator[str]:
    """The lines of every field `Copyright` (a line that begins with a blank goes on with the field above it)."""
    is_inside = False
    for line in lines:
        is_inside = line.lower().startswith("copyright:") or (is_inside and line[:1] in (" ", "\t"))
        holder = _plain(line.partition(":")[2] if line[:1].strip() else line)
        if is_inside and holder and holder != ".":
            yield f"Copyright: {holder}"[:MAX_STATEMENT]


def _is_template(line: str, below: list[str]) -> bool:
    return bool(_PLACEHOLDER.search(line)) or _VERBATIM in " ".join(" ".join(below).split())


def _plain(line: str) -> str:
    return " ".join(line.lstrip(" \t#*/;%.>-").rstrip(" \t*/").split())[:MAX_STATEMENT]
