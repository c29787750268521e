"""Frozen dataclasses to JSON and back, strictly, driven by their annotations.

Understood: str, int, float, bool, StrEnum, date, X | None, tuple[X, ...], tuple[X, Y], Mapping[str, X], nested
dataclasses, JsonValue, and Key as its text. Fields that start with "_" are skipped. Encoding leaves out what
equals a field's default; decoding refuses unknown and missing fields, wrong types and duplicate keys.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from rocketaudit.errors import FormatError
from rocketaudit.model.codec_decode import decoder
from rocketaudit.model.codec_encode import encoder
from rocketaudit.model.codec_text import writer

T = TypeVar("T")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def encode(value: object, *, full: bool = False) -> Any:
    """`value` (a dataclass) as plain JSON values; `full` writes defaults too, except None."""
    coder = encoder(cast(Any, type(value)), full)
    return value if coder is None else coder(value)


def decode(cls: type[T], raw: object) -> T:
    """An instance of `cls` out of plain JSON values, or FormatError that names the field."""
    return cast(T, decoder(cast(Any, cls))(raw))


def canonical(raw: object) -> bytes:
    """The one way to write plain JSON values: sorted keys, no spaces, ASCII only; ValueError for NaN."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def dumps(value: object) -> bytes:
    """A dataclass as canonical JSON: the bytes of `canonical(encode(value))`."""
    with without_collection():
        return writer(cast(Any, type(value)), True)(value).encode()


def compact(value: object) -> str:
    """A dataclass as JSON on one line, fields in their order and every character as it is."""
    return writer(cast(Any, type(value)), False)(value)


def compile_for(full: type, *, text: type, line: type) -> None:
    """Compile now what `encode(full=True)`, `dumps` and `compact` need for these classes.

    It takes some 20 ms, which are better spent before there is something to write.
    """
    encoder(cast(Any, full), True)
    writer(cast(Any, text), True)
    writer(cast(Any, line), False)


def loads(cls: type[T], data: bytes | memoryview) -> T:
    """An instance of `cls` out of JSON text, or FormatError."""
    with without_collection():
        return decode(cls, parse(data))


def parse(data: bytes | memoryview) -> Any:
    """Plain values of strict JSON: UTF-8, no duplicate keys, no NaN; FormatError otherwise."""
    try:
        with without_collection():
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
def without_collection() -> Iterator[None]:
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
