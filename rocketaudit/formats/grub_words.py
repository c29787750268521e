"""GRUB's script language as words and separators (GRUB manual, chapter "Writing full configuration files")."""

from __future__ import annotations

import re
from collections.abc import Callable

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_TOKENS = 100_000
MAX_VALUE = 64 << 10
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?@#*])|\{([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?@#*])\})")
_SEPARATORS = frozenset("\n;{}|&<>")
_BLANKS = frozenset(" \t\r")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word: literal text, or the name of a variable; a quoted one is not split at blanks."""

    text: str
    is_variable: bool
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A word of pieces, or a separator (`;`, newline, brace ...). `offset` counts characters of the text."""

    offset: int
    pieces: tuple[Piece, ...] = ()
    separator: str = ""

    @property
    def plain(self) -> str:
        """The literal text, variables left out."""
        return "".join(piece.text for piece in self.pieces if not piece.is_variable)


def tokens_of(text: str) -> list[Token]:
    """All tokens; FormatError for a quote that is not closed or more than 100,000 tokens."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        if len(found) > MAX_TOKENS:
            raise FormatError(f"more than {MAX_TOKENS} words", offset=at)
        char = text[at]
        if char in _BLANKS or text.startswith("\\\n", at):
            at += 1 if char in _BLANKS else 2
        elif char in _SEPARATORS:
            found.append(Token(at, separator=char))
            at += 1
        elif char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            token, at = _word(text, at)
            found.append(token)
    return found


def _word(text: str, start: int) -> tuple[Token, int]:
    pieces: list[Piece] = []
    at = start
    while at < len(text):
        char = text[at]
        if char in _BLANKS or char in _SEPARATORS:
            break
        if char == "\\":
            if text[at + 1 : at + 2] != "\n":
                pieces.append(Piece(text[at + 1 : at + 2], is_variable=False, is_quoted=True))
            at += 2
        elif char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise FormatError("a single quote is not closed", offset=at)
            pieces.append(Piece(text[at + 1 : end], is_variable=False, is_quoted=True))
            at = end + 1
        elif char == '"':
            at = _double_quoted(text, at, pieces)
        elif char == "$":
            at = _variable(text, at, pieces, is_quoted=False)
        else:
            end = at + 1
            while end < len(text) and text[end] not in _BLANKS | _SEPARATORS and text[end] not in "\\'\"$":
                end += 1
            pieces.append(Piece(text[at:end], is_variable=False, is_quoted=False))
            at = end
    return Token(start, tuple(pieces)), min(at, len(text))


def _variable(text: str, at: int, pieces: list[Piece], *, is_quoted: bool) -> int:
    match = _VARIABLE.match(text, at)
    if match is None and not is_quoted and text[at + 1 : at + 2] in ("'", '"'):
        return at + 1  # $"text" is text to translate
    if match is None:
        pieces.append(Piece("$", is_variable=False, is_quoted=is_quoted))
        return at + 1
    pieces.append(Piece(match[1] or match[2], is_variable=True, is_quoted=is_quoted))
    return match.end()


def _double_quoted(text: str, start: int, pieces: list[Piece]) -> int:
    at = start + 1
    literal: list[str] = []
    while at < len(text):
        char = text[at]
        following = text[at + 1 : at + 2]
        if char == '"':
            pieces.append(Piece("".join(literal), is_variable=False, is_quoted=True))
            return at + 1
        if char == "\\" and following and following in '\\$"\n':
            literal.append("" if following == "\n" else following)
            at += 2
        elif char == "$":
            pieces.append(Piece("".join(literal), is_variable=False, is_quoted=True))
            literal = []
            at = _variable(text, at, pieces, is_quoted=True)
        else:
            literal.append(char)
            at += 1
    raise FormatError("a double quote is not closed", offset=start)


def expand(token: Token, value_of: Callable[[str], str]) -> list[str]:
    """The words that a token becomes: unquoted variables are split at blanks, an empty unquoted one vanishes."""
    words: list[str] = []
    current = ""
    is_open = False
    for piece in token.pieces:
        value = value_of(piece.text) if piece.is_variable else piece.text
        if len(current) + len(value) > MAX_VALUE:
            raise FormatError(f"a word grows beyond {MAX_VALUE} characters", offset=token.offset)
        if not piece.is_variable or piece.is_quoted:
            current += value
            is_open = True
            continue
        parts = re.split(r"[ \t\n]+", value)
        for index, part in enumerate(parts):
            if index and is_open:
                words.append(current)
                current, is_open = "", False
            current += part
            is_open = is_open or bool(part)
    return [*words, current] if is_open else words


def title_of(words: list[str]) -> tuple[str, str]:
    """Title and --id of a menuentry; options with values are skipped."""
    title, identifier = "", ""
    rest = iter(words)
    for word in rest:
        if word == "--id":
            identifier = next(rest, "")
        elif word.startswith("--id="):
            identifier = word.removeprefix("--id=")
        elif word in ("--class", "--users", "--hotkey"):
            next(rest, "")
        elif not word.startswith("--") and not title:
            title = word
    return title, identifier
