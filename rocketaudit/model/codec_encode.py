"""Compiled encoders: one closure a class, made when it is first met."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Union

from rocketaudit.model.codec_hints import NO_DEFAULT, PLAIN, Coder, default_of, hints_of, is_json, optional
from rocketaudit.model.fact import Key


@cache
def encoder(hint: Any, full: bool) -> Coder | None:
    """How to encode a value of that annotation; None when it is JSON already."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (*PLAIN, float, type(None)):
        return None
    if hint is Key:
        return str
    if hint is date:
        return date.isoformat
    if is_json(hint):
        return _encode_json
    if isinstance(hint, type) and issubclass(hint, Enum):
        return attrgetter("_value_")  # `value` is a descriptor in Python
    if isinstance(hint, type) and is_dataclass(hint):
        return _encode_dataclass(hint, full)
    if origin in (Union, types.UnionType):
        inner = encoder(optional(hint), full)
        return None if inner is None else lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _encode_tuple(arguments, full)
    if origin is Mapping:
        item = encoder(arguments[1], full)
        return dict if item is None else lambda value: {name: item(part) for name, part in value.items()}
    raise TypeError(f"the codec does not know the annotation {hint!r}")


def _encode_tuple(arguments: tuple[Any, ...], full: bool) -> Coder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = encoder(arguments[0], full)
        return list if item is None else lambda value: [item(part) for part in value]
    items = [encoder(argument, full) for argument in arguments]
    if not any(items):
        return list
    return lambda value: [part if coder is None else coder(part) for part, coder in zip(value, items, strict=True)]


def _encode_dataclass(cls: type, full: bool) -> Coder:
    """A function made for the class: a loop over its fields would take twice as long, and files have thousands."""
    hints = hints_of(cls)
    scope: dict[str, Any] = {}
    known = [field for field in fields(cls) if not field.name.startswith("_")]
    lines = ["def made(value):", "    out = {}"]
    for number, field in enumerate(known):
        default = default_of(field)
        coder = encoder(hints[field.name], full)
        scope[f"code{number}"] = coder
        text = "part" if coder is None else f"code{number}(part)"
        lines.append(f"    part = value.{field.name}")
        if default is NO_DEFAULT or (full and default is not None):
            lines.append(f"    out[{field.name!r}] = {text}")
            continue
        scope[f"default{number}"], scope[f"type{number}"] = default, type(default)
        if default is None or default is True or default is False:
            lines.append(f"    if part is not default{number}:")
        else:
            differs = f"part != default{number} or type(part) is not type{number}"
            lines.append(f"    if part is not default{number} and ({differs}):")
        lines.append(f"        out[{field.name!r}] = {text}")
    exec("\n".join([*lines, "    return out"]), scope)  # noqa: S102 - names of fields of our own classes
    made: Coder = scope["made"]
    return made


def _encode_json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_encode_json(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _encode_json(part) for name, part in value.items()}
    return value
