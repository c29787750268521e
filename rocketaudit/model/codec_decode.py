"""Compiled decoders: one closure a class, strict about names and types, with the place in every message."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, Union

from rocketaudit.errors import FormatError
from rocketaudit.model.codec_hints import PLAIN, Coder, is_json, optional
from rocketaudit.model.fact import Key

Setter = Callable[[Any, Any], None]
_Place = tuple[type | None, Coder, Setter]
MAX_DEPTH = 64  # of free JSON values
MAX_SHAPES = 1024  # sets of keys that are remembered for one class
OFTEN = 200  # objects of one shape, after which writing a function for it pays


@cache
def decoder(hint: Any) -> Coder:
    """How to read a value of that annotation; TypeError for one that the codec does not know."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return _plain(hint)
    if hint is float:
        return _float
    if hint is Key:
        return _key
    if hint is date:
        return _date
    if is_json(hint):
        return _json
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _decode_dataclass(hint)
    if origin in (Union, types.UnionType):
        inner = decoder(optional(hint))
        return lambda raw: None if raw is None else inner(raw)
    if origin is tuple:
        return _decode_tuple(arguments)
    if origin is Mapping:
        return _decode_mapping(decoder(arguments[1]))
    raise TypeError(f"the codec does not know the annotation {hint!r}")


def _plain(kind: type) -> Coder:
    def read(raw: Any) -> Any:
        if type(raw) is not kind:
            raise FormatError(f"{kind.__name__} expected, {_name(raw)} found")
        return raw

    return read


def _float(raw: Any) -> float:
    if type(raw) is not float and type(raw) is not int:
        raise FormatError(f"number expected, {_name(raw)} found")
    try:
        return float(raw)
    except OverflowError as error:
        raise FormatError("number out of range") from error


def _key(raw: Any) -> Key:
    if type(raw) is not str:
        raise FormatError(f"key expected, {_name(raw)} found")
    try:
        return Key.parse(raw)
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"not a key: {raw[:80]!r}") from error


def _date(raw: Any) -> date:
    try:
        return date.fromisoformat(raw)
    except (ValueError, TypeError) as error:
        raise FormatError(f"not a date: {raw!r:.80}") from error


def _enum(cls: type[Enum]) -> Coder:
    members = {member.value: member for member in cls}

    def read(raw: Any) -> Enum:
        if type(raw) is not str or raw not in members:
            raise FormatError(f"one of {', '.join(map(str, members))} expected, {raw!r:.80} found")
        return members[raw]

    return read


