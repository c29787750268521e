"""YAML without its traps: duplicate keys, aliases, tags and documents after the first are refused.

Values are built from the parser's events on a stack of our own: PyYAML's C composer recurses, so that deep nesting
ends the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from rocketaudit.errors import FormatError

MAX_DEPTH = 64
MAX_EVENTS = 500_000
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_AMBIGUOUS_WORDS = frozenset(
    word for lower in ("yes", "no", "on", "off", "y", "n") for word in (lower, lower.capitalize(), lower.upper())
) | {"True", "TRUE", "False", "FALSE", "Null", "NULL", "="}
_NUMBER_LIKE = re.compile(  # octal, hexadecimal, sexagesimal (1:30 is ninety), float, underscores, dates
    r"""[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z
    | [-+]?0[xXoObB]?[0-9a-fA-F_]+\Z
    | [-+]?[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9]+)?\Z
    | [-+]?\.(?:inf|Inf|INF)\Z | \.(?:nan|NaN|NAN)\Z
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\ ].*)?\Z""",
    re.VERBOSE,
)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not seen yet; `key` waits for its value."""

    values: list[Any] | dict[str, Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Turns events into plain values."""

    resolve: Callable[[str, int], Any]
    keys_are_text: bool
    stack: list[_Open] = field(default_factory=list)
    result: Any = None

    def add(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._put(self._scalar(event), event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _refuse_tag(event)
                if len(self.stack) >= MAX_DEPTH:
                    raise FormatError(f"line {_line(event)}: nested deeper than {MAX_DEPTH}")
                self.stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else []))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._put(self.stack.pop().values, event)
            case yaml.AliasEvent():
                raise FormatError(f"line {_line(event)}: an alias (*{event.anchor}): not followed")
            case _:
                return

    def _scalar(self, event: Any) -> Any:
        _refuse_tag(event)
        return self.resolve(event.value, _line(event)) if event.implicit[0] and not event.style else event.value

    def _put(self, value: Any, event: Any) -> None:
        if not self.stack:
            self.result = value
            return
        top = self.stack[-1]
        if isinstance(top.values, list):
            top.values.append(value)
        elif top.key is None:
            if isinstance(value, (dict, list)) or (self.keys_are_text and not isinstance(value, str)):
                raise FormatError(f"line {_line(event)}: the key {value!r} is not text: quote it")
            top.key = str(value)
            if top.key in top.values:
                raise FormatError(f"line {_line(event)}: the key {top.key!r} comes twice")
        else:
            top.values[top.key] = value
            top.key = None


def load_strict(data: bytes) -> Any:
    """Plain values of our own rule files; FormatError names the line of what is ambiguous, repeated or broken."""
    return _load(data, _Builder(_strict, keys_are_text=True))


def load_plain(data: bytes) -> Any:
    """Plain values of a target's file, resolved as YAML 1.1; keys become text. FormatError as above."""
    return _load(data, _Builder(_plain, keys_are_text=False))


def _load(data: bytes, builder: _Builder) -> Any:
    try:
        documents = 0
        for number, event in enumerate(_events(data)):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if number > MAX_EVENTS or documents > 1:
                what = "more than one document" if documents > 1 else f"more than {MAX_EVENTS} values"
                raise FormatError(f"line {_line(event)}: {what}")
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise FormatError(f"{line}{error.problem or error.context or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise FormatError("nested too deep") from error
    return builder.result


def _events(data: bytes) -> Iterator[Any]:
    events: Iterator[Any] = yaml.parse(data, _Parser)
    return events


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _refuse_tag(event: Any) -> None:
    if event.tag is not None and event.tag != "!":
        raise FormatError(f"line {_line(event)}: a tag ({event.tag}): not followed")


def _strict(value: str, line: int) -> Any:
    """Only true, false, null and decimal integers are not text; what looks like more than that is refused."""
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.match(value):
        return int(value)
    if value in _AMBIGUOUS_WORDS or (value[0] in "+-.0123456789" and _NUMBER_LIKE.match(value)):
        raise FormatError(f"line {line}: {value!r} can be read in two ways: quote it")
    return value


_YAML_1_1 = yaml.SafeLoader("")


def _plain(value: str, line: int) -> Any:
    tag = _YAML_1_1.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    if tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"):
        return value
    try:
        return _YAML_1_1.construct_object(yaml.ScalarNode(tag, value), deep=True)
    except ValueError as error:  # a date such as 2026-02-31, a number of too many digits
        raise FormatError(f"line {line}: {value[:40]!r}: {error}") from error
