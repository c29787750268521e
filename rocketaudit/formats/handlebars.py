"""The templates that Bottlerocket renders its configuration files from, as far as default settings decide them.

What a helper of the node would compute is not known: a condition on it is taken both ways, a value is a marker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MARKER = "\ufffdonly-known-on-a-node\ufffd"
MAX_OUTPUT = 1 << 20
MAX_DEPTH = 32
_TAG = re.compile(r"\{\{\{\s*(.*?)\s*\}\}\}|\{\{~?\s*(.*?)\s*~?\}\}", re.DOTALL)
_TOKEN = re.compile(r'"[^"]*"|\(|\)|[^\s()]+')
_BLOCK_PARAMETERS = re.compile(r"\s+as\s+\|([^|]*)\|\s*\Z")
_FRONT_MATTER = re.compile(r"\A.*?^\+\+\+[ \t]*\r?\n", re.DOTALL | re.MULTILINE)


class _Unknown:
    """A value that only the node can compute."""


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text, or the inside of a tag."""

    text: str
    is_tag: bool


@dataclass(slots=True)
class _Block:
    """`{{#name expression}}` with its two branches."""

    name: str
    expression: str
    then: list[str | _Block | _Piece]
    otherwise: list[str | _Block | _Piece]


def render(template: bytes, settings: Mapping[str, Any], *, assume: bool) -> str:
    """The text with `settings` filled in; `assume` is the answer to every condition that only a node knows."""
    text = _FRONT_MATTER.sub("", template.decode("utf-8", "replace"), count=1)
    nodes = _Parser(_pieces(text)).parse()
    output: list[str] = []
    _Renderer({"settings": settings}, assume, output).run(nodes, {}, 0)
    return "".join(output)


