"""The kernel command line, split as the kernel does it (lib/cmdline.c, init/main.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rocketaudit.errors import FormatError

MAX_LENGTH = 64 * 1024


@dataclass(frozen=True, slots=True)
class Argument:
    """`value` is None for a word without `=`; `name` as written (compare with `plain_argument`)."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class KernelArguments:
    """`kernel` comes before the word `--`, `init` after it; both in order, repeated ones kept."""

    kernel: tuple[Argument, ...]
    init: tuple[Argument, ...]


def parse_kernel_arguments(text: str) -> KernelArguments:
    """Split a command line; a quote may stand before the name or after the `=`."""
    if len(text) > MAX_LENGTH:
        raise FormatError(f"a command line of {len(text)} characters; at most {MAX_LENGTH} are read")
    kernel: list[Argument] = []
    init: list[Argument] = []
    into = kernel
    for word in _words(text):
        if word == "--" and into is kernel:
            into = init
        else:
            into.append(_argument(word))
    return KernelArguments(tuple(kernel), tuple(init))


def plain_argument(name: str) -> str:
    """A name in which `-` and `_` are the same, as for the kernel."""
    return name.replace("-", "_")


def _words(text: str) -> Iterator[str]:
    word = ""
    quoted = False
    for char in text:
        if char == '"':
            quoted = not quoted
            word += char
        elif char.isspace() and not quoted:
            if word:
                yield word
            word = ""
        else:
            word += char
    if word:
        yield word


def _argument(word: str) -> Argument:
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Argument(name, value if equals else None)
