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

from rocketaudit.model.codec_hints import NO_DEFAULT, PLAIN, Coder, default_of, is_json, optional
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
        return attrgetter("value")
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
    hints = typing.get_type_hints(cls)
    plan: list[tuple[str, Any, Coder | None]] = []

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for (name, default, coder), part in zip(plan, get(value), strict=True):
            if part is default or (part == default and type(part) is type(default)):
                continue
            out[name] = part if coder is None else coder(part)
        return out

    known = [field for field in fields(cls) if not field.name.startswith("_")]
    for field in known:  # after `write` exists, so that a class may hold itself
        default = default_of(field)
        if full and default is not None:
            default = NO_DEFAULT
        plan.append((field.name, default, encoder(hints[field.name], full)))
    names = [field.name for field in known]
    get: Coder = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, n) for n in names)
    return write


def _encode_json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_encode_json(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _encode_json(part) for name, part in value.items()}
    return value