def _json(raw: Any, depth: int = 0) -> Any:
    kind = type(raw)
    if kind is str or raw is None or kind in (bool, int, float):
        return raw
    if depth >= MAX_DEPTH:
        raise FormatError(f"a value that is nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        return tuple(_json(part, depth + 1) for part in raw)
    return {name: _json(part, depth + 1) for name, part in raw.items()}


def _decode_tuple(arguments: tuple[Any, ...]) -> Coder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = decoder(arguments[0])
        kind = arguments[0] if arguments[0] in PLAIN else None

        def read_many(raw: Any) -> tuple[Any, ...]:
            if type(raw) is not list:
                raise FormatError(f"list expected, {_name(raw)} found")
            if kind is None or any(type(part) is not kind for part in raw):
                return _each(raw, item)
            return tuple(raw)

        return read_many
    items = [decoder(argument) for argument in arguments]

    def read_fixed(raw: Any) -> tuple[Any, ...]:
        if type(raw) is not list or len(raw) != len(items):
            raise FormatError(f"list of {len(items)} expected")
        return tuple(coder(part) for coder, part in zip(items, raw, strict=True))

    return read_fixed


def _each(raw: list[Any], item: Coder) -> tuple[Any, ...]:
    out: list[Any] = []
    try:
        for part in raw:
            out.append(item(part))
    except FormatError as error:
        raise _inside(f"[{len(out)}]", error) from error
    return tuple(out)


def _decode_mapping(item: Coder) -> Coder:
    def read(raw: Any) -> dict[str, Any]:
        if type(raw) is not dict:
            raise FormatError(f"object expected, {_name(raw)} found")
        return {name: item(part) for name, part in raw.items()}

    return read


def _decode_dataclass(cls: type) -> Coder:
    hints = typing.get_type_hints(cls)
    plan: dict[str, _Place] = {}
    for field in fields(cls):
        if not field.name.startswith("_"):
            hint = hints[field.name]
            inner = next((kind for kind in PLAIN if hint in (kind, kind | None)), None)
            plan[field.name] = (inner, decoder(hint), cls.__dict__[field.name].__set__)
    shapes: dict[tuple[str, ...], _Shape] = {}

    def read(raw: Any) -> Any:
        if type(raw) is not dict:
            raise FormatError(f"object expected, {_name(raw)} found")
        names = tuple(raw)
        shape = shapes.get(names)
        if shape is None:
            shape = _shape(cls, plan, names)
            if len(shapes) < MAX_SHAPES:
                shapes[names] = shape
        return shape.read(raw)

    return read


class _Shape:
    """How objects with exactly those keys, in that order, become instances of a class.

    A shape that is met often gets a function of its own: half of the time of the loop, which knows where it is and so
    says what is wrong with an object that the function refuses.
    """

    __slots__ = ("_cls", "_fast", "_made", "_missing", "_names", "_places", "_seen")

    def __init__(self, cls: type, names: tuple[str, ...], places: list[_Place]) -> None:
        self._cls, self._names, self._places = cls, names, places
        self._missing: list[tuple[Setter, Any]] = []
        self._made: list[tuple[Setter, Callable[[], Any]]] = []
        self._seen = 0
        self._fast: Coder | None = None
        for field in fields(cls):
            if field.name in names:
                continue
            put = cls.__dict__[field.name].__set__
            if field.default is not MISSING:
                self._missing.append((put, field.default))
            elif field.default_factory is not MISSING:
                self._made.append((put, field.default_factory))
            else:
                raise FormatError(f"{cls.__name__} lacks {field.name!r}")

    def read(self, raw: dict[str, Any]) -> Any:
        """The instance; FormatError that names the field otherwise."""
        if self._fast is not None:
            try:
                return self._fast(raw)
            except FormatError:
                return self._read(raw)
        self._seen += 1
        if self._seen == OFTEN:
            self._fast = self._compile()
        return self._read(raw)

    def _read(self, raw: dict[str, Any]) -> Any:
        value: Any = object.__new__(self._cls)  # slot by slot: faster than the generated __init__ of a frozen class
        done = 0
        try:
            for (kind, coder, put), part in zip(self._places, raw.values(), strict=True):
                put(value, part if type(part) is kind else coder(part))
                done += 1
        except FormatError as error:
            raise _inside(f".{self._names[done]}", error) from error
        for put, default in self._missing:
            put(value, default)
        for put, factory in self._made:
            put(value, factory())
        return value

    def _compile(self) -> Coder:
        """The same loop written out; only numbers go into the text."""
        scope: dict[str, Any] = {"new": object.__new__, "cls": self._cls, "type": type}
        lines = ["value = new(cls)", f"[{', '.join(f'p{at}' for at in range(len(self._places)))}] = raw.values()"]
        for at, (kind, coder, put) in enumerate(self._places):
            scope |= {f"kind{at}": kind, f"coder{at}": coder, f"put{at}": put}
            plain = f"p{at} if type(p{at}) is kind{at} else coder{at}(p{at})" if kind else f"coder{at}(p{at})"
            lines.append(f"put{at}(value, {plain})")
        for at, (put, default) in enumerate(self._missing):
            scope |= {f"default{at}": default, f"lack{at}": put}
            lines.append(f"lack{at}(value, default{at})")
        for at, (put, factory) in enumerate(self._made):
            scope |= {f"factory{at}": factory, f"make{at}": put}
            lines.append(f"make{at}(value, factory{at}())")
        exec("def read(raw):\n    " + "\n    ".join([*lines, "return value"]), scope)  # noqa: S102 - numbers alone
        made: Coder = scope["read"]
        return made


def _shape(cls: type, plan: Mapping[str, _Place], names: tuple[str, ...]) -> _Shape:
    """What to do with an object that has exactly those keys, in that order."""
    for name in names:
        if name not in plan:
            raise FormatError(f"unknown field {name[:80]!r} of {cls.__name__}")
    return _Shape(cls, names, [plan[name] for name in names])


def _inside(place: str, error: FormatError) -> FormatError:
    inner = error.message
    joined = f"{place}{inner}" if inner.startswith((".", "[")) else f"{place}: {inner}"
    return FormatError(joined)


def _name(raw: Any) -> str:
    names = {dict: "object", list: "list", str: "str", bool: "bool", int: "int", float: "number"}
    return "null" if raw is None else names.get(type(raw), "something else")
