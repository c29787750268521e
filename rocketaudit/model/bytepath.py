"""Names from a target are bytes; their text form is injective and always valid UTF-8."""

from __future__ import annotations

import re

_PERCENT = re.compile(r"%([0-9A-F]{2})")


def encode(name: bytes) -> str:
    """`name` as text: `%` and every byte that is not valid UTF-8 become `%XX` in upper case."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = name.decode("utf-8", "surrogateescape")
        return "".join(
            "%25" if char == "%" else f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char
            for char in text
        )
    return text.replace("%", "%25") if "%" in text else text


def decode(text: str) -> bytes:
    """The bytes that `encode` was given; ValueError for text that it never gives."""
    if "%" not in text:
        return text.encode("utf-8")
    parts = _PERCENT.split(text)
    if any("%" in plain for plain in parts[::2]):
        raise ValueError(f"not an encoded path: {text!r}")
    out = bytearray()
    for index, part in enumerate(parts):
        out += bytes((int(part, 16),)) if index % 2 else part.encode("utf-8")
    if encode(bytes(out)) != text:
        raise ValueError(f"not an encoded path: {text!r}")
    return bytes(out)
