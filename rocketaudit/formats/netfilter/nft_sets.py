"""Elements of nf_tables sets and verdict maps, and what looking a value up in them restricts."""

from __future__ import annotations

from collections.abc import Callable

from rocketaudit.errors import FormatError
from rocketaudit.formats.netfilter.netlink import attribute_list, attributes, number, text
from rocketaudit.formats.netfilter.nft_values import (
    EQUAL,
    IPV4,
    NOT_EQUAL,
    Value,
    compare,
    networks,
    restrict_network,
)
from rocketaudit.formats.netfilter.rule_text import UNDECODED, RuleText, chain_word
from rocketaudit.model.records import dataclass

MAX_ELEMENTS = 256  # of a set that is taken apart; larger ones stay one restriction
_INTERVAL, _TIMEOUT, _EVAL, _CONCAT = 4, 16, 32, 128
_END, _CATCH_ALL = 1, 2
_VERDICTS = {0: "-j DROP", 1: "-j ACCEPT", 5: "-j ACCEPT", -1: "", -2: "", -5: "-j RETURN"}

Choice = tuple[Callable[[RuleText], bool], str]


@dataclass(frozen=True, slots=True)
class Element:
    """`key` is b"" for the element that catches all others; `verdict` is "" where there is none."""

    key: bytes
    key_end: bytes
    verdict: str
    is_end: bool


@dataclass(frozen=True, slots=True)
class FilterSet:
    """`flags` as the kernel has them; `is_whole` is False when not all elements were read."""

    flags: int
    elements: tuple[Element, ...]
    is_whole: bool = True


def parse_verdict(raw: bytes | None) -> str:
    """ "-j DROP", "-j CHAIN", "-g CHAIN", "" for going on."""
    given = attributes(raw or b"")
    code = int.from_bytes(number(given.get(1), "verdict").to_bytes(4, "big"), "big", signed=True)
    if code in (-3, -4):
        return f"{'-j' if code == -3 else '-g'} {chain_word(text(given.get(2), 'chain'))}"
    if code >= 0 and code & 0xFF == 3:
        return f"-j {UNDECODED}QUEUE"
    if code not in _VERDICTS:
        raise FormatError(f"verdict {code} is none")
    return _VERDICTS[code]


def parse_elements(raw: bytes) -> tuple[Element, ...]:
    """The elements of one NFTA_SET_ELEM_LIST_ELEMENTS."""
    found = []
    for _, one in attribute_list(raw):
        given = attributes(one)
        flags = number(given[3], "element") if 3 in given else 0
        data = attributes(given.get(2, b""))
        key = b"" if flags & _CATCH_ALL else attributes(given.get(1, b"")).get(1, b"")
        if not key and not flags & _CATCH_ALL:
            raise FormatError("a set element without a key")
        verdict = parse_verdict(data[2]) if 2 in data else ""
        found.append(Element(key, attributes(given.get(10, b"")).get(1, b""), verdict, bool(flags & _END)))
    return tuple(found)


def restrictions(found: FilterSet, family: int, value: Value, *, is_inverse: bool) -> list[Choice] | None:
    """For each element how it restricts a rule, and its verdict; None when the set is not understood."""
    ordinary = not found.flags & (_TIMEOUT | _EVAL | _CONCAT) and found.is_whole and len(found.elements) <= MAX_ELEMENTS
    elements = found.elements
    if not ordinary or any(one.key_end for one in elements) or value.mask is not None:
        return None
    if any(one.key and len(one.key) != (value.length + 3 & ~3) and len(one.key) != value.length for one in elements):
        return None
    if is_inverse:
        if len(elements) != 1 or found.flags & _INTERVAL:
            return None
        return [(_comparing(family, value, NOT_EQUAL, elements[0].key), "")]
    if found.flags & _INTERVAL:
        return _intervals(elements, family, value)
    rest = [(_anything, one.verdict) for one in elements if not one.key]
    return [(_comparing(family, value, EQUAL, one.key), one.verdict) for one in elements if one.key] + rest


def _anything(rule: RuleText) -> bool:  # noqa: ARG001
    return True


def _comparing(family: int, value: Value, operation: int, key: bytes) -> Callable[[RuleText], bool]:
    return lambda rule: compare(rule, family, value, operation, key[: value.length])


def _intervals(elements: tuple[Element, ...], family: int, value: Value) -> list[Choice] | None:
    """Half-open ranges of addresses: each begins at an element and ends before the next one."""
    width = 4 if family == IPV4 else 16
    if value.kind not in ("source", "destination") or value.length != width:
        return None
    ordered = sorted((one for one in elements if one.key), key=lambda one: (one.key, not one.is_end))
    choices: list[Choice] = []
    for number_, one in enumerate(ordered):
        if one.is_end:
            continue
        later = ordered[number_ + 1].key if number_ + 1 < len(ordered) else None
        last = b"\xff" * width if later is None else (int.from_bytes(later, "big") - 1).to_bytes(width, "big")
        if last < one.key:
            return None
        for address, mask in networks(family, one.key, last):
            choices.append((_within(value.kind, address, mask), one.verdict))
    return choices + [(_anything, one.verdict) for one in elements if not one.key]


def _within(kind: str, address: bytes, mask: bytes) -> Callable[[RuleText], bool]:
    return lambda rule: restrict_network(rule, kind, address, mask)
