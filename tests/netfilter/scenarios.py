"""Rule sets as administrators write them, and what the six rules of the benchmark must say of each."""

from __future__ import annotations

from dataclasses import dataclass

from rocketaudit.model.verdict import Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
DENY, LOOPBACK, ESTABLISHED = (
    "firewall-denies-by-default",
    "loopback-is-filtered",
    "established-connections-are-accepted",
)


@dataclass(frozen=True)
class Scenario:
    """`script` runs under bash; `ipv4` and `ipv6` are the verdicts on DENY, LOOPBACK and ESTABLISHED."""

    name: str
    script: str
    ipv4: tuple[Verdict, Verdict, Verdict]
    ipv6: tuple[Verdict, Verdict, Verdict]


def _by_the_book(command4: str, command6: str) -> str:
    """What the benchmark asks for, with iptables of either half."""
    lines = []
    for command, loopback, icmp in ((command4, "127.0.0.0/8", "icmp"), (command6, "::1", "ipv6-icmp")):
        lines += [f"{command} -P {chain} DROP" for chain in ("INPUT", "FORWARD", "OUTPUT")]
        lines += [f"{command} -A INPUT -i lo -j ACCEPT", f"{command} -A OUTPUT -o lo -j ACCEPT"]
        lines += [f"{command} -A INPUT -s {loopback} -j DROP"]
        for protocol in ("tcp", "udp", icmp):
            lines.append(f"{command} -A OUTPUT -p {protocol} -m state --state NEW,ESTABLISHED -j ACCEPT")
            lines.append(f"{command} -A INPUT -p {protocol} -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    return "\n".join(lines)


EVERYDAY = """
COMMAND -P INPUT DROP
COMMAND -N OWN
COMMAND -A INPUT -i lo -j ACCEPT
COMMAND -A INPUT -s 10.0.0.1/32 ! -i eth+ -p tcp -m tcp --dport 22 -m state --state NEW,ESTABLISHED -j ACCEPT
COMMAND -A INPUT -p tcp -m tcp --sport 1024:65535 ! --dport 80:90 -j ACCEPT
COMMAND -A INPUT -p udp -m udp --dport 53 -j RETURN
COMMAND -A INPUT -d 10.1.0.0/16 -p icmp -m icmp --icmp-type 8 -j OWN
COMMAND -A INPUT -s 192.168.7.0/24 ! -p udp -g OWN
COMMAND -A INPUT ! -d 172.16.0.0/12 -i eth0 -j DROP
COMMAND -A FORWARD -m conntrack ! --ctstate INVALID,NEW -j ACCEPT
COMMAND -A FORWARD -s 10.0.0.0/9 -d 10.128.0.0/9 -j OWN
COMMAND -A OUTPUT -p 132 -j ACCEPT
COMMAND -A OUTPUT -p udp
COMMAND -A OWN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMAND -A OWN -j RETURN
"""

NATIVE = """table inet fw {
    set inside { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.0/16 } }
    chain in {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ip saddr 127.0.0.0/8 drop
        ip6 saddr ::1 counter drop
        ct state vmap { established : accept, related : accept, invalid : drop }
        ip saddr @inside tcp dport { 22, 80 } accept
    }
    chain through { type filter hook forward priority filter; policy drop; }
    chain out {
        type filter hook output priority filter; policy drop;
        oifname "lo" accept
        meta l4proto { tcp, udp, icmp, icmpv6 } ct state { new, established } accept
    }
}
"""
_NFT = f"\nnft -f - <<'RULES'\n{NATIVE}RULES\n"

SCENARIOS = (
    Scenario("nothing", "true", (FAIL, FAIL, FAIL), (FAIL, FAIL, FAIL)),
    Scenario(
        "by the book, nf_tables", _by_the_book("iptables-nft", "ip6tables-nft"), (PASS, PASS, PASS), (PASS, PASS, PASS)
    ),
    Scenario(
        "by the book, x_tables",
        _by_the_book("iptables-legacy", "ip6tables-legacy"),
        (PASS, PASS, PASS),
        (PASS, PASS, PASS),
    ),
    Scenario("native nft", _NFT, (PASS, PASS, PASS), (PASS, PASS, PASS)),
    Scenario(
        "a table that sleeps filters nothing",
        f"{_NFT}\nnft 'add table inet fw {{ flags dormant; }}'",
        (FAIL, FAIL, FAIL),
        (FAIL, FAIL, FAIL),
    ),
    Scenario(
        "one rule accepts all before the policy",
        f"{_by_the_book('iptables-nft', 'ip6tables-nft')}\niptables-nft -I INPUT -j ACCEPT",
        (FAIL, FAIL, FAIL),
        (PASS, PASS, PASS),
    ),
    Scenario(
        "two halves of all addresses",
        f"{_by_the_book('iptables-legacy', 'ip6tables-legacy')}\n"
        "iptables-legacy -I INPUT -s 0.0.0.0/1 -j ACCEPT; iptables-legacy -I INPUT -s 128.0.0.0/1 -j ACCEPT\n"
        "ip6tables-legacy -N A; ip6tables-legacy -A A -j ACCEPT; ip6tables-legacy -I INPUT -j A",
        (FAIL, FAIL, PASS),
        (FAIL, FAIL, FAIL),
    ),
    Scenario(
        "a chain called DROP that accepts",
        "nft -f - <<'RULES'\ntable ip fw {\n"
        "    chain DROP { accept; }\n"
        "    chain in { type filter hook input priority 0; policy accept; iif lo accept; jump DROP; }\n"
        "    chain out { type filter hook output priority 0; policy accept; oif lo accept; jump DROP; }\n"
        "    chain through { type filter hook forward priority 0; policy accept; jump DROP; }\n}\nRULES",
        (FAIL, FAIL, FAIL),
        (FAIL, FAIL, FAIL),
    ),
    Scenario(
        "a user's program decides",
        "\n".join(f"iptables-nft -P {chain} DROP; iptables-nft -A {chain} -j NFQUEUE" for chain in ("INPUT", "OUTPUT"))
        + "\nip6tables-legacy -P INPUT DROP; ip6tables-legacy -A INPUT -j NFQUEUE"
        + "\nip6tables-legacy -A OUTPUT -j NFQUEUE"
        + "\niptables-nft -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP",
        (UNKNOWN, UNKNOWN, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ),
    Scenario("everyday rules, nf_tables", EVERYDAY.replace("COMMAND", "iptables-nft"), (FAIL,) * 3, (FAIL,) * 3),
    Scenario("everyday rules, x_tables", EVERYDAY.replace("COMMAND", "iptables-legacy"), (FAIL,) * 3, (FAIL,) * 3),
)
