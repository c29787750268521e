"""What a register of nf_tables holds while a rule is decoded, and what comparing it restricts.

Layouts: include/uapi/linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass, replace

from rocketaudit.formats.netfilter.rule_text import RuleText, interface, network, protocol_name, state_names

IPV4, IPV6, INET = 2, 10, 1  # NFPROTO_*
EQUAL, NOT_EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL = range(6)
_LOOPBACK_INDEX = 1  # LOOPBACK_IFINDEX, in every network namespace
_META = {
    1: "protocol", 4: "iif", 5: "oif", 6: "iifname", 7: "oifname", 15: "nfproto", 16: "l4proto",
}  # fmt: skip
_WHOLE = {"protocol": 2, "iif": 4, "oif": 4, "iifname": 16, "oifname": 16, "nfproto": 1, "l4proto": 1, "state": 4}
_ETHERTYPES = {IPV4: b"\x08\x00", IPV6: b"\x86\xdd"}


@dataclass(frozen=True)
class Value:
    """`kind` is what was loaded; `mask` what a bitwise operation left of it, None for all."""

    kind: str
    length: int
    mask: bytes | None = None


def meta_value(key: int) -> Value:
    kind = _META.get(key, f"meta-{key}")
    return Value(kind, _WHOLE.get(kind, 4))


def payload_value(family: int, base: int, offset: int, length: int) -> Value:
    """A piece of a packet's headers; addresses may be loaded in part, which means a prefix."""
    width, source, destination, protocol = (4, 12, 16, 9) if family == IPV4 else (16, 8, 24, 6)
    match base, offset, length:
        case 1, at, size if at == source and size <= width:
            return Value("source", size)
        case 1, at, size if at == destination and size <= width:
            return Value("destination", size)
        case 1, at, 1 if at == protocol:
            return Value("l4proto", 1)
        case 2, 0, 2:
            return Value("sport", 2)
        case 2, 2, 2:
            return Value("dport", 2)
        case _:
            return Value(f"payload-{base}-{offset}", length)


def masked(value: Value, mask: bytes, flip: bytes) -> Value:
    """After a bitwise operation; what is flipped or cut twice is no longer known by its name."""
    if any(flip) or value.mask is not None or len(mask) < value.length:
        return Value("bitwise", value.length)
    return replace(value, mask=mask[: value.length])


def compare(rule: RuleText, family: int, value: Value, operation: int, data: bytes) -> bool:
    """Restrict a rule to what a comparison lets through; False when nothing of this family gets through."""
    if _is_always_true(operation, data):
        return True
    if operation not in (EQUAL, NOT_EQUAL):
        _undecoded(rule, value)
        return True
    equal = operation == EQUAL
    match value.kind:
        case "nfproto":
            return _constant(rule, value, data[:1] == bytes([family]), equal)
        case "protocol":
            return _constant(rule, value, data[:2] == _ETHERTYPES[family], equal)
        case "state":
            _restrict_state(rule, value, data, equal=equal)
        case "iifname" | "oifname" if value.mask is None and data:
            _field(rule, "inside" if value.kind == "iifname" else "outside", interface(_name(data)), equal=equal)
        case "iif" | "oif" if value.mask is None and int.from_bytes(data[:4], sys.byteorder) == _LOOPBACK_INDEX:
            _field(rule, "inside" if value.kind == "iif" else "outside", "lo", equal=equal)
        case "l4proto" if value.mask is None and data:
            _field(rule, "protocol", protocol_name(data[0]), equal=equal)
        case "source" | "destination":
            return _restrict_address(rule, family, value, data, equal=equal)
        case "sport" | "dport" if value.mask is None and len(data) >= 2:
            _port(rule, value.kind, str(int.from_bytes(data[:2], "big")), equal=equal)
        case _:
            _undecoded(rule, value)
    return True


