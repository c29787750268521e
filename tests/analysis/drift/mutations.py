"""Every field of a value, one at a time, with another value in it: found by the types, not listed by hand."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, Union

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key

LEAVES = (str, int, float, bool, Enum, Key, Mapping, type(None))


@dataclass(frozen=True)
class Mutation:
    """`field` is Class.field, `path` where in the whole."""

    field: str
    path: str
    evidence: Evidence


def mutations(evidence: Evidence) -> Iterator[Mutation]:
    """The evidence with one leaf changed, for every leaf there is."""
    for name, path, value in _mutated(evidence, "Evidence"):
        fresh = replace(value, _facts={}, _files={}, _children={})
        yield Mutation(name, path, fresh)


def _mutated(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    hints = typing.get_type_hints(type(value))
    for field in fields(value):
        if field.name.startswith("_"):
            continue
        name, here = f"{type(value).__name__}.{field.name}", f"{path}.{field.name}"
        old = getattr(value, field.name)
        for inner, place, new in _of_field(name, here, old, hints[field.name]):
            yield inner, place, replace(value, **{field.name: new})


def _of_field(name: str, path: str, old: Any, hint: Any) -> Iterator[tuple[str, str, Any]]:
    if is_dataclass(old) and not isinstance(old, Key):
        yield from _mutated(old, path)
    elif isinstance(old, tuple) and any(is_dataclass(part) for part in old):
        for index, part in enumerate(old):
            for inner, place, new in _mutated(part, f"{path}[{index}]"):
                yield inner, place, (*old[:index], new, *old[index + 1 :])
            yield name, f"{path}[{index}] removed", (*old[:index], *old[index + 1 :])
    elif not (old in (None, ()) and _holds_records(hint)):
        yield name, path, other(old, hint)


def _holds_records(hint: Any) -> bool:
    return is_dataclass(hint) or any(_holds_records(part) for part in typing.get_args(hint))


def other(old: Any, hint: Any) -> Any:
    """A value of the same type that differs."""
    if typing.get_origin(hint) in (Union, types.UnionType) and old is None:
        inner = next(part for part in typing.get_args(hint) if part is not type(None))
        return _made(inner)
    match old:
        case bool():
            return not old
        case int() | float():
            return old + 1
        case Enum():
            members = list(type(old))
            return members[(members.index(old) + 1) % len(members)]
        case str():
            return old + "x"
        case Key():
            return Key(old.namespace, (*old.subject, "x"), old.attribute)
        case tuple():
            return (*old[:-1], _other_part(old[-1])) if old else ("x",)
        case Mapping():
            return {**old, "added": "x"}
    raise AssertionError(f"no other value for {old!r} of {hint}")


def _other_part(part: Any) -> Any:
    return (*part[:-1], _other_part(part[-1])) if isinstance(part, tuple) else other(part, type(part))


def _made(hint: Any) -> Any:
    if is_dataclass(hint):
        return None
    return {str: "x", int: 1, bool: True, float: 1.0}.get(hint, ("x", 1) if typing.get_origin(hint) is tuple else "x")
