"""Compiled writers of JSON text: what `json` makes of the plain values of `codec_encode`, without making those.

An image has thousands of files and programs; field by field, their text takes less than two thirds of the time.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from functools import cache
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Union

from rocketaudit.model.codec_encode import encoder
from rocketaudit.model.codec_hints import NO_DEFAULT, default_of, hints_of, is_json, optional
from rocketaudit.model.fact import Key

Writer = Callable[[Any], str]
# sorted keys and ASCII only; or as the fields stand, with every character as it is. ValueError for NaN in both
_dump_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_dump_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@cache
def writer(hint: Any, canonical: bool) -> Writer:
    """How to write a value of that annotation; fields that equal their default are left out."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type):
        if issubclass(hint, str):
            return encode_basestring_ascii if canonical else encode_basestring
        if is_dataclass(hint) and hint is not Key:
            return _write_dataclass(hint, canonical)
    elif origin is tuple:
        return _write_tuple(arguments, canonical)
    elif origin in (Union, types.UnionType) and not is_json(hint):
        inner = writer(optional(hint), canonical)
        return lambda value: "null" if value is None else inner(value)
    dump, coder = _dump_canonical if canonical else _dump_compact, encoder(hint, False)
    return dump if coder is None else lambda value: dump(coder(value))


def _write_tuple(arguments: tuple[Any, ...], canonical: bool) -> Writer:
    if arguments == (tuple[str, str], Ellipsis):  # attributes, properties and digests: most of all text
        quote = writer(str, canonical)
        return lambda value: f"[{','.join([f'[{quote(name)},{quote(text)}]' for name, text in value])}]"
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = writer(arguments[0], canonical)
        return lambda value: f"[{','.join([item(part) for part in value])}]" if value else "[]"
    items = [writer(argument, canonical) for argument in arguments]
    return lambda value: f"[{','.join([write(part) for part, write in zip(value, items, strict=True)])}]"


def _write_dataclass(cls: type, canonical: bool) -> Writer:
    """A function made for the class: each member a local text, empty where it is left out, and one string of all."""
    known = [field for field in fields(cls) if not field.name.startswith("_")]
    if canonical:
        known.sort(key=lambda field: field.name)
    scope: dict[str, Any] = {"true": "true", "false": "false", "null": "null", "empty": "[]"}
    lines = ["def made(value):"]
    members = []
    first = next((number for number, field in enumerate(known) if default_of(field) is NO_DEFAULT), len(known))
    for number, field in enumerate(known):
        before, after = ("", ",") if number < first else ("," if number > first else "", "")
        hint = hints_of(cls)[field.name]
        text = f"{before}{json.dumps(field.name)}:{{{_text_of(number, hint)}}}{after}"
        scope[f"write{number}"] = writer(hint, canonical)
        lines.append(f"    part{number} = value.{field.name}")
        if default_of(field) is NO_DEFAULT:
            members.append(text)
        else:
            lines.append(f"    text{number} = '' if {_is_default(number, field, scope)} else f'{text}'")
            members.append(f"{{text{number}}}")
    joined = f"f'{{{{{''.join(members)}}}}}'"
    if first == len(known):  # a comma behind every member, also the last
        joined = f"'{{' + f'{''.join(members)}'[:-1] + '}}'"
    exec("\n".join([*lines, f"    return {joined}"]), scope)  # noqa: S102 - names of fields of our own classes
    made: Writer = scope["made"]
    return made


def _text_of(number: int, hint: Any) -> str:
    """The expression for a member's text: what is a number, true, false, null or empty needs no call."""
    part = f"part{number}"
    if hint is int:
        return f"{part} if {part}.__class__ is int else write{number}({part})"
    if hint is bool:
        return f"true if {part} is True else false if {part} is False else write{number}({part})"
    if typing.get_origin(hint) is tuple and Ellipsis in typing.get_args(hint):
        return f"write{number}({part}) if {part} else empty"
    if typing.get_origin(hint) in (Union, types.UnionType) and not is_json(hint):
        return f"null if {part} is None else {_text_of(number, optional(hint))}"
    return f"write{number}({part})"


def _is_default(number: int, field: Field[Any], scope: dict[str, Any]) -> str:
    part, default = f"part{number}", default_of(field)
    scope[f"default{number}"], scope[f"type{number}"] = default, type(default)
    if default is None or default is True or default is False:
        return f"{part} is default{number}"
    return f"{part} is default{number} or ({part} == default{number} and type({part}) is type{number})"
