"""All chains that a packet to, through or from this host meets, from nf_tables and from iptables' older tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from rocketaudit.errors import SourceError
from rocketaudit.formats.netfilter import nf_tables
from rocketaudit.formats.netfilter.netlink import Message
from rocketaudit.formats.netfilter.nf_tables import NftChain, NftRule
from rocketaudit.formats.netfilter.nft_sets import FilterSet
from rocketaudit.formats.netfilter.nft_values import INET, IPV4, IPV6
from rocketaudit.formats.netfilter.rule_text import FilterChain
from rocketaudit.formats.netfilter.x_tables import TableInfo, parse_entries
from rocketaudit.source.netfilter import read_x_table

HOOKS = ("INPUT", "FORWARD", "OUTPUT")
MAX_LINES = 5_000  # of the chains of one hook
_NAMES = {INET: "inet", IPV4: "ip", IPV6: "ip6"}
_KINDS = ("filter", "route")  # chains of type nat see first packets only, and rewrite instead of filtering
_MAX_SETS = 256


class Kernel(Protocol):
    """Whoever answers for nf_tables: `kind` is NFT_MSG_GET*, `table` and `set` narrow it to one."""

    def dump(self, kind: int, family: int = 0, **named: str) -> list[Message]: ...


_Id = tuple[int, str]  # family and name of a table


def old_chains(*, ipv6: bool) -> list[FilterChain]:
    """The chains at the hooks of the older filter table, each with the rules of all chains that it leads to."""
    return chains_of_table(*read_x_table(ipv6=ipv6), ipv6=ipv6)


def chains_of_table(info: TableInfo, data: bytes, *, ipv6: bool) -> list[FilterChain]:
    """The same from the kernel's answer."""
    chains = parse_entries(data, info, ipv6=ipv6)
    rules = {chain.name: chain.rules for chain in chains}
    return [replace(one, table="filter (x_tables)", rules=_with_led_to(one.name, rules)) for one in chains if one.hook]


def new_chains(kernel: Kernel, family: int) -> list[FilterChain]:
    """As `old_chains`, of every awake table of nf_tables that sees packets of a family (2 or 10)."""
    awake = set()
    for one in kernel.dump(nf_tables.GET_TABLE):
        table_family, name, is_dormant = nf_tables.parse_table(one.body)
        if not is_dormant:
            awake.add((table_family, name))
    chains = [nf_tables.parse_chain(one.body) for one in kernel.dump(nf_tables.GET_CHAIN)]
    bases: dict[_Id, list[NftChain]] = {}
    for chain in chains:
        table = (chain.family, chain.table)
        if chain.family in (INET, family) and chain.hook and chain.kind in _KINDS and table in awake:
            bases.setdefault(table, []).append(chain)
    found = [one for table, heads in bases.items() for one in _of_table(kernel, table, heads, family)]
    return sorted(found, key=lambda one: (one.hook, one.priority, one.table, one.name))


def _of_table(kernel: Kernel, table: _Id, heads: Iterable[NftChain], family: int) -> list[FilterChain]:
    rules = [nf_tables.parse_rule(one.body) for one in kernel.dump(nf_tables.GET_RULE, table[0], table=table[1])]
    rules = [rule for rule in rules if (rule.family, rule.table) == table]
    sets = _sets(kernel, table, rules)
    by_chain: dict[str, list[NftRule]] = {}
    for rule in rules:
        by_chain.setdefault(rule.chain, []).append(rule)
    lines: dict[str, tuple[str, ...]] = {}
    made = []
    for head in heads:
        _decode_led_to(head.name, by_chain, lines, family, sets)
        made.append(
            FilterChain(
                f"{_NAMES[head.family]} {head.table} (nf_tables)",
                head.name,
                head.hook,
                head.priority,
                head.policy or "ACCEPT",
                _with_led_to(head.name, lines),
            )
        )
    return made


def _decode_led_to(
    name: str,
    by_chain: Mapping[str, list[NftRule]],
    lines: dict[str, tuple[str, ...]],
    family: int,
    sets: Mapping[str, FilterSet],
) -> None:
    """Decode the rules of a chain and of all that it leads to; others may be many, and are of no interest."""
    waiting = [name]
    while waiting:
        chain = waiting.pop()
        if chain in lines:
            continue
        lines[chain] = tuple(line for rule in by_chain.get(chain, ()) for line in rule.lines(family, sets))
        if sum(map(len, lines.values())) > MAX_LINES:
            raise SourceError(f"{name} leads to more than {MAX_LINES} rules")
        waiting += targets(lines[chain])


def _sets(kernel: Kernel, table: _Id, rules: Iterable[NftRule]) -> dict[str, FilterSet]:
    """The sets that rules look things up in, with their elements."""
    wanted = dict.fromkeys(name for rule in rules for name in rule.sets())
    flags = {}
    if wanted:
        for one in kernel.dump(nf_tables.GET_SET, table[0], table=table[1]):
            family, owner, name, found = nf_tables.parse_set(one.body)
            if (family, owner) == table:
                flags[name] = found
    sets = {}
    for name in [name for name in wanted if name in flags][:_MAX_SETS]:
        parts = [
            nf_tables.parse_set_elements(one.body, flags[name])
            for one in kernel.dump(nf_tables.GET_ELEMENTS, table[0], table=table[1], set=name)
        ]
        sets[name] = FilterSet(flags[name], tuple(element for part in parts for element in part.elements))
    return sets


def targets(lines: Iterable[str]) -> list[str]:
    """Where rules jump or go to; targets that are no chains are among them."""
    words = [line.split() for line in lines]
    return [one[-1] for one in words if len(one) > 2 and one[-2] in ("-j", "-g")]


def _with_led_to(name: str, rules: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The rules of a chain, then those of every chain that it leads to."""
    order = [name]
    for chain in order:
        order += [one for one in dict.fromkeys(targets(rules.get(chain, ()))) if one in rules and one not in order]
    found = tuple(line for chain in order for line in rules.get(chain, ()))
    if len(found) > MAX_LINES:
        raise SourceError(f"{name} leads to more than {MAX_LINES} rules")
    return found
