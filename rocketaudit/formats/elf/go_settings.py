"""What the build settings of a Go program say about the version of its main module.

Go itself writes "(devel)" for a main module that was built from a checkout. Two kinds of settings know more: variables
that the linker was told to set (`-ldflags "-X main.version=1.2.3"`, cmd/link), and the commit (`vcs.*`, cmd/go).
Other flags are not kept: they may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_STATED = 32
MAX_TEXT = 200  # characters of a name or a value
_KEPT = frozenset({"vcs", "vcs.revision", "vcs.time", "vcs.modified"})
_VARIABLES = frozenset({
    "version", "gitversion", "buildversion", "appversion", "releaseversion", "programversion", "cliversion", "semver",
    "tag", "gittag",
})  # fmt: skip
# quoted.Split of cmd/go: blanks separate; one whole word may stand in quotes, without escapes inside
_WORD = re.compile(r"""'([^']*)'|"([^"]*)"|(\S+)""")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z')
_ESCAPE = re.compile(r"\\(.)")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}


def version_settings(settings: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(name, value) out of lines KEY=VALUE: `vcs.*`, and "-X PACKAGE.NAME" of variables that name a version."""
    found: dict[str, str] = {}
    for line in settings:
        key, _, value = line.partition("=")
        if key in _KEPT:
            found[key] = _plain(value)
        elif key == "-ldflags":
            found |= _variables(_plain(value))  # of two values for one variable, the linker takes the last
    return tuple((name[:MAX_TEXT], value[:MAX_TEXT]) for name, value in found.items())[:MAX_STATED]


def _plain(value: str) -> str:
    """The value without the quotes that strconv.Quote puts around one with blanks."""
    match = _QUOTED.match(value)
    return value if match is None else _ESCAPE.sub(lambda one: _CONTROLS.get(one[1], one[1]), match[1])


def _variables(flags: str) -> Iterator[tuple[str, str]]:
    """The variables of `-X NAME=VALUE`, `-X=NAME=VALUE` and the same with two dashes."""
    if not flags.lstrip().startswith("-"):  # "all=-X ...": flags for the packages of a pattern
        flags = flags.partition("=")[2]
    words = iter(["".join(parts) for parts in _WORD.findall(flags)])
    for word in words:
        option, joined, setting = word.partition("=")
        if option not in ("-X", "--X"):
            continue
        name, _, value = (setting if joined else next(words, "")).partition("=")
        if name.rpartition(".")[2].replace("_", "").lower() in _VARIABLES:
            yield f"-X {name}", value
