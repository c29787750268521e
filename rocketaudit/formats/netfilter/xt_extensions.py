"""Matches and targets of x_tables, as iptables' older tables and nf_tables' compatible rules carry them.

Layouts: include/uapi/linux/netfilter/xt_*.h, ipt_*.h. Numbers are in the machine's order, addresses and ports of
packets in network order. What is not decoded still restricts a rule, and says so by its name.
"""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError
from rocketaudit.formats.netfilter.netlink import plain
from rocketaudit.formats.netfilter.rule_text import GOES_ON, UNDECODED, RuleText, state_names

_TCP = struct.Struct("=4H4B")  # source ports, destination ports, option, flag mask, flags, inverse
_UDP = struct.Struct("=4HB")
_STATE, _ALIAS = 1, 0x2000  # XT_CONNTRACK_STATE and XT_CONNTRACK_STATE_ALIAS (`-m state`) in match_flags
_NO_TYPE = 0xFF


def add_match(rule: RuleText, name: bytes, revision: int, info: bytes) -> None:
    """Add what one match restricts; FormatError when its data is shorter than its layout."""
    match (name, revision):
        case (b"comment", _):
            return
        case (b"state", 0):
            (bits,) = _unpack(struct.Struct("=I"), info, name)
            rule.matches.append(f"-m state --state {state_names(bits)}")
        case (b"conntrack", 1 | 2 | 3):
            _add_conntrack(rule, revision, info)
        case (b"tcp", 0):
            *ports, option, mask, flags, inverse = _unpack(_TCP, info, name)
            rest = f" --tcp-flags {mask:#x} {flags:#x}" if mask else ""
            rest += f" --tcp-option {option}" if option else ""
            rest += " --inverse" if inverse & ~3 else ""
            _add_ports(rule, "tcp", ports, inverse, rest)
        case (b"udp", 0):
            *ports, inverse = _unpack(_UDP, info, name)
            _add_ports(rule, "udp", ports, inverse, "")
        case (b"icmp" | b"icmp6", 0):
            kind, low, high, inverse = _unpack(struct.Struct("=4B"), info, name)
            if kind != _NO_TYPE or inverse:
                word = "--icmp-type" if name == b"icmp" else "--icmpv6-type"
                shown = str(kind) if (low, high) == (0, 255) else f"{kind}/{low}"
                rule.matches.append(f"-m {name.decode()} {'! ' if inverse else ''}{word} {shown}")
        case _:
            rule.matches.append(f"-m {plain(name)} --undecoded")


def add_target(rule: RuleText, name: bytes) -> None:
    """Set the verdict that a target gives; one that is not known is said to be undecoded."""
    if name == b"REJECT":
        rule.verdict = "-j REJECT"
    elif plain(name) in GOES_ON:
        rule.verdict = f"-j {plain(name)}"
    else:
        rule.verdict = f"-j {UNDECODED}{plain(name)}"


def _add_conntrack(rule: RuleText, revision: int, info: bytes) -> None:
    """struct xt_conntrack_mtinfo1 to 3: the flags that say what counts come after 146 bytes of addresses and ports."""
    flags, inverse = _unpack_at(struct.Struct("=2H"), info, 146)
    (bits,) = _unpack_at(struct.Struct("=B" if revision == 1 else "=H"), info, 150)
    if flags & _STATE:
        word, option = ("state", "--state") if flags & _ALIAS else ("conntrack", "--ctstate")
        rule.matches.append(f"-m {word} {'! ' if inverse & _STATE else ''}{option} {_conntrack_states(bits)}")
    if flags & ~(_STATE | _ALIAS):
        rule.matches.append(f"-m conntrack --undecoded {flags & ~(_STATE | _ALIAS):#x}")


def _conntrack_states(bits: int) -> str:
    """As `state_names`, with the two that only conntrack has (XT_CONNTRACK_STATE_SNAT, _DNAT)."""
    translated = [name for bit, name in ((128, "SNAT"), (256, "DNAT")) if bits & bit]
    known = state_names(bits & ~384)
    return ",".join([*([known] if known else []), *translated])


def _add_ports(rule: RuleText, name: str, ports: list[int], inverse: int, rest: str) -> None:
    words = ""
    for word, low, high, bit in (("--sport", ports[0], ports[1], 1), ("--dport", ports[2], ports[3], 2)):
        if (low, high) != (0, 65535) or inverse & bit:
            words += f"{' !' if inverse & bit else ''} {word} {low if low == high else f'{low}:{high}'}"
    if words or rest:
        rule.matches.append(f"-m {name}{words}{rest}")


def _unpack(layout: struct.Struct, info: bytes, name: bytes) -> tuple[int, ...]:
    if len(info) < layout.size:
        raise FormatError(f"match {plain(name)} has {len(info)} bytes, expected {layout.size}")
    return layout.unpack_from(info)


def _unpack_at(layout: struct.Struct, info: bytes, at: int) -> tuple[int, ...]:
    if len(info) < at + layout.size:
        raise FormatError(f"match conntrack has {len(info)} bytes, expected {at + layout.size}")
    return layout.unpack_from(info, at)
