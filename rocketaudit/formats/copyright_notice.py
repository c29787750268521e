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
_CONTINUED = re.compile(r"\s+(?:\(c\)[ \t]*|\u00a9[ \t]*)?\d{4}.*\Z", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"[\[<{](?:year|yyyy|fullname|name|copyright|\d{4})|\byear your name", re.IGNORECASE)
_VERBATIM = "permitted to copy and distribute verbatim"  # the text below the notice of a licence for itself


def parse_copyright(data: bytes) -> tuple[str, ...]:
    """The notices of a text in their order, each once and at most 300 characters long; at most 50."""
    lines = data[:MAX_TEXT].decode("utf-8", "replace").splitlines()
    return tuple(dict.fromkeys(_notices(lines)))[:MAX_STATEMENTS]


def _notices(lines: list[str]) -> Iterator[str]:
    is_list = False
    for number, line in enumerate(lines):
        found = _NOTICE.match(line[: 2 * MAX_STATEMENT])
        if found is not None:
            is_list = line.lower().startswith("copyright:")
            if _HOLDER.match(found["rest"]) and not _is_template(line, lines[number + 1 : number + 5]):
                yield _plain(line)
        elif is_list and _CONTINUED.match(line[: 2 * MAX_STATEMENT]):
            yield f"Copyright: {_plain(line)}"
        else:
            is_list = False


def _is_template(line: str, below: list[str]) -> bool:
    return bool(_PLACEHOLDER.search(line)) or _VERBATIM in " ".join(" ".join(below).split())


def _plain(line: str) -> str:
    return " ".join(line.lstrip(" \t#*/;%.>-").rstrip(" \t*/").split())[:MAX_STATEMENT]
