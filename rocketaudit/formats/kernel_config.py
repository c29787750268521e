"""The kernel's .config text: which options it was built with."""

from __future__ import annotations

import re

from rocketaudit.errors import FormatError

_LINE = re.compile(rb"^(?:(CONFIG_[A-Za-z0-9_]+)=(.*)|# (CONFIG_[A-Za-z0-9_]+) is not set)\r?$", re.MULTILINE)


def parse_kernel_config(data: bytes) -> dict[str, tuple[str, int]]:
    """Options to (value, byte of the line); "is not set" is "n", quotes of strings are taken off.

    FormatError when no line is an option: then it is no kernel configuration. Of two lines the last one counts.
    """
    found: dict[str, tuple[str, int]] = {}
    for match in _LINE.finditer(data):
        name, value, unset = match.groups()
        if unset is not None:
            found[unset.decode()] = ("n", match.start())
        else:
            text = value.decode("utf-8", "replace")
            quoted = len(text) >= 2 and text[0] == text[-1] == '"'
            found[name.decode()] = (text[1:-1] if quoted else text, match.start())
    if not found:
        raise FormatError("no line is CONFIG_NAME=value: not a kernel configuration")
    return found
