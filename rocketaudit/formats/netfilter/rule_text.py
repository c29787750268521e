"""A rule of a packet filter in the words of `iptables -S`, wherever it came from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from rocketaudit.formats.netfilter.netlink import plain
from rocketaudit.model import records

PROTOCOLS = {
    1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
    58: "ipv6-icmp", 132: "sctp", 136: "udplite",
}  # fmt: skip
# bits of a connection's state, the same in xt_state, xt_conntrack and nft_ct (nf_conntrack_common.h), in the order
# in which iptables writes them
STATES = ((1, "INVALID"), (8, "NEW"), (4, "RELATED"), (2, "ESTABLISHED"), (64, "UNTRACKED"))
UNDECODED = "undecoded:"  # begins the target of a rule whose verdict was not understood
_TARGETS = frozenset(("ACCEPT", "DROP", "REJECT", "RETURN", "QUEUE", "NFQUEUE"))
# targets after which a packet meets the next rule
GOES_ON = frozenset(
    (
        "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CONNSECMARK", "SECMARK", "TRACE", "AUDIT", "TCPMSS", "CLASSIFY",
        "DSCP", "TOS", "TTL", "HL", "IDLETIMER", "RATEEST", "LED", "CHECKSUM", "TEE", "SET", "ECN", "CT", "NOTRACK",
    )
)  # fmt: skip


@records.dataclass(frozen=True, slots=True)
class FilterChain:
    """One chain at a hook, or one that others jump to; `hook` is "" and `policy` is "" for the latter."""

    table: str
    name: str
    hook: str = ""
    priority: int = 0
    policy: str = ""
    rules: tuple[str, ...] = ()


@dataclass(slots=True)
class RuleText:
    """What a rule matches and does, field by field while it is decoded; "" is no restriction."""

    source: str = ""
    destination: str = ""
    inside: str = ""
    outside: str = ""
    protocol: str = ""
    matches: list[str] = field(default_factory=list)
    verdict: str = ""

    def copy(self) -> RuleText:
        return RuleText(
            self.source, self.destination, self.inside, self.outside, self.protocol, [*self.matches], self.verdict
        )

    def restrict(self, name: str, value: str) -> None:
        """One of the five fields that iptables has words of its own for; a second value for one is another match."""
        if getattr(self, name):
            self.matches.append(f"-m again --{name} {value}")
        else:
            setattr(self, name, value)

    def line(self, chain: str) -> str:
        words = [f"-A {chain}"]
        options = ("-s", self.source), ("-d", self.destination), ("-i", self.inside), ("-o", self.outside)
        for option, value in (*options, ("-p", self.protocol)):
            if value:
                words.append(f"! {option} {value[1:]}" if value.startswith("!") else f"{option} {value}")
        words += self.matches
        if self.verdict:
            words.append(self.verdict)
        return " ".join(words)


def chain_word(name: str) -> str:
    """A chain's name as a rule's target: one that is called as a target does not become that target."""
    is_taken = name in _TARGETS or name in GOES_ON or name.startswith((UNDECODED, "chain:", "-", "!"))
    return f"chain:{name}" if is_taken else name


def interface(name: bytes, mask: bytes | None = None) -> str:
    """An interface as iptables writes it: "eth+" where only the beginning counts; "" for any."""
    if mask is None:
        return plain(name[:-1].split(b"\0")[0]) if name.endswith(b"\0") else f"{plain(name)}+"
    length = len(mask) - len(mask.lstrip(b"\xff"))
    if length == 0:
        return ""
    return interface(name[:length])


def network(address: bytes, mask: bytes) -> str:
    """An address with its prefix, or with its mask where that is no prefix; "" for all addresses."""
    bits = int.from_bytes(mask, "big")
    width = len(mask) * 8
    prefix = bits.bit_count()
    if bits == 0:
        return ""
    shown = str(ipaddress.ip_address(address))
    is_prefix = bits == (1 << width) - (1 << (width - prefix))
    return f"{shown}/{prefix}" if is_prefix else f"{shown}/{ipaddress.ip_address(mask)}"


def protocol_name(number: int) -> str:
    return PROTOCOLS.get(number, str(number))


def state_names(bits: int) -> str:
    """States of a connection as `--state` takes them; bits without a name stay a number."""
    known = [name for bit, name in STATES if bits & bit]
    rest = bits & ~sum(bit for bit, _ in STATES)
    return ",".join([*known, *([f"{rest:#x}"] if rest else [])])
