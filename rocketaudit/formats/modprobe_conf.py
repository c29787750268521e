"""modprobe.d(5): what is said about loading kernel modules."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_LINES = 50_000
_NO_OPERATIONS = frozenset({"true", "false", ":"})
_FOLDERS = frozenset({"", "/bin", "/sbin", "/usr/bin", "/usr/sbin"})  # elsewhere a file of that name may do anything


@dataclass(frozen=True, slots=True)
class ModprobeLine:
    """One command: `install` and `options` have a `value`, `blacklist` has none, `alias` gives the module."""

    command: str
    module: str
    value: str
    offset: int


def parse_modprobe_conf(data: bytes) -> tuple[ModprobeLine, ...]:
    """The commands alias, blacklist, install, options, remove and softdep in file order, continuations joined."""
    return tuple(_lines(data))


def _lines(data: bytes) -> Iterator[ModprobeLine]:
    offset = start = 0
    text = ""
    for number, raw in enumerate(data.split(b"\n")):
        if number >= MAX_LINES:
            raise FormatError(f"more than {MAX_LINES} lines", offset=offset)
        if not text:
            start = offset
        offset += len(raw) + 1
        text += raw.decode("utf-8", "replace").rstrip("\r")
        if text.endswith("\\"):
            text = text[:-1] + " "
            continue
        words = text.split(None, 2)
        text = ""
        if len(words) >= 2 and words[0] in ("alias", "blacklist", "install", "options", "remove", "softdep"):
            yield ModprobeLine(words[0], plain_module(words[1]), words[2].strip() if len(words) > 2 else "", start)


def plain_module(name: str) -> str:
    """A module's name as the kernel spells it: with underscores, without a file's suffix."""
    return name.replace("-", "_")


def does_nothing(command: str) -> bool:
    """Whether an install command never loads the module: true, false or `:` of the system, and nothing after it."""
    words = command.split()
    if not words or set(command) & set(";&|`$\n<>("):
        return False
    folder, name = posixpath.split(words[0])
    return name in _NO_OPERATIONS and folder in _FOLDERS
