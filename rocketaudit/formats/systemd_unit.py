"""systemd.syntax(7): unit files and the .conf files of systemd's own services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_LINES = 20_000


@dataclass(frozen=True, slots=True)
class Directive:
    """`key=value` of a section; `offset` is its byte. An empty value takes back what was said before."""

    section: str
    key: str
    value: str
    offset: int


def parse_unit(data: bytes) -> tuple[Directive, ...]:
    """The directives in file order; continuation lines joined, comments and lines without `=` left out."""
    return tuple(_directives(data))


def _directives(data: bytes) -> Iterator[Directive]:
    section = ""
    for offset, line in _joined(data):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if equals and section:
            yield Directive(section, key.strip(), _unquote(value.strip()), offset)


def _joined(data: bytes) -> Iterator[tuple[int, str]]:
    offset = start = 0
    text = ""
    for number, raw in enumerate(data.split(b"\n")):
        if number >= MAX_LINES:
            raise FormatError(f"more than {MAX_LINES} lines", offset=offset)
        line = raw.decode("utf-8", "replace").strip()
        position, offset = offset, offset + len(raw) + 1
        if line[:1] in ("#", ";") or (not line and text):
            continue  # a comment does not end a continued line
        if not text:
            start = position
        text += line
        if text.endswith("\\"):
            text = text[:-1] + " "
            continue
        if text.strip():
            yield start, text.strip()
        text = ""
    if text.strip():
        yield start, text.strip()


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' and '"' not in value[1:-1] else value


def last_values(directives: Iterable[Directive]) -> dict[tuple[str, str], Directive]:
    """(section, key) to the directive that counts when a setting holds one value; an empty one takes it back."""
    found: dict[tuple[str, str], Directive] = {}
    for directive in directives:
        place = (directive.section, directive.key)
        if directive.value:
            found[place] = directive
        else:
            found.pop(place, None)
    return found


def all_values(directives: Iterable[Directive], section: str, key: str) -> tuple[Directive, ...]:
    """The directives that add up when a setting is a list (ExecStart, CapabilityBoundingSet)."""
    found: list[Directive] = []
    for directive in directives:
        if (directive.section, directive.key) == (section, key):
            if not directive.value:
                found.clear()
            else:
                found.append(directive)
    return tuple(found)


def truth(value: str) -> bool | None:
    """A boolean as systemd reads it, None for anything else (systemd.syntax(7))."""
    match value.strip().lower():
        case "1" | "yes" | "y" | "true" | "t" | "on":
            return True
        case "0" | "no" | "n" | "false" | "f" | "off":
            return False
        case _:
            return None
