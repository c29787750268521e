"""Rules of a packet filter, read back from the words of `iptables -S`, and the chains that they lead to followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from rocketaudit.model.fact import JsonValue
from rocketaudit.model.records import dataclass

UNDECODED = "undecoded:"
_NUMBERS = {"0": "all", "6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp"}
_SPELLED = {"icmpv6": "ipv6-icmp", "icmp6": "ipv6-icmp"}
_EVERYWHERE = ("0.0.0.0/0", "::/0")
ALL_STATES = frozenset(("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED"))
# matches that restrict nothing by themselves, only by their options
_BARE = ("state", "conntrack", "comment", "tcp", "udp", "icmp", "icmp6", "ipv6-icmp")
_FINAL = ("ACCEPT", "DROP", "REJECT")
_MAX_DEPTH, _MAX_RULES = 16, 20_000


@dataclass(frozen=True, slots=True)
class FilterRule:
    """What a rule matches: a field that is "" is not restricted, "!lo" is everything but lo.

    `is_narrow`: it matches on something else too. `is_late`: some packets already left its chain another way. Both
    speak against what a rule is said to do for all packets, only the first against what it lets through.
    """

    target: str = ""
    is_goto: bool = False
    protocol: str = "all"
    inside: str = ""
    outside: str = ""
    source: str = ""
    destination: str = ""
    states: frozenset[str] = frozenset()
    is_narrow: bool = False
    is_late: bool = False

    @property
    def matches_protocol(self) -> bool:
        """Whether every packet of its protocol that gets here matches."""
        ways = self.inside or self.outside or self.source or self.destination or self.states
        return not ways and not self.is_narrow

    @property
    def matches_all(self) -> bool:
        """Whether every packet that gets here matches."""
        return self.protocol == "all" and self.matches_protocol


@dataclass(frozen=True, slots=True)
class FilterWalk:
    """The rules that a packet meets in order; each has a final target. `doubt` says what could not be followed."""

    policy: str
    rules: tuple[FilterRule, ...]
    doubt: str = ""


@dataclass(slots=True)
class _Chains:
    """`steps` counts what was looked at: a few chains that jump to each other often enough are without end."""

    rules: Mapping[str, list[FilterRule]]
    steps: int = 0
    doubts: list[str] = field(default_factory=list)
    found: list[FilterRule] = field(default_factory=list)


def walk(chain: Mapping[str, JsonValue]) -> FilterWalk:
    """A fact's chain with all that it jumps to put in its place."""
    rules: dict[str, list[FilterRule]] = {}
    lines = chain.get("rules")
    for line in lines if isinstance(lines, tuple) else ():
        words = str(line).split()
        if len(words) > 1 and words[0] == "-A":
            rules.setdefault(words[1], []).append(parse_rule(words[2:]))
    chains = _Chains(rules)
    _follow(chains, str(chain.get("chain", "")), FilterRule(), 0)
    return FilterWalk(str(chain.get("policy", "")), tuple(chains.found), "; ".join(dict.fromkeys(chains.doubts)))


def _follow(chains: _Chains, name: str, above: FilterRule, depth: int) -> None:
    """Put a chain's rules after what was found, narrowed by the jump that leads to it."""
    is_late = above.is_late
    for own in chains.rules.get(name, ()):
        rule = replace(_both(above, own), is_late=is_late)
        chains.steps += 1
        if chains.steps > _MAX_RULES:
            chains.doubts.append(f"it leads to more than {_MAX_RULES} rules")
            return
        if own.target in _FINAL:
            chains.found.append(rule)
        elif own.target.startswith(UNDECODED):
            chains.doubts.append(f"what {own.target.removeprefix(UNDECODED)} decides in {name} is not understood")
        elif own.target in chains.rules and depth >= _MAX_DEPTH:
            chains.doubts.append(f"it jumps more than {_MAX_DEPTH} times")
        elif own.target in chains.rules:
            _follow(chains, own.target, rule, depth + 1)
        if own.target == "RETURN" or own.is_goto:  # these packets go on behind this chain
            if own.matches_all:
                return
            is_late = True


def _both(above: FilterRule, own: FilterRule) -> FilterRule:
    """What matches both the jump and the rule that it leads to."""
    narrow = above.is_narrow or own.is_narrow
    chosen = {}
    for name in ("inside", "outside", "source", "destination"):
        first, second = getattr(above, name), getattr(own, name)
        chosen[name] = second or first
        narrow = narrow or bool(first and second and first != second)
    protocols = {one.protocol for one in (above, own)} - {"all"}
    states = above.states & own.states if above.states and own.states else above.states | own.states
    return FilterRule(
        own.target,
        own.is_goto,
        own.protocol if own.protocol != "all" else above.protocol,
        states=states,
        is_narrow=narrow or len(protocols) > 1 or bool(above.states and own.states and not states),
        **chosen,
    )


def parse_rule(words: list[str]) -> FilterRule:
    """The words after the chain's name; `-p 0`, `-p all` and no `-p` are the same."""
    values: dict[str, str] = {}
    narrow = False
    for negated, name, value in _options(words):
        match name:
            case "-m":
                narrow = narrow or value not in _BARE
            case "-c" | "--comment":
                continue
            case "-i" | "-o" | "-s" | "-d":
                values[name] = f"!{value}" if negated else value
            case "-p" | "-j" | "-g" if not negated:
                values[name] = value
            case "--state" | "--ctstate":
                named = frozenset(part for part in value.split(",") if part)
                values["--state"] = ",".join(sorted(ALL_STATES - named if negated else named))
            case _:
                narrow = True
    protocol = values.get("-p", "all")
    protocol = _SPELLED.get(protocol, _NUMBERS.get(protocol, protocol))
    source, destination = values.get("-s", ""), values.get("-d", "")
    states = frozenset(part for part in values.get("--state", "").split(",") if part)
    return FilterRule(
        target=values.get("-j", values.get("-g", "")),
        is_goto="-g" in values,
        protocol=protocol,
        inside=values.get("-i", ""),
        outside=values.get("-o", ""),
        source="" if source in _EVERYWHERE else source,
        destination="" if destination in _EVERYWHERE else destination,
        states=frozenset() if states >= ALL_STATES else states,
        is_narrow=narrow,
    )


def _options(words: list[str]) -> Iterator[tuple[bool, str, str]]:
    """Whether it is negated, the option and its value ("" for none); words that belong to nothing are options."""
    at, negated = 0, False
    while at < len(words):
        word = words[at]
        at += 1
        if word == "!":
            negated = True
            continue
        value = ""
        if word == "--comment" and words[at : at + 1] and words[at].startswith('"'):
            while at < len(words) and not (words[at].endswith('"') and words[at] != '"'):
                at += 1
            at += 1
        elif word == "-c":
            at += 2
        elif word.startswith("-") and at < len(words) and not (words[at].startswith("-") or words[at] == "!"):
            value = words[at]
            at += 1
        yield negated, word, value
        negated = False
