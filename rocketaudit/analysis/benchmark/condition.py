"""What a value must be like: the comparisons that all words share."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.errors import UsageError
from rocketaudit.model.fact import JsonValue
from rocketaudit.model.records import dataclass

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?\Z")
_SEPARATORS = re.compile(r"[\s,]+")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
KINDS = (
    "one_of",
    "none_of",
    "subset_of",
    "contains_all",
    "contains_none",
    "starts_with",
    "ends_with",
    "at_least",
    "at_most",
    "longer_than",
    "loopback",
    "empty",
    "not_empty",
    "present",
)


NEVER = "never"  # not for rules: what is present is wrong


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: `kind` is one of KINDS, `operands` its texts (numbers as text)."""

    kind: str
    operands: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: Arguments) -> Condition:
        """Takes the one comparison out of a word's arguments."""
        given = [kind for kind in KINDS if arguments.has(kind)]
        if len(given) != 1:
            raise UsageError(f"{arguments.word}: give exactly one of {', '.join(KINDS)}; found {len(given)}")
        kind = given[0]
        match kind:
            case "one_of" | "none_of" | "subset_of" | "contains_all" | "contains_none" | "starts_with" | "ends_with":
                return cls(kind, arguments.texts(kind))
            case "at_least" | "at_most":
                return cls(kind, (str(arguments.number(kind)),))
            case "longer_than":
                duration = arguments.text(kind)
                if seconds(duration) is None:
                    raise UsageError(f"{arguments.word}: {duration!r} is no duration such as 4h or 90s")
                return cls(kind, (duration,))
            case _:
                if not arguments.flag(kind, default=False):
                    raise UsageError(f"{arguments.word}: {kind!r} can only be true")
                return cls(kind)

    def holds(self, value: JsonValue) -> bool | None:
        """Whether a value is so; None when the value is not of a kind that can be compared."""
        match self.kind:
            case "one_of" | "none_of":
                return (shown(value) in self.operands) == (self.kind == "one_of")
            case "starts_with" | "ends_with":
                compare = str.startswith if self.kind == "starts_with" else str.endswith
                return isinstance(value, str) and compare(value, self.operands)
            case "subset_of" | "contains_all" | "contains_none":
                return self._compare_items(value)
            case "at_least" | "at_most":
                number = _number(value)
                if number is None:
                    return None
                return number >= int(self.operands[0]) if self.kind == "at_least" else number <= int(self.operands[0])
            case "longer_than":
                found, wanted = seconds(shown(value)), seconds(self.operands[0])
                return None if found is None or wanted is None else found > wanted
            case "loopback":
                return is_loopback(shown(value))
            case "empty" | "not_empty":
                return (value in ("", (), None) or value == {}) == (self.kind == "empty")
            case "never":
                return False
            case _:
                return True

    def _compare_items(self, value: JsonValue) -> bool | None:
        if isinstance(value, Mapping) or not isinstance(value, (str, tuple)):
            return None
        items = _SEPARATORS.split(value.strip(" ,")) if isinstance(value, str) else [shown(item) for item in value]
        match self.kind:
            case "subset_of":
                return bool(items) and set(items) <= set(self.operands)
            case "contains_all":
                return set(self.operands) <= set(items)
            case _:
                return not set(self.operands) & set(items)

    def __str__(self) -> str:
        wanted = ", ".join(self.operands)
        match self.kind:
            case "one_of":
                return wanted if len(self.operands) == 1 else f"one of {wanted}"
            case "none_of":
                return f"not {wanted}"
            case "subset_of":
                return f"nothing but {wanted}"
            case "contains_all":
                return f"all of {wanted}"
            case "contains_none":
                return f"none of {wanted}"
            case "starts_with":
                return f"a text that starts with {wanted}"
            case "ends_with":
                return f"a text that ends with {wanted}"
            case "at_least" | "at_most" | "longer_than":
                return f"{self.kind.replace('_', ' ')} {wanted}"
            case "loopback":
                return "an address of the node itself"
            case "never":
                return "that it is not given at all"
            case _:
                return self.kind.replace("_", " ")


def shown(value: JsonValue) -> str:
    """A value as it is compared and printed."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case tuple():
            return ", ".join(shown(item) for item in value)
        case int() if abs(value) >> 64:
            return f"{value:#x}"  # a decimal text of any length may be refused (sys.set_int_max_str_digits)
        case Mapping():
            return ", ".join(f"{name}: {shown(item)}" for name, item in value.items())
        case _:
            return str(value)


def _number(value: JsonValue) -> float | None:
    """A number, or a text that is plainly one; None for everything else, also for what is not finite."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str() if _NUMBER.match(value):
            return float(value)
        case _:
            return None


def seconds(text: str) -> float | None:
    """A duration as Go writes it (4h0m0s, 90s, 0), in seconds; None when it is none."""
    bare = text.lstrip("+-")
    if bare == "0":
        return 0.0
    parts = _DURATION.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total


def is_loopback(text: str) -> bool:
    """Whether `host:port` (or a host) can only be reached from the node itself."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    elif host.count(":") > 1 and host.rpartition(":")[2].isdigit() and not _is_address(host):
        host = host.rpartition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