def _pieces(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    at = 0
    for match in _TAG.finditer(text):
        tag = match[1] if match[1] is not None else match[2]
        before, after = text[at : match.start()], match.end()
        if tag[:1] in "#/!" or tag.split(" ", 1)[0] == "else":  # a tag alone on its line takes the line with it
            line_start = before.rpartition("\n")[2]
            rest = re.match(r"[ \t]*(\r?\n|\Z)", text[after:])
            if not line_start.strip() and rest:
                before, after = before[: len(before) - len(line_start)], after + rest.end()
        pieces += [_Piece(before, is_tag=False), _Piece(tag, is_tag=True)]
        at = after
    pieces.append(_Piece(text[at:], is_tag=False))
    return pieces


class _Parser:
    def __init__(self, pieces: list[_Piece]) -> None:
        self.pieces = pieces
        self.at = 0

    def parse(self, closing: str = "", depth: int = 0) -> list[str | _Block | _Piece]:
        """Nodes up to the tag that closes or splits the block, which stays for the caller."""
        if depth > MAX_DEPTH:
            raise FormatError(f"template blocks nested deeper than {MAX_DEPTH}")
        nodes: list[str | _Block | _Piece] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if not piece.is_tag:
                nodes.append(piece.text)
            elif piece.text.startswith("#"):
                nodes.append(self._block(depth))
                continue
            elif piece.text.startswith("/") or piece.text.split(" ", 1)[0] == "else":
                if not closing:
                    raise FormatError(f"a template tag {{{{{piece.text}}}}} that closes nothing")
                return nodes
            elif not piece.text.startswith("!"):
                nodes.append(piece)
            self.at += 1
        if closing:
            raise FormatError(f"the template block {{{{#{closing}}}}} is not closed")
        return nodes

    def _block(self, depth: int) -> _Block:
        name, _, expression = self.pieces[self.at].text[1:].strip().partition(" ")
        if not name:
            raise FormatError("a template block without a name")
        self.at += 1
        block = _Block(name, expression.strip(), self.parse(name, depth + 1), [])
        tag = self.pieces[self.at].text
        if tag == "else":
            self.at += 1
            block.otherwise = self.parse(name, depth + 1)
            tag = self.pieces[self.at].text
        elif tag.startswith("else "):  # else if: a block within, closed by the same tag
            self.pieces[self.at] = _Piece("#" + tag[5:], is_tag=True)
            block.otherwise = [self._block(depth + 1)]
            return block
        if tag != f"/{name}":
            raise FormatError(f"a template block {{{{#{name}}}}} closed by {{{{{tag}}}}}")
        self.at += 1
        return block


class _Renderer:
    def __init__(self, root: Mapping[str, Any], assume: bool, output: list[str]) -> None:
        self.root = root
        self.assume = assume
        self.output = output
        self.size = 0

    def run(self, nodes: Sequence[str | _Block | _Piece], local: Mapping[str, Any], depth: int) -> None:
        for node in nodes:
            if isinstance(node, str):
                self._write(node)
            elif isinstance(node, _Piece):
                self._write(_shown(self.value(node.text, local)))
            else:
                self._run_block(node, local, depth + 1)

    def _write(self, text: str) -> None:
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise FormatError(f"a template that gives more than {MAX_OUTPUT} characters")
        self.output.append(text)

    def _run_block(self, block: _Block, local: Mapping[str, Any], depth: int) -> None:
        expression, names = _parameters(block.expression)
        value = self.value(expression, local)
        match block.name:
            case "if" | "unless":
                holds = self.assume if value is UNKNOWN else _truth(value, zero="includeZero=true" in block.expression)
                self.run(block.then if holds == (block.name == "if") else block.otherwise, local, depth)
            case "each" if isinstance(value, Mapping):
                for key, item in value.items():
                    self.run(block.then, {**_bound(names, item, key), "this": item, "@key": key}, depth)
            case "each" if isinstance(value, (list, tuple)) and value:
                for index, item in enumerate(value):
                    self.run(block.then, {**_bound(names, item, index), "this": item, "@index": index}, depth)
            case "each":
                self.run(block.otherwise, local, depth)
            case _:
                self._write(MARKER)

    def value(self, expression: str, local: Mapping[str, Any]) -> Any:
        tokens = [token for token in _TOKEN.findall(expression) if not re.match(r"\w+=", token)]
        value, rest = self._call(tokens, local, 0) if tokens else (None, [])
        return UNKNOWN if rest else value

    def _call(self, tokens: list[str], local: Mapping[str, Any], depth: int) -> tuple[Any, list[str]]:
        """The value of `helper argument ...` or of a single atom, and the tokens after it."""
        if depth > MAX_DEPTH:
            raise FormatError(f"a template expression nested deeper than {MAX_DEPTH}")
        atoms: list[Any] = []
        head = tokens[0]
        while tokens and tokens[0] != ")":
            atom, tokens = tokens[0], tokens[1:]
            if atom == "(":
                value, tokens = self._call(tokens, local, depth + 1) if tokens else (UNKNOWN, [])
                tokens = tokens[1:]
                atoms.append(value)
            else:
                atoms.append(self._atom(atom, local))
        if len(atoms) == 1:
            return atoms[0], tokens
        return _apply(head, atoms[1:]), tokens

    def _atom(self, text: str, local: Mapping[str, Any]) -> Any:
        if text.startswith('"'):
            return text.strip('"')
        if text in ("true", "false"):
            return text == "true"
        if re.fullmatch(r"-?\d{1,18}", text):
            return int(text)
        place = [part.strip("[]\"'") for part in text.split(".")]
        value: Any = {**self.root, **local}
        if place[0] not in value and isinstance(local.get("this"), Mapping):
            value = local["this"]
        for part in place:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def _parameters(expression: str) -> tuple[str, list[str]]:
    """`list as |item index|`: the expression and the names that a block gives to its items."""
    match = _BLOCK_PARAMETERS.search(expression)
    return (expression, []) if match is None else (expression[: match.start()], match[1].split())


def _bound(names: list[str], item: Any, key: Any) -> dict[str, Any]:
    return dict(zip(names, (item, key), strict=False))


def _apply(helper: str, arguments: list[Any]) -> Any:
    """The helpers whose result the settings alone decide."""
    match helper, arguments:
        case "default", [fallback, value]:
            return fallback if value is None else value
        case "and", [*values] if UNKNOWN not in values:
            return all(_truth(value) for value in values)
        case "or", [*values] if UNKNOWN not in values:
            return any(_truth(value) for value in values)
        case "not", [value] if value is not UNKNOWN:
            return not _truth(value)
        case "eq", [first, second] if UNKNOWN not in (first, second):
            return first == second
        case "any_enabled", [table] if isinstance(table, Mapping):
            return any(isinstance(one, Mapping) and one.get("enabled") is True for one in table.values())
        case _:
            return UNKNOWN


def _truth(value: Any, *, zero: bool = False) -> bool:
    return True if zero and value == 0 and not isinstance(value, bool) else bool(value)


def _shown(value: Any) -> str:
    match value:
        case _Unknown() | None:
            return MARKER
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(_shown(item) for item in value) + "]"
        case _:
            return MARKER
