"""The filter table of a running node, read as `iptables-save` writes it: rules, not columns of text."""

from __future__ import annotations

import shlex

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict, all_of

CHAINS = ("INPUT", "FORWARD", "OUTPUT")
_LOOPBACK = {"iptables": ("127.0.0.0/8",), "ip6tables": ("::1", "::1/128")}
_NUMBERS = {"0": "all", "6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp"}
_PROTOCOLS = ("tcp", "udp")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a rule matches: an option that is not here is not restricted."""

    target: str
    protocol: str
    inside: str
    outside: str
    source: str
    destination: str
    states: frozenset[str]
    other: bool  # it matches on something else too, so it does not cover everything that it seems to


def default_deny(evidence: Evidence, scope: str, table: str) -> Outcome:
    """All three chains drop what no rule accepts."""
    return all_of([_policy(evidence.get(Key(table, ("filter", c), "policy"), Plane.RUNTIME, scope)) for c in CHAINS])


def _policy(fact: Fact) -> Outcome:
    chain = fact.key.subject[1]
    if fact.state is not State.PRESENT:
        return Outcome(Verdict.UNKNOWN, f"{chain}: {fact.reason or 'no such chain was seen'}", (fact,))
    good = fact.value == "DROP"
    return Outcome(
        Verdict.PASS if good else Verdict.FAIL, f"{chain} has the policy {fact.value}, expected DROP", (fact,)
    )


def loopback(evidence: Evidence, scope: str, table: str) -> Outcome:
    """INPUT accepts lo and then drops loopback addresses from elsewhere; OUTPUT accepts lo."""
    return all_of([_input(evidence, scope, table), _output(evidence, scope, table)])


def _input(evidence: Evidence, scope: str, table: str) -> Outcome:
    fact, rules = _rules(evidence, scope, table, "INPUT")
    if rules is None:
        return Outcome(Verdict.UNKNOWN, f"INPUT: {fact.reason or 'not seen'}", (fact,))
    accepted = next((i for i, rule in enumerate(rules) if rule.inside == "lo" and _is_plain(rule, "ACCEPT")), None)
    if accepted is None:
        return Outcome(Verdict.FAIL, "no rule of INPUT accepts the loopback interface", (fact,))
    for rule in rules[accepted + 1 :]:
        if _is_plain(rule, "ACCEPT") and not rule.inside:
            return Outcome(Verdict.FAIL, "INPUT accepts everything before it drops loopback addresses", (fact,))
        everywhere = not rule.inside and rule.protocol == "all" and not rule.other and not rule.states
        if rule.source in _LOOPBACK[table] and everywhere and rule.target in ("DROP", "REJECT"):
            return Outcome(Verdict.PASS, "INPUT accepts lo and drops loopback addresses from elsewhere", (fact,))
    return Outcome(Verdict.FAIL, "no rule of INPUT drops loopback addresses from other interfaces", (fact,))


def _output(evidence: Evidence, scope: str, table: str) -> Outcome:
    fact, rules = _rules(evidence, scope, table, "OUTPUT")
    if rules is None:
        return Outcome(Verdict.UNKNOWN, f"OUTPUT: {fact.reason or 'not seen'}", (fact,))
    good = any(rule.outside == "lo" and _is_plain(rule, "ACCEPT") for rule in rules)
    why = "OUTPUT accepts the loopback interface" if good else "no rule of OUTPUT accepts the loopback interface"
    return Outcome(Verdict.PASS if good else Verdict.FAIL, why, (fact,))


def _is_plain(rule: _Rule, target: str) -> bool:
    bare = not rule.source and not rule.destination and not rule.states and not rule.other
    return rule.target == target and rule.protocol == "all" and bare


def established(evidence: Evidence, scope: str, table: str) -> Outcome:
    """What goes out may be new or established, what comes in only established, for TCP, UDP and ICMP."""
    outcomes = []
    icmp = "icmp" if table == "iptables" else "ipv6-icmp"
    for chain, wanted in (("OUTPUT", {"NEW", "ESTABLISHED"}), ("INPUT", {"ESTABLISHED"})):
        fact, rules = _rules(evidence, scope, table, chain)
        if rules is None:
            outcomes.append(Outcome(Verdict.UNKNOWN, f"{chain}: {fact.reason or 'not seen'}", (fact,)))
            continue
        for protocol in (*_PROTOCOLS, icmp):
            good = any(_answers(rule, protocol, wanted) for rule in rules)
            what = f"{' and '.join(sorted(wanted)).lower()} {protocol} in {chain}"
            why = f"{what} is accepted" if good else f"no rule accepts {what}"
            outcomes.append(Outcome(Verdict.PASS if good else Verdict.FAIL, why, (fact,)))
    return all_of(outcomes)


def _answers(rule: _Rule, protocol: str, wanted: set[str]) -> bool:
    """Whether a rule accepts connections in the states `wanted`, from everywhere, and no others but related ones."""
    restricted = rule.other or rule.source or rule.destination
    exact = wanted <= rule.states <= wanted | {"RELATED"}
    return rule.target == "ACCEPT" and rule.protocol in ("all", protocol) and exact and not restricted


def _rules(evidence: Evidence, scope: str, table: str, chain: str) -> tuple[Fact, list[_Rule] | None]:
    fact = evidence.get(Key(table, ("filter", chain), "rules"), Plane.RUNTIME, scope)
    if fact.state is not State.PRESENT or not isinstance(fact.value, tuple):
        return fact, None
    return fact, [_parse(str(line)) for line in fact.value]


def _parse(line: str) -> _Rule:
    """One rule as `-A INPUT -i lo -j ACCEPT`; `-p 0`, `-p all` and no `-p` are the same."""
    values: dict[str, str] = {}
    other = False
    try:
        words = shlex.split(line)
    except ValueError:
        words, other = line.split(), True
    at = 0
    while at < len(words):
        name = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        match name:
            case "-A" | "-m" | "--comment":
                at += 2
            case "-p" | "-i" | "-o" | "-s" | "-d" | "-j" | "--state" | "--ctstate":
                values["--state" if name == "--ctstate" else name] = value
                at += 2
            case "-c":
                at += 3
            case _:
                other = other or name == "!" or name.startswith("-")
                at += 1
    everywhere = ("0.0.0.0/0", "::/0")
    return _Rule(
        target=values.get("-j", ""),
        protocol=_NUMBERS.get(values.get("-p", "all"), values.get("-p", "all")),
        inside=values.get("-i", ""),
        outside=values.get("-o", ""),
        source="" if values.get("-s", "") in everywhere else values.get("-s", ""),
        destination="" if values.get("-d", "") in everywhere else values.get("-d", ""),
        states=frozenset(part for part in values.get("--state", "").split(",") if part),
        other=other,
    )
