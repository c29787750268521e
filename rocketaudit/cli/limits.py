"""`--limit NAME=N`: the bounds of a scan as the command line takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rocketaudit.errors import UsageError
from rocketaudit.model.budget import Bounds

_NAMES = ("bytes", "entries", "depth", "seconds", "held", "holes")


def bounds_of(limits: Sequence[str] | None) -> Bounds:
    """The sane defaults, but for what the user set; the last of several holds. UsageError for what is no bound."""
    bounds = Bounds()
    for text in limits or ():
        name, equals, number = text.rpartition("=")
        value = _number(number)
        if (equals and name not in _NAMES) or value is None or (name != "seconds" and value != int(value)):
            raise UsageError(f"--limit {text!r} is no bound", hint=f"NAME=N with a NAME of {', '.join(_NAMES)}")
        match name:
            case "entries":
                bounds = replace(bounds, entries=int(value))
            case "depth":
                bounds = replace(bounds, depth=int(value))
            case "seconds":
                bounds = replace(bounds, seconds=value)
            case "held":
                bounds = replace(bounds, held=int(value))
            case "holes":
                bounds = replace(bounds, holes=int(value))
            case _:
                bounds = replace(bounds, most_bytes=int(value))
    return bounds


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
