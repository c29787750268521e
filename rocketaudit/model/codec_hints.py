"""Reading annotations: what both directions of the codec must see alike."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from functools import cache
from typing import Any, Union

Coder = Callable[[Any], Any]
PLAIN: tuple[type, ...] = (str, int, bool)
NO_DEFAULT = object()


hints_of = cache(typing.get_type_hints)  # of a class: reading its annotations takes longer than all else about it


def is_json(hint: Any) -> bool:
    """Whether an annotation is JsonValue (a recursive union, so it is known by its members)."""
    members = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else ()
    origins = {typing.get_origin(member) for member in members}
    return {str, int, float, bool, type(None)} <= set(members) and {tuple, Mapping} <= origins


def optional(hint: Any) -> Any:
    """X of X | None; TypeError for any other union."""
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    if len(members) != 1 or len(typing.get_args(hint)) != 2:
        raise TypeError(f"the codec does not know the annotation {hint!r}")
    return members[0]


def default_of(field: Field[Any]) -> Any:
    """A field's default, or NO_DEFAULT."""
    if field.default is not MISSING:
        return field.default
    return NO_DEFAULT if field.default_factory is MISSING else field.default_factory()
