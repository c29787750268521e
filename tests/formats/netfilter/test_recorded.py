"""Packet filters from bytes that a kernel once gave (tests/netfilter/recorded.json), and from damaged ones."""

from __future__ import annotations

import json
import random
import struct
from base64 import b64decode
from typing import Any

import pytest

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.evidence.packet_filters import HOOKS, chains_of_table, new_chains
from rocketaudit.formats.netfilter import nf_tables
from rocketaudit.formats.netfilter.netlink import Message, attribute, attributes, message, messages, number, text
from rocketaudit.formats.netfilter.nft_expressions import decode_rule
from rocketaudit.formats.netfilter.rule_text import FilterChain, RuleText
from rocketaudit.formats.netfilter.x_tables import INFO, parse_entries, parse_info
from rocketaudit.formats.netfilter.xt_extensions import add_match
from tests.support import REPO

RECORDED = json.loads((REPO / "tests/netfilter/recorded.json").read_text())


class Replayed:
    """Answers as the recorded kernel did."""

    def __init__(self, dumps: list[Any]) -> None:
        self.answers = {
            (kind, family, *sorted(named.items())): [Message(0, 0, 0, b64decode(body)) for body in bodies]
            for kind, family, named, bodies in dumps
        }

    def dump(self, kind: int, family: int = 0, **named: str) -> list[Message]:
        return self.answers[(kind, family, *sorted(named.items()))]


def shown(chains: list[FilterChain], hook: str) -> list[dict[str, Any]]:
    return [
        {"table": c.table, "chain": c.name, "priority": c.priority, "policy": c.policy, "rules": list(c.rules)}
        for c in chains
        if c.hook == hook
    ]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_answers_read_as_when_they_were_given(name: str) -> None:
    one = RECORDED[name]
    for table, family in (("iptables", 2), ("ip6tables", 10)):
        chains: list[FilterChain] = []
        for kind, (head, data) in one["recorded"]["x_tables"].items():
            if kind == ("ipv6" if family == 10 else "ipv4"):
                chains += chains_of_table(parse_info(b64decode(head)), b64decode(data), ipv6=family == 10)
        chains += new_chains(Replayed(one["recorded"]["nf_tables"]), family)
        assert {hook: shown(chains, hook) for hook in HOOKS} == one["chains"][table]


def test_recordings_hold_what_they_are_for() -> None:
    lines = [
        line
        for one in RECORDED.values()
        for hooks in one["chains"].values()
        for chains in hooks.values()
        for chain in chains
        for line in chain["rules"]
    ]
    for words in ("-m state --state NEW,ESTABLISHED", "--ctstate INVALID", "-g OWN", "! -i eth+", "-s ::1/128", "!"):
        assert any(words in line for line in lines), words