def compare_range(rule: RuleText, value: Value, operation: int, first: bytes, last: bytes) -> None:
    """Restrict a rule to a range; one that holds everything restricts nothing."""
    if operation == EQUAL and not any(first) and all(byte == 0xFF for byte in last):
        return
    if value.kind in ("sport", "dport") and value.mask is None and len(first) >= 2 and len(last) >= 2:
        ports = f"{int.from_bytes(first[:2], 'big')}:{int.from_bytes(last[:2], 'big')}"
        _port(rule, value.kind, ports, equal=operation == EQUAL)
    else:
        _undecoded(rule, value)


def networks(family: int, first: bytes, last: bytes) -> list[tuple[bytes, bytes]]:
    """A range of addresses as addresses with masks."""
    kind = ipaddress.IPv4Address if family == IPV4 else ipaddress.IPv6Address
    pieces = ipaddress.summarize_address_range(kind(first), kind(last))
    return [(piece.network_address.packed, piece.netmask.packed) for piece in pieces]


def restrict_network(rule: RuleText, kind: str, address: bytes, mask: bytes, *, equal: bool = True) -> bool:
    shown = network(address, mask)
    if not shown:
        return equal
    _field(rule, kind, shown, equal=equal)
    return True


def _restrict_address(rule: RuleText, family: int, value: Value, data: bytes, *, equal: bool) -> bool:
    width = 4 if family == IPV4 else 16
    if len(data) < value.length:
        _undecoded(rule, value)
        return True
    mask = (value.mask or b"\xff" * value.length).ljust(width, b"\0")
    address = data[: value.length].ljust(width, b"\0")
    if any(one & ~other & 0xFF for one, other in zip(address, mask, strict=True)):
        return not equal  # what the mask cuts away is asked for: never equal
    return restrict_network(rule, value.kind, address, mask, equal=equal)


def _restrict_state(rule: RuleText, value: Value, data: bytes, *, equal: bool) -> None:
    """`state & bits != 0` as nft and iptables write it; `state == bit` is the same for one bit."""
    wanted = int.from_bytes(data[:4], sys.byteorder)
    if value.mask is not None and wanted == 0:
        wanted, equal = int.from_bytes(value.mask, sys.byteorder), not equal
    elif value.mask is not None or wanted.bit_count() != 1:
        _undecoded(rule, value)
        return
    rule.matches.append(f"-m conntrack {'' if equal else '! '}--ctstate {state_names(wanted)}")


def _port(rule: RuleText, kind: str, ports: str, *, equal: bool) -> None:
    name = rule.protocol if rule.protocol in ("tcp", "udp") else "th"
    words = f"{'' if equal else '! '}--{kind} {ports}"
    if rule.matches and rule.matches[-1].startswith((f"-m {name} --sport", f"-m {name} ! --sport")):
        rule.matches[-1] += f" {words}"
    else:
        rule.matches.append(f"-m {name} {words}")


def _field(rule: RuleText, name: str, shown: str, *, equal: bool) -> None:
    if shown == "+":
        if not equal:
            rule.matches.append(f"-m never --{name}")
        return
    rule.restrict(name, shown if equal else f"!{shown}")


def _constant(rule: RuleText, value: Value, same: bool, equal: bool) -> bool:
    """What is the same for every packet of a family."""
    if value.mask is not None:
        _undecoded(rule, value)
        return True
    return same == equal


def _name(data: bytes) -> bytes:
    """An interface's name as loaded: ended by NUL bytes, or only its beginning."""
    bare = data.rstrip(b"\0")
    return bare + b"\0" if len(bare) < len(data) else bare


def _is_always_true(operation: int, data: bytes) -> bool:
    """An attacker's comparison that restricts nothing."""
    if operation == GREATER_OR_EQUAL:
        return not any(data)
    return operation == LESS_OR_EQUAL and all(byte == 0xFF for byte in data)


def _undecoded(rule: RuleText, value: Value) -> None:
    rule.matches.append(f"-m nft --undecoded {value.kind}")
