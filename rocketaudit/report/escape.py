"""The one place where text from a target is made safe for what will show or parse it.

Everything that a target states (names, versions, messages) is hostile. Each function takes any text and gives text
that its medium shows and never obeys. HTML is escaped by Jinja2 (autoescape); `visible` comes before it.
"""

from __future__ import annotations

import json
import re
from functools import cache
from urllib.parse import quote

from rocketaudit.model import bytepath

# Cc and Cf characters that terminals, editors and browsers act on: controls, bidi marks and overrides, zero width
_ACTIVE = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffc\ud800-\udfff\U000e0000-\U000e0fff]"
)
_ACTIVE_BUT_LINES = _ACTIVE.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f", 1)
_ACTIVE_IN_JSON = _ACTIVE.replace("\x00-\x1f", "", 1)  # the others JSON escapes anyway
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~&^$])")
_MENTION = re.compile(r"(?<![\w/])@(?=\w)|(?<=\w)@(?=\w)")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|javascript|data):|\bwww\.|(?<=\w)/(?=\w+#\d)")
_REFERENCE = re.compile(r"\b(GH-)(?=\d)", re.IGNORECASE)
_COMMAND = re.compile(r"^(\s*)(::|##\[|##vso\[|##teamcity\[)", re.IGNORECASE | re.MULTILINE)
MAX_SHOWN = 300


_pattern = cache(re.compile)  # of such a set takes a millisecond, so it is made when something is shown


def visible(text: str, *, lines: bool = False) -> str:
    r"""Text with every character that acts instead of showing written as `\x1b` or `\u202e`; `lines` keeps \n, \t."""
    return _pattern(_ACTIVE_BUT_LINES if lines else _ACTIVE).sub(_spell, text)


def shorten(text: str, limit: int = MAX_SHOWN) -> str:
    """At most `limit` characters, the middle of a longer text left out."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - head - 1) :]}"


def terminal(text: str, *, lines: bool = False) -> str:
    """For a terminal or a CI log: no control sequence, no bidi trick, no workflow command at the start of a line."""
    return _COMMAND.sub(r"\1.\2", visible(text, lines=lines))


def markup(text: str) -> str:
    """For rich: as `terminal`, with the brackets of its markup disarmed."""
    return terminal(text).replace("\\", "\\\\").replace("[", "\\[")


def csv_cell(text: str) -> str:
    """For a spreadsheet: a cell that would be a formula starts with an apostrophe."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else shown


def markdown(text: str) -> str:
    """For Markdown, in running text or a table cell: no markup, no HTML, no mention, no link, one line."""
    plain = _LINK.sub(lambda found: found.group().replace(":", ":\u200b").replace(".", ".\u200b"), visible(text))
    plain = _REFERENCE.sub("GH\u200b-", _MENTION.sub("@\u200b", plain))
    plain = _MARKDOWN.sub(r"\\\1", plain).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")
    return terminal_start(plain)


def markdown_code(text: str) -> str:
    """For Markdown as inline code, also in a table cell: the fence is longer than any in the text."""
    shown = visible(text).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def terminal_start(text: str) -> str:
    """Text that does not start a list, a heading or a CI command at the start of a line."""
    return _COMMAND.sub(r"\1\\\2", re.sub(r"^(\s*)([-=]|\d+[.)])", r"\1\\\2", text))


def xml(text: str) -> str:
    """For XML text (not yet entity-escaped): every character that XML 1.0 may not hold is spelled out."""
    return _pattern(_NOT_XML).sub(_spell, visible(text, lines=True))


def metric_label(text: str) -> str:
    """For the value of an OpenMetrics label, quotes not included."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')


def uri_path(path: str) -> str:
    """A BytePath as a relative URI reference; `%XX` stands for the byte, as BytePath means it."""
    try:
        name = bytepath.decode(path)
    except ValueError:
        name = path.encode("utf-8", "replace")
    return quote(name, safe="/").lstrip("/") or "."


def script_json(value: object) -> str:
    """JSON that may stand inside an HTML script element: no `<`, `>`, `&` and no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _spell(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(text: str) -> str:
    r"""Finished JSON text with every active character as a \u escape: the same value, nothing that acts."""
    if text.isascii() and "\x7f" not in text:  # most are, and Python knows it of a text without looking
        return text
    return _pattern(_ACTIVE_IN_JSON).sub(_spell_json, text)


def _spell_json(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
