"""The filter table of iptables' older half (x_tables), as getsockopt gives it.

Layouts: include/uapi/linux/netfilter/x_tables.h, netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h, of 64-bit
kernels. A table is one run of entries; a chain begins at an entry and ends with its policy; jumps are byte offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.formats.netfilter.netlink import plain
from rocketaudit.formats.netfilter.rule_text import FilterChain, RuleText, chain_word, interface, network, protocol_name
from rocketaudit.formats.netfilter.xt_extensions import add_match, add_target
from rocketaudit.model.records import dataclass

INFO = struct.Struct("=32sI5I5III")  # struct ipt_getinfo
ENTRIES = struct.Struct("=32sI4x")  # struct ipt_get_entries, before the entries
MAX_TABLE = 32 << 20
_MAX_ENTRIES = 200_000
_HOOKS = {1: "INPUT", 2: "FORWARD", 3: "OUTPUT"}  # NF_INET_LOCAL_IN, _FORWARD, _LOCAL_OUT
_EXTENSION = struct.Struct("=H29sB")  # size of all, name, revision
_VERDICTS = {-1: "-j DROP", -2: "-j ACCEPT", -4: "-j undecoded:QUEUE", -5: "-j RETURN"}
_IPV4 = (struct.Struct("=4s4s4s4s16s16s16s16sHBB"), 88, 112)  # matched fields, target offset's place, entry's size
_GOTO_FLAG = {False: 2, True: 4}  # IPT_F_GOTO, IP6T_F_GOTO
_IPV6 = (struct.Struct("=16s16s16s16s16s16s16s16sHBBB3x"), 140, 168)


@dataclass(frozen=True, slots=True)
class TableInfo:
    """struct ipt_getinfo: where the chains of the hooks begin and end."""

    hooks: int
    begins: tuple[int, ...]
    policies: tuple[int, ...]
    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class _Entry:
    at: int
    end: int
    rule: RuleText
    jump: int | None  # where a jump goes
    is_goto: bool
    header: str | None  # the name of the chain that begins after this entry
    is_standard: bool


def parse_info(data: bytes) -> TableInfo:
    """What IPT_SO_GET_INFO gave, or FormatError."""
    if len(data) < INFO.size:
        raise FormatError(f"table information of {len(data)} bytes, expected {INFO.size}")
    _, hooks, *numbers = INFO.unpack_from(data)
    entries, size = numbers[10], numbers[11]
    if size > MAX_TABLE or entries > _MAX_ENTRIES:
        raise FormatError(f"a filter table of {entries} entries and {size} bytes is more than is read")
    return TableInfo(hooks, tuple(numbers[:5]), tuple(numbers[5:10]), entries, size)


def parse_entries(data: bytes, info: TableInfo, *, ipv6: bool) -> tuple[FilterChain, ...]:
    """All chains of a table from its entries, those of the hooks with their policy; FormatError names the byte."""
    entries = list(_entries(data[: info.size], info, ipv6=ipv6))
    if len(data) < info.size or len(entries) != info.entries:
        raise FormatError(
            f"a table of {len(data)} bytes and {len(entries)} entries, expected {info.size}, {info.entries}"
        )
    names = _names(entries, info)
    policies = {info.policies[hook]: name for hook, name in _HOOKS.items() if info.hooks >> hook & 1}
    rules: dict[str, list[str]] = {name: [] for name in names.values()}
    found: dict[str, str] = {}
    chain, is_policy = "", frozenset(policies)
    for number, entry in enumerate(entries):
        chain = names.get(entry.at, chain)
        if entry.header is not None:
            chain = ""
            continue
        if entry.at in is_policy:
            found[policies[entry.at]] = entry.rule.verdict.removeprefix("-j ")
            continue
        ends = number + 1 == len(entries) or entries[number + 1].header is not None
        if chain and not (ends and chain not in _HOOKS.values() and entry.is_standard):
            rules[chain].append(_line(chain, entry, names))
    return tuple(
        FilterChain("filter", name, name if name in found else "", 0, found.get(name, ""), tuple(lines))
        for name, lines in rules.items()
    )


def _names(entries: list[_Entry], info: TableInfo) -> dict[int, str]:
    """The name of the chain that begins at an offset."""
    names = {info.begins[hook]: name for hook, name in _HOOKS.items() if info.hooks >> hook & 1}
    starts = {entry.at for entry in entries}
    for entry in entries:
        if entry.header is not None and entry.header != "ERROR" and entry.end in starts:
            name = f"chain:{entry.header}" if entry.header in _HOOKS.values() else chain_word(entry.header)
            if name in names.values():
                raise FormatError(f"two chains are called {name} (byte {entry.at})")
            names[entry.end] = name
    return names


def _line(chain: str, entry: _Entry, names: dict[int, str]) -> str:
    rule = entry.rule
    if entry.jump is not None:
        if entry.jump == entry.end:  # iptables writes a rule without a target so
            rule.verdict = ""
        elif entry.jump in names:
            rule.verdict = f"{'-g' if entry.is_goto else '-j'} {names[entry.jump]}"
        else:
            raise FormatError(f"a rule of {chain} jumps to byte {entry.jump}, where no chain begins (byte {entry.at})")
    return rule.line(chain)


def _entries(data: bytes, info: TableInfo, *, ipv6: bool) -> Iterator[_Entry]:
    layout, place, size = _IPV6 if ipv6 else _IPV4
    at = 0
    for _ in range(info.entries):
        if at + size > len(data):
            raise FormatError(f"the table ends inside an entry (byte {at})")
        target, following = struct.unpack_from("=HH", data, at + place)
        if not (size <= target <= following - _EXTENSION.size and at + following <= len(data)):
            raise FormatError(f"an entry of {following} bytes with its target at {target} (byte {at})")
        rule, flags = _fields(layout.unpack_from(data, at), ipv6=ipv6)
        for name, revision, info_bytes in _extensions(data, at + size, at + target):
            add_match(rule, name, revision, info_bytes)
        yield _with_target(data, at, at + target, at + following, rule, is_goto=bool(flags & _GOTO_FLAG[ipv6]))
        at += following
    if at != len(data):
        raise FormatError(f"{len(data) - at} bytes after the last entry of the table (byte {at})")


def _fields(values: tuple[bytes | int, ...], *, ipv6: bool) -> tuple[RuleText, int]:
    """What struct ipt_ip or ip6t_ip6 restricts, and its flags."""
    source, destination, source_mask, destination_mask, inside, outside, inside_mask, outside_mask = map(
        _bytes, values[:8]
    )
    protocol, flags, inverse = (int(one) for one in (values[8], values[-2], values[-1]))
    rule = RuleText()
    fields = (
        ("inside", interface(inside, inside_mask), 1),
        ("outside", interface(outside, outside_mask), 2),
        ("source", network(source, source_mask), 8),
        ("destination", network(destination, destination_mask), 16),
        ("protocol", protocol_name(protocol) if protocol else "", 64),
    )
    for name, value, bit in fields:
        if value:
            setattr(rule, name, f"!{value}" if inverse & bit else value)
        elif inverse & bit:
            rule.matches.append(f"-m never --{name}")
    if inverse & ~0x5B or (not ipv6 and flags & 1) or (ipv6 and flags & 2):
        rule.matches.append("-m fragment --undecoded")  # fragments, or the type of service
    return rule, flags


def _bytes(value: bytes | int) -> bytes:
    return value if isinstance(value, bytes) else b""


def _extensions(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, bytes]]:
    while at < end:
        if at + _EXTENSION.size > end:
            raise FormatError(f"a match is cut off (byte {at})")
        size, name, revision = _EXTENSION.unpack_from(data, at)
        if not _EXTENSION.size <= size <= end - at:
            raise FormatError(f"a match of {size} bytes where {end - at} are left (byte {at})")
        yield name.split(b"\0")[0], revision, data[at + _EXTENSION.size : at + size]
        at += size


def _with_target(data: bytes, at: int, target: int, end: int, rule: RuleText, *, is_goto: bool) -> _Entry:
    size, raw, _ = _EXTENSION.unpack_from(data, target)
    if not _EXTENSION.size <= size <= end - target:
        raise FormatError(f"a target of {size} bytes where {end - target} are left (byte {target})")
    name, content = raw.split(b"\0")[0], data[target + _EXTENSION.size : target + size]
    if name == b"ERROR":
        return _Entry(at, end, rule, None, False, plain(content.split(b"\0")[0]), False)
    if name:
        add_target(rule, name)
        return _Entry(at, end, rule, None, is_goto, None, False)
    if len(content) < 4:
        raise FormatError(f"a verdict of {len(content)} bytes (byte {target})")
    (verdict,) = struct.unpack_from("=i", content)
    if verdict >= 0:
        return _Entry(at, end, rule, verdict, is_goto, None, True)
    if verdict not in _VERDICTS:
        raise FormatError(f"verdict {verdict} is none (byte {target})")
    rule.verdict = _VERDICTS[verdict]
    return _Entry(at, end, rule, None, is_goto, None, True)
