"""YAML without its traps: duplicate keys, aliases and documents after the first are refused."""

from __future__ import annotations

import re
from typing import Any

import yaml

from rocketaudit.errors import FormatError

MAX_DEPTH = 64
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRAP = "!ambiguous"
_AMBIGUOUS = (
    (r"[-+]?0[0-9_]+(?:\.[0-9]*)?|0[xXoObB][0-9a-fA-F_]+", "0123456789+-"),  # octal, hexadecimal
    (r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", "0123456789+-"),  # 1:30 is ninety
    (r"[-+]?(?:[0-9][0-9_]*)?\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+", "0123456789+-."),
    (r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "+-."),
    (r"[-+]?[0-9]+_[0-9_]+|\+[0-9]+", "0123456789+-"),
    (r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|y|Y|n|N|True|TRUE|False|FALSE|Null|NULL", "yYnNoOtTfFNn"),
    (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?", "0123456789"),
)


class _Plain(_Loader):  # type: ignore[misc, valid-type]
    """Resolves as YAML 1.1 does, as the programs do whose files we read."""


class _Strict(_Loader):  # type: ignore[misc, valid-type]
    """Only true, false, null and plain decimal integers are not text; what looks like more is refused."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise FormatError(f"line {key_node.start_mark.line + 1}: the key {key!r} is not text: quote it")
        if key in found:
            raise FormatError(f"line {key_node.start_mark.line + 1}: the key {key!r} comes twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _plain_mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in found:
            raise FormatError(f"line {key_node.start_mark.line + 1}: the key {key!r} comes twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _refuse(loader: Any, node: yaml.ScalarNode) -> str:  # noqa: ARG001
    raise FormatError(f"line {node.start_mark.line + 1}: {node.value!r} can be read in two ways: quote it")


def _build() -> None:
    _Plain.add_constructor("tag:yaml.org,2002:map", _plain_mapping)
    _Strict.add_constructor("tag:yaml.org,2002:map", _mapping)
    _Strict.add_constructor(_TRAP, _refuse)
    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"true|false", "tf"),
        ("tag:yaml.org,2002:null", r"~|null|", ("~", "n", "")),
        ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ):
        _Strict.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), list(first))
    for pattern, first in _AMBIGUOUS:
        _Strict.add_implicit_resolver(_TRAP, re.compile(rf"(?:{pattern})\Z"), list(dict.fromkeys(first)))


_build()


def load_strict(data: bytes) -> Any:
    """Plain values of our own rule files; FormatError names the line of what is ambiguous, repeated or broken."""
    return _load(data, _Strict)


def load_plain(data: bytes) -> Any:
    """Plain values of a target's file, resolved as YAML 1.1; keys become text. FormatError as above."""
    return _load(data, _Plain)


def _load(data: bytes, loader: Any) -> Any:
    try:
        if b"*" in data or b"&" in data:
            _refuse_aliases(data)
        return yaml.load(data, loader)  # noqa: S506 - both are subclasses of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise FormatError(f"{line}{error.problem or error.context or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"not YAML: {error}") from error
    except RecursionError as error:
        raise FormatError("nested too deep") from error


def _refuse_aliases(data: bytes) -> None:
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.AliasEvent):
            start: Any = event.start_mark
            raise FormatError(f"line {start.line + 1}: an alias (*{event.anchor}): not followed")
