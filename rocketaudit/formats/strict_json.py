"""JSON that something is trusted for: one meaning or none.

The standard parser lets the last of two equal keys win, reads NaN, and recurses as deep as the input says. A signer
and a verifier that read such a document differently are an attack, so all of that is a FormatError here (RFC 8259, 4
leaves it open).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from rocketaudit.errors import BudgetError, FormatError

MAX_DEPTH = 64
MAX_BYTES = 64 << 20

K = TypeVar("K")


def loads(raw: bytes, *, what: str = "JSON", max_bytes: int = MAX_BYTES) -> Any:
    """The value in UTF-8 bytes; FormatError for duplicate keys, NaN, depth over 64, lone surrogates or more bytes."""
    if len(raw) > max_bytes:
        raise BudgetError(f"{what} of {len(raw)} bytes, at most {max_bytes} are read")
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8", offset=error.start) from None
    except json.JSONDecodeError as error:
        raise FormatError(f"{what}: {error.msg}", offset=len(error.doc[: error.pos].encode())) from None
    except RecursionError:
        raise FormatError(f"{what} is nested deeper than {MAX_DEPTH} levels") from None
    except (_RefusedError, ValueError) as error:  # ValueError: an integer of thousands of digits
        raise FormatError(f"{what}: {error}") from None
    _check(value, what)
    return value


class _RefusedError(Exception):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"key {key[:80]!r} is given twice")
            seen.add(key)
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not a JSON number")


def _check(value: object, what: str) -> None:
    """Depth, and what a str or a float can hold but no UTF-8 document can mean."""
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        one, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise FormatError(f"{what} is nested deeper than {MAX_DEPTH} levels")
        match one:
            case dict():
                pending.extend((inner, depth + 1) for inner in one.values())
                pending.extend((key, depth) for key in one)
            case list():
                pending.extend((inner, depth + 1) for inner in one)
            case str() if not one.isascii():
                try:
                    one.encode("utf-8")
                except UnicodeEncodeError:
                    raise FormatError(f"{what} has a lone surrogate in {one[:40]!r}") from None
            case float() if not math.isfinite(one):
                raise FormatError(f"{what} has a number beyond what a double holds")
            case _:
                pass


def member(record: object, name: str, kind: type[K], what: str) -> K:
    """`record[name]` when it is a `kind`; FormatError that names it otherwise. True is no int."""
    if not isinstance(record, Mapping):
        raise FormatError(f"{what} is not an object")
    if name not in record:
        raise FormatError(f"{what} lacks {name!r}")
    return of_kind(record[name], kind, f"{name!r} of {what}")


def of_kind(value: object, kind: type[K], what: str) -> K:
    """`value` when it is a `kind`, or FormatError."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise FormatError(f"{what} is {_name_of(value)}, {kind.__name__} expected")
    return value


def strings(value: object, what: str) -> tuple[str, ...]:
    """A list of strings as a tuple, or FormatError."""
    return tuple(of_kind(one, str, f"an entry of {what}") for one in of_kind(value, list, what))


def _name_of(value: object) -> str:
    if value is None:
        return "null"
    return "a list" if isinstance(value, Sequence) and not isinstance(value, str) else type(value).__name__


def canonical(value: object) -> bytes:
    """The bytes that TUF signs (OLPC canonical JSON): sorted keys, no blanks, only quote and backslash escaped.

    FormatError for a float, which that form does not know.
    """
    parts: list[str] = []
    _write_canonical(value, parts)
    return "".join(parts).encode("utf-8")


def _write_canonical(value: object, parts: list[str]) -> None:
    match value:
        case None:
            parts.append("null")
        case bool():
            parts.append("true" if value else "false")
        case int():
            parts.append(str(value))
        case str():
            parts.append('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
        case list():
            parts.append("[")
            for index, inner in enumerate(value):
                parts.append("," if index else "")
                _write_canonical(inner, parts)
            parts.append("]")
        case dict():
            parts.append("{")
            for index, key in enumerate(sorted(value)):
                parts.append("," if index else "")
                _write_canonical(key, parts)
                parts.append(":")
                _write_canonical(value[key], parts)
            parts.append("}")
        case _:
            raise FormatError(f"{type(value).__name__} has no canonical form")
