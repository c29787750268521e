"""Frozen dataclasses to JSON and back, strictly, driven by their annotations.

Understood: str, int, float, bool, StrEnum, date, X | None, tuple[X, ...], tuple[X, Y], Mapping[str, X], nested
dataclasses, JsonValue, and Key as its text. Fields that start with "_" are skipped. Encoding leaves out what
equals a field's default; decoding refuses unknown and missing fields, wrong types and duplicate keys.
"""

from __future__ import annotations

import gc
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, Union, cast

from rocketaudit.errors import FormatError
from rocketaudit.model.fact import Key

T = TypeVar("T")
Coder = Callable[[Any], Any]
Setter = Callable[[Any, Any], None]
_Place = tuple[type | None, Coder, Setter]
_Shape = tuple[list[_Place], list[tuple[Setter, Any]], list[tuple[Setter, Callable[[], Any]]]]
MAX_DEPTH = 64  # of free JSON values
MAX_SHAPES = 1024  # sets of keys that are remembered for one class
_PLAIN: tuple[type, ...] = (str, int, bool)
_NO_DEFAULT = object()
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def encode(value: object, *, full: bool = False) -> Any:
    """`value` (a dataclass) as plain JSON values; `full` writes defaults too, except None."""
    coder = _encoder(cast(Any, type(value)), full)
    return value if coder is None else coder(value)


def decode(cls: type[T], raw: object) -> T:
    """An instance of `cls` out of plain JSON values, or FormatError that names the field."""
    return cast(T, _decoder(cast(Any, cls))(raw))


def canonical(raw: object) -> bytes:
    """The one way to write plain JSON values: sorted keys, no spaces, ASCII only; ValueError for NaN."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def dumps(value: object) -> bytes:
    """A dataclass as canonical JSON."""
    with _no_collection():
        return canonical(encode(value))


def loads(cls: type[T], data: bytes | memoryview) -> T:
    """An instance of `cls` out of JSON text, or FormatError."""
    with _no_collection():
        return decode(cls, parse(data))


def parse(data: bytes | memoryview) -> Any:
    """Plain values of strict JSON: UTF-8, no duplicate keys, no NaN; FormatError otherwise."""
    try:
        with _no_collection():
            value = json.loads(str(data, "utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
            if _SURROGATE.search(data):
                json.dumps(value, ensure_ascii=False).encode()
            return value
    except UnicodeEncodeError as error:
        raise FormatError("text with half of a surrogate pair") from error
    except UnicodeDecodeError as error:
        raise FormatError("not UTF-8", offset=error.start) from error
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg}", offset=error.pos) from error
    except RecursionError as error:
        raise FormatError("JSON that is nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise FormatError(f"not JSON: {error}") from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """A document of 100,000 objects holds no cycle; looking for some takes half of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _constant(text: str) -> float:
    raise FormatError(f"{text} is no JSON number")


# --- encoding


@cache
def _encoder(hint: Any, full: bool) -> Coder | None:
    """How to encode a value of that annotation; None when it is JSON already."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (*_PLAIN, float, type(None)):
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
        inner = _encoder(_optional(hint), full)
        return None if inner is None else lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _encode_tuple(arguments, full)
    if origin is Mapping:
        item = _encoder(arguments[1], full)
        return dict if item is None else lambda value: {name: item(part) for name, part in value.items()}
    raise TypeError(f"the codec does not know the annotation {hint!r}")


def _encode_tuple(arguments: tuple[Any, ...], full: bool) -> Coder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _encoder(arguments[0], full)
        return list if item is None else lambda value: [item(part) for part in value]
    items = [_encoder(argument, full) for argument in arguments]
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
        default = _default(field)
        if full and default is not None:
            default = _NO_DEFAULT
        plan.append((field.name, default, _encoder(hints[field.name], full)))
    names = [field.name for field in known]
    get: Coder = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, n) for n in names)
    return write


def _encode_json(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_encode_json(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _encode_json(part) for name, part in value.items()}
    return value


# --- decoding


@cache
def _decoder(hint: Any) -> Coder:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
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
        inner = _decoder(_optional(hint))
        return lambda raw: None if raw is None else inner(raw)
    if origin is tuple:
        return _decode_tuple(arguments)
    if origin is Mapping:
        return _decode_mapping(_decoder(arguments[1]))
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
        item = _decoder(arguments[0])
        kind = arguments[0] if arguments[0] in _PLAIN else None

        def read_many(raw: Any) -> tuple[Any, ...]:
            if type(raw) is not list:
                raise FormatError(f"list expected, {_name(raw)} found")
            if kind is None or any(type(part) is not kind for part in raw):
                return _each(raw, item)
            return tuple(raw)

        return read_many
    items = [_decoder(argument) for argument in arguments]

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
            inner = next((kind for kind in _PLAIN if hint in (kind, kind | None)), None)
            plan[field.name] = (inner, _decoder(hint), cls.__dict__[field.name].__set__)
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
        places, missing, made = shape
        value: Any = object.__new__(cls)  # slot by slot: twice as fast as the generated __init__ of a frozen class
        done = 0
        try:
            for (kind, coder, put), part in zip(places, raw.values(), strict=True):
                put(value, part if type(part) is kind else coder(part))
                done += 1
        except FormatError as error:
            raise _inside(f".{names[done]}", error) from error
        for put, default in missing:
            put(value, default)
        for put, factory in made:
            put(value, factory())
        return value

    return read


def _shape(cls: type, plan: Mapping[str, _Place], names: tuple[str, ...]) -> _Shape:
    """What to do with an object that has exactly those keys, in that order."""
    missing, made = [], []
    for name in names:
        if name not in plan:
            raise FormatError(f"unknown field {name[:80]!r} of {cls.__name__}")
    for field in fields(cls):
        if field.name in names:
            continue
        put = cls.__dict__[field.name].__set__
        if field.default is not MISSING:
            missing.append((put, field.default))
        elif field.default_factory is not MISSING:
            made.append((put, field.default_factory))
        else:
            raise FormatError(f"{cls.__name__} lacks {field.name!r}")
    return [plan[name] for name in names], missing, made


# --- shared


def is_json(hint: Any) -> bool:
    """Whether an annotation is JsonValue (a recursive union, so it is known by its members)."""
    members = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else ()
    origins = {typing.get_origin(member) for member in members}
    return {str, int, float, bool, type(None)} <= set(members) and {tuple, Mapping} <= origins


def _optional(hint: Any) -> Any:
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    if len(members) != 1 or len(typing.get_args(hint)) != 2:
        raise TypeError(f"the codec does not know the annotation {hint!r}")
    return members[0]


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return _NO_DEFAULT if field.default_factory is MISSING else field.default_factory()


def _inside(place: str, error: FormatError) -> FormatError:
    inner = error.message
    joined = f"{place}{inner}" if inner.startswith((".", "[")) else f"{place}: {inner}"
    return FormatError(joined)


def _name(raw: Any) -> str:
    names = {dict: "object", list: "list", str: "str", bool: "bool", int: "int", float: "number"}
    return "null" if raw is None else names.get(type(raw), "something else")
