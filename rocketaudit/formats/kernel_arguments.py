"""The kernel command line, split as the kernel does it (lib/cmdline.c, init/main.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_LENGTH = 64 * 1024
KERNEL_LENGTH = 2047  # COMMAND_LINE_SIZE less its end, on x86_64 and arm64
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# isspace() of lib/ctype.c knows six ASCII blanks and 0xA0
WORD = re.compile(rb'(?:[^\x09-\x0d\x20\xa0"]|"[^"]*(?:"|$))+')


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


def doubt_about(text: str) -> str:
    """Why a kernel may see something else than this command line; "" when every loader hands all of it on.

    The EFI stub ends at a line end and cuts long lines off, systemd's stub turns control characters into blanks.
    """
    if _CONTROL.search(text):
        return "a control character in the command line, which loaders treat differently"
    length = len(raw_bytes(text))
    return (
        f"a command line of {length} bytes, of which a kernel takes {KERNEL_LENGTH}" if length > KERNEL_LENGTH else ""
    )


def plain_argument(name: str) -> str:
    """A name in which `-` and `_` are the same, as for the kernel."""
    return name.replace("-", "_")


def _words(text: str) -> Iterator[str]:
    """Split by bytes as lib/cmdline.c does: blanks inside quotes do not count, and the byte 0xA0 is a blank."""
    for match in WORD.finditer(raw_bytes(text)):
        yield match[0].decode("utf-8", "surrogateescape")


def raw_bytes(text: str) -> bytes:
    """The bytes of a command line that was decoded with surrogateescape; other lone surrogates stay readable."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _argument(word: str) -> Argument:
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Argument(name, value if equals else None)
