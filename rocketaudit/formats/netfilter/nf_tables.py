"""Tables, chains and rules of nf_tables as netlink gives them.

Layouts: include/uapi/linux/netfilter/nf_tables.h; every message begins with struct nfgenmsg (4 bytes).
"""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.errors import FormatError
from rocketaudit.formats.netfilter.netlink import attributes, number, text
from rocketaudit.formats.netfilter.nft_expressions import decode_rule, expression_names
from rocketaudit.formats.netfilter.nft_sets import FilterSet, parse_elements
from rocketaudit.formats.netfilter.rule_text import chain_word
from rocketaudit.model.records import dataclass

NEW_TABLE, NEW_CHAIN, NEW_RULE, NEW_SET, NEW_ELEMENTS = 0, 3, 6, 9, 12
GET_TABLE, GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENTS = 1, 4, 7, 10, 13
SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_HOOKS = {1: "INPUT", 2: "FORWARD", 3: "OUTPUT"}  # NF_INET_LOCAL_IN, _FORWARD, _LOCAL_OUT
_DORMANT = 1


@dataclass(frozen=True, slots=True)
class NftChain:
    """`hook` is "" for a chain that only others reach, or at a hook that this does not judge."""

    family: int
    table: str
    name: str
    hook: str
    priority: int
    policy: str
    kind: str


@dataclass(frozen=True, slots=True)
class NftRule:
    family: int
    table: str
    chain: str
    expressions: bytes

    def sets(self) -> tuple[str, ...]:
        """Names of the sets that it needs."""
        return expression_names(self.expressions)

    def lines(self, family: int, sets: Mapping[str, FilterSet]) -> tuple[str, ...]:
        """The rule in iptables' words for packets of a family."""
        return tuple(one.line(self.chain) for one in decode_rule(self.expressions, family, sets))


def parse_table(body: bytes) -> tuple[int, str, bool]:
    """Family, name, and whether the table is dormant: its chains then filter nothing."""
    family, given = _message(body)
    flags = number(given[2], "table flags") if 2 in given else 0
    return family, text(given.get(1), "table"), bool(flags & _DORMANT)


def parse_chain(body: bytes) -> NftChain:
    family, given = _message(body)
    hook = attributes(given.get(4, b""))
    place, priority = 0, 0
    if hook:
        place = number(hook.get(1), "hook")
        priority = int.from_bytes(number(hook.get(2), "priority").to_bytes(4, "big"), "big", signed=True)
    policy = "" if 5 not in given else {0: "DROP", 1: "ACCEPT"}.get(number(given[5], "policy"), "other")
    kind = text(given[7], "type") if 7 in given else ""
    table, name = text(given.get(1), "table"), chain_word(text(given.get(3), "chain"))
    return NftChain(family, table, name, _HOOKS.get(place, "") if hook else "", priority, policy, kind)


def parse_rule(body: bytes) -> NftRule:
    family, given = _message(body)
    return NftRule(family, text(given.get(1), "table"), chain_word(text(given.get(2), "chain")), given.get(4, b""))


def parse_set(body: bytes) -> tuple[int, str, str, int]:
    """Family, table, name and flags."""
    family, given = _message(body)
    flags = number(given[3], "set flags") if 3 in given else 0
    return family, text(given.get(1), "table"), text(given.get(2), "set"), flags


def parse_set_elements(body: bytes, flags: int) -> FilterSet:
    _, given = _message(body)
    return FilterSet(flags, parse_elements(given.get(3, b"")))


def _message(body: bytes) -> tuple[int, dict[int, bytes]]:
    if len(body) < 4:
        raise FormatError(f"a message of {len(body)} bytes, expected struct nfgenmsg")
    return body[0], attributes(body[4:])