def damaged(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[at:]
                changed += b"\0"
            case _:
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
    return bytes(changed)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_damaged_answers_are_read_or_refused_with_one_error_of_ours(name: str) -> None:
    rng, recorded, refused = random.Random(name), RECORDED[name]["recorded"], 0
    for _ in range(150):
        try:
            for kind, (head, data) in recorded["x_tables"].items():
                info = parse_info(damaged(b64decode(head), rng) if rng.random() < 0.3 else b64decode(head))
                chains_of_table(info, damaged(b64decode(data), rng), ipv6=kind == "ipv6")
            dumps = []
            for kind, family, named, bodies in recorded["nf_tables"]:
                hit = rng.randrange(max(len(bodies), 1))
                sent = [damaged(b64decode(b), rng) if n == hit else b64decode(b) for n, b in enumerate(bodies)]
                dumps.append((kind, family, named, sent))
            kernel = Replayed([])
            kernel.answers = {
                (kind, family, *sorted(named.items())): [Message(0, 0, 0, body) for body in bodies]
                for kind, family, named, bodies in dumps
            }
            new_chains(kernel, 2)
        except RocketauditError:
            refused += 1
        except KeyError:
            continue  # it asked for a table that was never recorded
    assert refused > 10


def table_of(*entries: bytes) -> bytes:
    return b"".join(entries)


def entry(target: bytes, *, matches: bytes = b"", following: int | None = None) -> bytes:
    """One struct ipt_entry that restricts nothing."""
    size = 112 + len(matches) + len(target)
    head = bytes(84) + struct.pack("=IHHI16x", 0, 112 + len(matches), following or size, 0)
    return head.ljust(112, b"\0") + matches + target


def standard(verdict: int) -> bytes:
    return struct.pack("=H29sBi4x", 40, b"", 0, verdict)


def test_offsets_of_a_table_must_hit_entries() -> None:
    good = [entry(standard(-2)), entry(standard(-1)), entry(struct.pack("=H29sB30s2x", 64, b"ERROR", 0, b"ERROR"))]
    size = sum(map(len, good))
    head = INFO.pack(b"filter", 2, 0, 0, 0, 0, 0, 0, 152, 0, 0, 0, 3, size)
    (chain,) = parse_entries(table_of(*good), parse_info(head), ipv6=False)
    assert (chain.hook, chain.policy, chain.rules) == ("INPUT", "DROP", ("-A INPUT -j ACCEPT",))
    for bad, words in (
        ([entry(standard(-2), following=16), *good[1:]], "entry of 16 bytes"),
        ([entry(standard(77)), *good[1:]], "jumps to byte 77"),
        ([entry(standard(-9)), *good[1:]], "verdict -9"),
        ([entry(standard(-2), matches=struct.pack("=H30x", 0)), *good[1:]], "a match of 0 bytes"),
        (good[:2], "ends inside an entry"),
    ):
        data = table_of(*bad)
        info = parse_info(INFO.pack(b"filter", 2, 0, 0, 0, 0, 0, 0, 152, 0, 0, 0, 3, len(data)))
        with pytest.raises(FormatError, match=words):
            parse_entries(data, info, ipv6=False)
    with pytest.raises(FormatError, match="more than is read"):
        parse_info(INFO.pack(b"filter", 2, *[0] * 10, 3, 1 << 30))


def test_lengths_of_netlink_are_checked() -> None:
    with pytest.raises(FormatError, match="of 5 bytes"):
        list(messages(struct.pack("=IHHII", 5, 0, 0, 0, 0)))
    with pytest.raises(FormatError, match="of 99 bytes"):
        attributes(struct.pack("=HH", 99, 1))
    with pytest.raises(FormatError, match="stands twice"):
        attributes(attribute(1, b"a") + attribute(1, b"b"))
    with pytest.raises(FormatError, match="expected 4 bytes"):
        number(b"\0", "x")
    with pytest.raises(FormatError, match="not a name"):
        text(b"no end", "x")
    assert text(b"a b%\xff\0", "x") == "a%20b%25%FF"
    (back,) = messages(message(7, 1, 9, b"abcd"))
    assert (back.kind, back.flags, back.sequence, back.body) == (7, 1, 9, b"abcd")


def expression(name: str, *given: tuple[int, bytes]) -> bytes:
    inner = b"".join(attribute(kind, value) for kind, value in given)
    return attribute(1, attribute(1, name.encode() + b"\0") + attribute(2, inner))


def be(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=value < 0)


ACCEPT = expression("immediate", (1, be(0)), (2, attribute(2, attribute(1, be(1)))))
ZERO, ONES = attribute(1, bytes(4)), attribute(1, b"\xff" * 4)
LOAD_SOURCE = expression("payload", (1, be(1)), (2, be(1)), (3, be(12)), (4, be(4)))


@pytest.mark.parametrize(
    ("tests", "line"),
    [
        (b"", "-A c -j ACCEPT"),
        (LOAD_SOURCE + expression("cmp", (1, be(1)), (2, be(5)), (3, ZERO)), "-A c -j ACCEPT"),
        (
            LOAD_SOURCE
            + expression("bitwise", (1, be(1)), (2, be(1)), (3, be(4)), (4, ZERO), (5, ZERO))
            + expression("cmp", (1, be(1)), (2, be(0)), (3, ZERO)),
            "-A c -j ACCEPT",
        ),
        (
            LOAD_SOURCE + expression("range", (1, be(1)), (2, be(0)), (3, ZERO), (4, ONES)),
            "-A c -j ACCEPT",
        ),
        (expression("counter") + expression("log"), "-A c -j ACCEPT"),
        (expression("limit"), "-A c -m nft --undecoded limit -j ACCEPT"),
        (expression("invented"), "-A c -j undecoded:invented"),
        (expression("queue"), "-A c -j undecoded:queue"),
        (expression("target", (1, b"TPROXY\0"), (2, be(0)), (3, b"")), "-A c -j undecoded:TPROXY"),
    ],
)  # fmt: skip
def test_expression_that_restricts_nothing_is_no_restriction_and_an_unknown_one_no_verdict(
    tests: bytes, line: str
) -> None:
    (rule,) = decode_rule(tests + ACCEPT, 2, {})
    assert rule.line("c") == line


def test_chain_that_is_called_as_a_target_does_not_become_one() -> None:
    jump = attribute(2, attribute(1, be(-3)) + attribute(2, b"DROP\0"))
    (rule,) = decode_rule(expression("immediate", (1, be(0)), (2, jump)), 2, {})
    assert rule.verdict == "-j chain:DROP"
    body = bytes([2, 0, 0, 0]) + attribute(1, b"filter\0") + attribute(3, b"DROP\0")
    assert nf_tables.parse_chain(body).name == "chain:DROP"


def test_short_matches_are_refused() -> None:
    for name in (b"state", b"tcp", b"udp", b"icmp"):
        with pytest.raises(FormatError, match="expected"):
            add_match(RuleText(), name, 0, b"\0")
    with pytest.raises(FormatError, match="conntrack"):
        add_match(RuleText(), b"conntrack", 3, bytes(150))
