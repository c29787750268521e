"""Linux boot configuration (Documentation/admin-guide/bootconfig.rst, lib/bootconfig.c): keys, values, the footer."""

from __future__ import annotations

import re
import struct

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_SIZE = 32 << 10  # XBC_DATA_MAX
MAX_NODES = 8192  # XBC_NODE_MAX
MAX_DEPTH = 16  # XBC_DEPTH_MAX
MAGIC = b"#BOOTCONFIG\n"
_FOOTER = struct.Struct("<II")
_KEY = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_BLANK = re.compile(r"(?:[ \t\r]|#[^\n]*)*")
_SPACE = re.compile(r"(?:\s|#[^\n]*)*")


@dataclass(frozen=True, slots=True)
class BootOption:
    """A key and its values in order; no values for a bare key."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BootConfig:
    """All options in the order of their first appearance."""

    options: tuple[BootOption, ...]

    def arguments(self, root: str) -> tuple[tuple[str, str | None], ...]:
        """What `root` ("kernel" or "init") adds to a command line: (name, value or None), repeated for lists."""
        found: list[tuple[str, str | None]] = []
        for option in self.options:
            if option.key.startswith(f"{root}."):
                name = option.key.removeprefix(f"{root}.")
                found += [(name, value) for value in option.values] or [(name, None)]
        return tuple(found)


def extract_bootconfig(initrd: bytes) -> bytes | None:
    """The text that is appended to an initrd, None when there is none; FormatError for a wrong size or checksum."""
    return split_initrd(initrd)[1]


def split_initrd(initrd: bytes) -> tuple[bytes, bytes | None]:
    """(what the kernel unpacks, the text appended to it or None); FormatError for a wrong size or checksum."""
    end = initrd.rstrip(b"\0") if not initrd.endswith(MAGIC) else initrd  # loaders may pad the file
    if not end.endswith(MAGIC):
        return initrd, None
    at = len(end) - len(MAGIC) - _FOOTER.size
    if at < 0:
        raise FormatError("a boot configuration without room for its footer", offset=0)
    size, checksum = _FOOTER.unpack_from(end, at)
    if size > at or size > MAX_SIZE:
        raise FormatError(f"a boot configuration of {size} bytes in an initrd of {at}", offset=at)
    data = end[at - size : at]
    if sum(data) & 0xFFFFFFFF != checksum:
        raise FormatError("the checksum of the boot configuration is wrong", offset=at + 4)
    return end[: at - size], data.rstrip(b"\0")


def parse_bootconfig(data: bytes) -> BootConfig:
    """Parse the text; FormatError names the byte where it does not hold (as the kernel it then counts as none)."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"a boot configuration of {len(data)} bytes; the kernel takes {MAX_SIZE}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("a boot configuration that is not UTF-8", offset=error.start) from error
    return _Parser(text).run()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[str, list[str]] = {}
        self._prefixes: list[str] = []

    def run(self) -> BootConfig:
        while self._skip(_SPACE) < len(self._text):
            char = self._text[self._at]
            if char == "}":
                if not self._prefixes:
                    raise FormatError("a brace closes nothing", offset=self._at)
                self._prefixes.pop()
                self._at += 1
            elif char == ";":
                self._at += 1
            else:
                self._statement()
        if self._prefixes:
            raise FormatError("a brace is not closed", offset=self._at)
        return BootConfig(tuple(BootOption(key, tuple(values)) for key, values in self._found.items()))

    def _skip(self, what: re.Pattern[str]) -> int:
        match = what.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at

    def _statement(self) -> None:
        match = _KEY.match(self._text, self._at)
        if match is None:
            raise FormatError(f"{self._text[self._at]!r} cannot start a key", offset=self._at)
        key = ".".join([*self._prefixes, match[0]])
        self._at = match.end()
        self._skip(_BLANK)
        operator = next((op for op in ("+=", ":=", "=", "{") if self._text.startswith(op, self._at)), "")
        self._at += len(operator)
        if operator == "{":
            if len(self._prefixes) >= MAX_DEPTH:
                raise FormatError(f"nested deeper than {MAX_DEPTH}", offset=self._at)
            self._prefixes.append(match[0])
            return
        if not operator:
            self._end()
            self._add(key, [], match.start())
            return
        values = self._values()
        if operator == "=" and self._found.get(key):
            raise FormatError(f"{key} is set twice", offset=match.start())
        if operator == ":=":
            self._found[key] = []
        self._add(key, values, match.start())

    def _add(self, key: str, values: list[str], offset: int) -> None:
        self._found.setdefault(key, []).extend(values)
        if len(self._found) + sum(map(len, self._found.values())) > MAX_NODES:
            raise FormatError(f"more than {MAX_NODES} keys and values", offset=offset)

    def _values(self) -> list[str]:
        values = []
        while True:
            self._skip(_BLANK)
            values.append(self._value())
            self._skip(_BLANK)
            if not self._text.startswith(",", self._at):
                self._end()
                return values
            self._at += 1
            self._skip(_SPACE)

    def _value(self) -> str:
        quote = self._text[self._at : self._at + 1]
        if quote in ("'", '"') and quote:
            end = self._text.find(quote, self._at + 1)
            if end < 0:
                raise FormatError("a quote is not closed", offset=self._at)
            value = self._text[self._at + 1 : end]
            self._at = end + 1
            return value
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in ",;\n#}":
            self._at += 1
        return self._text[start : self._at].rstrip()

    def _end(self) -> None:
        """A statement ends at a newline, a semicolon, a closing brace or the end."""
        if self._at < len(self._text) and self._text[self._at] not in ";\n}#":
            raise FormatError(f"{self._text[self._at]!r} after a value", offset=self._at)
