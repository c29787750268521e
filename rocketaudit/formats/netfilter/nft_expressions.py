"""The expressions of one nf_tables rule as rules in iptables' words.

A rule may give several: one for each element of a set that it looks something up in. What is not understood stays a
restriction with a name where it can only restrict, and makes the verdict undecoded where it could do more.
Layouts: include/uapi/linux/netfilter/nf_tables.h, nf_tables_compat.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rocketaudit.errors import FormatError
from rocketaudit.formats.netfilter.netlink import attribute_list, attributes, number, plain, text
from rocketaudit.formats.netfilter.nft_sets import FilterSet, parse_verdict, restrictions
from rocketaudit.formats.netfilter.nft_values import Value, compare, compare_range, masked, meta_value, payload_value
from rocketaudit.formats.netfilter.rule_text import UNDECODED, RuleText
from rocketaudit.formats.netfilter.xt_extensions import add_match, add_target

MAX_ALTERNATIVES = 64
_MAX_EXPRESSIONS = 1024
_CT_STATE = 0
# they load something, count or change the packet, and let every packet through
_HARMLESS = frozenset(
    (
        "byteorder", "counter", "dup", "dynset", "exthdr", "fib", "flow_offload", "fwd", "hash", "last", "log", "masq",
        "nat", "notrack", "numgen", "osf", "redir", "rt", "secmark", "socket", "tunnel", "xfrm",
    )
)  # fmt: skip
_RESTRICTS = frozenset(("limit", "quota", "connlimit"))
_OBJECTS_THAT_RESTRICT = (2, 4, 5)  # NFT_OBJECT_QUOTA, _LIMIT, _CONNLIMIT


@dataclass(slots=True)
class _Decoding:
    """`open` are the alternatives that packets may still follow, `done` those with a verdict."""

    family: int
    sets: Mapping[str, FilterSet]
    open: list[RuleText] = field(default_factory=lambda: [RuleText()])
    done: list[RuleText] = field(default_factory=list)
    registers: dict[int, Value] = field(default_factory=dict)

    def match(self, words: str) -> None:
        for rule in self.open:
            rule.matches.append(words)

    def finish(self, verdict: str) -> None:
        for rule in self.open:
            rule.verdict = verdict
        if verdict:
            self.done += self.open
            self.open = []


def decode_rule(expressions: bytes, family: int, sets: Mapping[str, FilterSet]) -> tuple[RuleText, ...]:
    """What a rule does to packets of a family (2 or 10); nothing when none of them can match it."""
    decoding = _Decoding(family, sets)
    for count, (_, raw) in enumerate(attribute_list(expressions)):
        if count >= _MAX_EXPRESSIONS:
            raise FormatError(f"a rule of more than {_MAX_EXPRESSIONS} expressions")
        outer = attributes(raw)
        if decoding.open:
            _step(decoding, text(outer.get(1), "expression"), attributes(outer.get(2, b"")))
    return (*decoding.done, *decoding.open)


def expression_names(expressions: bytes) -> tuple[str, ...]:
    """Names of the sets that a rule looks things up in."""
    found = []
    for _, raw in attribute_list(expressions):
        outer = attributes(raw)
        if outer.get(1) == b"lookup\0":
            found.append(text(attributes(outer.get(2, b"")).get(1), "lookup"))
    return tuple(found)


def _step(decoding: _Decoding, name: str, given: dict[int, bytes]) -> None:
    match name:
        case "meta" | "ct" | "payload":
            if 1 in given:  # without a register to load they set something
                decoding.registers[_register(given[1])] = _loading(decoding.family, name, given)
        case "bitwise":
            _bitwise(decoding, given)
        case "cmp":
            value = _loaded(decoding, given.get(1))
            operation, data = number(given.get(2), "cmp"), _data(given.get(3))
            decoding.open = [rule for rule in decoding.open if compare(rule, decoding.family, value, operation, data)]
        case "immediate":
            _immediate(decoding, given)
        case "lookup":
            _lookup(decoding, given)
        case "match":
            label, revision = given.get(1, b"").rstrip(b"\0"), number(given.get(2), "match")
            for rule in decoding.open:
                add_match(rule, label, revision, given.get(3, b""))
        case "target":
            _target(decoding, given)
        case _:
            _other(decoding, name, given)


def _loading(family: int, name: str, given: dict[int, bytes]) -> Value:
    if name == "meta":
        return meta_value(number(given.get(2), name))
    if name == "ct":
        return Value("state" if number(given.get(2), name) == _CT_STATE else "ct", 4)
    base, offset, length = (number(given.get(kind), name) for kind in (2, 3, 4))
    return payload_value(family, base, offset, length)


def _other(decoding: _Decoding, name: str, given: dict[int, bytes]) -> None:
    if name == "range":
        value, operation = _loaded(decoding, given.get(1)), number(given.get(2), name)
        for rule in decoding.open:
            compare_range(rule, value, operation, _data(given.get(3)), _data(given.get(4)))
    elif name == "reject":
        decoding.finish("-j REJECT")
    elif name == "objref":
        if 1 in given and number(given[1], name) in _OBJECTS_THAT_RESTRICT:
            decoding.match("-m nft --undecoded objref")
    elif name in _HARMLESS:
        if 1 in given and name in ("byteorder", "exthdr", "fib", "hash", "numgen", "osf", "rt", "socket", "xfrm"):
            # which attribute names the register differs; nothing that is known may seem to be there any more
            decoding.registers.clear()
    elif name in _RESTRICTS:
        decoding.match(f"-m nft --undecoded {name}")
    else:
        decoding.finish(f"-j {UNDECODED}{name}")


def _register(raw: bytes | None) -> int:
    """NFT_REG_1 to 4 hold four of NFT_REG32_00 to 15 each."""
    found = number(raw, "register")
    return (found - 1) * 4 if 1 <= found <= 4 else found - 8


def _loaded(decoding: _Decoding, raw: bytes | None) -> Value:
    return decoding.registers.get(_register(raw), Value("register", 4))


def _bitwise(decoding: _Decoding, given: dict[int, bytes]) -> None:
    value = _loaded(decoding, given.get(1))
    is_mask = 4 in given and 5 in given and (6 not in given or number(given[6], "bitwise") == 0)
    made = masked(value, _data(given[4]), _data(given[5])) if is_mask else Value("bitwise", value.length)
    decoding.registers[_register(given.get(2))] = made


def _data(raw: bytes | None) -> bytes:
    """The bytes of a value; a verdict has none."""
    return attributes(raw or b"").get(1, b"")


def _immediate(decoding: _Decoding, given: dict[int, bytes]) -> None:
    if number(given.get(1), "immediate") != 0:
        decoding.registers[_register(given.get(1))] = Value("immediate", 4)
        return
    verdict = attributes(given.get(2, b"")).get(2)
    decoding.finish(parse_verdict(verdict))


def _target(decoding: _Decoding, given: dict[int, bytes]) -> None:
    name = given.get(1, b"").rstrip(b"\0")
    for rule in decoding.open:
        add_target(rule, name)
    if any(rule.verdict.startswith(("-j REJECT", f"-j {UNDECODED}")) for rule in decoding.open):
        decoding.finish(decoding.open[0].verdict)


def _lookup(decoding: _Decoding, given: dict[int, bytes]) -> None:
    """One alternative for each element that is understood; a set that is not stays one restriction."""
    name = text(given.get(1), "lookup")
    value = _loaded(decoding, given.get(2))
    found = decoding.sets.get(name)
    is_inverse = 5 in given and bool(number(given[5], "lookup") & 1)
    if 3 in given and number(given[3], "lookup") != 0:  # a map whose answer goes to a register
        decoding.registers[_register(given[3])] = Value("map", 4)
        decoding.match(f"-m nft --undecoded {plain(name.encode())}")
        return
    is_map = 3 in given
    choices = None if found is None else restrictions(found, decoding.family, value, is_inverse=is_inverse)
    if choices is None or len(choices) * len(decoding.open) > MAX_ALTERNATIVES:
        if is_map:
            decoding.match("-m nft --undecoded map")
            for rule in decoding.open:
                other = rule.copy()
                other.verdict = f"-j {UNDECODED}map"
                decoding.done.append(other)
        else:
            decoding.match(f"-m nft --undecoded {value.kind}-in-set")
        return
    made: list[RuleText] = []
    for rule in decoding.open:
        for restrict, verdict in choices:
            other = rule.copy()
            if restrict(other):
                other.verdict = verdict
                (decoding.done if verdict else made).append(other)
    # a packet that a map does not name, or that it lets continue, goes on behind the expression only when named
    decoding.open = [] if is_map else made
