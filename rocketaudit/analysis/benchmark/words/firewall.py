"""What the packet filters of a running node let through, by all chains that a packet meets.

A packet is dropped when one chain at its hook drops it, whatever the others accept: so each demand holds when one
chain meets it. A chain that cannot be followed to the end meets nothing and fails nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial

from rocketaudit.analysis.benchmark.words.filter_rules import ALL_STATES, FilterRule, FilterWalk, walk
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.verdict import Outcome, Verdict, all_of, any_of

HOOKS = ("INPUT", "FORWARD", "OUTPUT")
_LOOPBACK = {"iptables": "127.0.0.0/8", "ip6tables": "::1/128"}
_Judged = tuple[Verdict, str]
_PASS, _FAIL, _UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def firewall_keys(table: str) -> tuple[Key, ...]:
    return tuple(Key(table, (hook,), "chains") for hook in HOOKS)


def default_deny(evidence: Evidence, scope: str, table: str) -> Outcome:
    """At each of the three hooks some chain drops what no rule accepts."""
    return all_of([_at_hook(evidence, scope, table, hook, _denies) for hook in HOOKS])


def loopback(evidence: Evidence, scope: str, table: str) -> Outcome:
    """INPUT accepts lo and drops loopback addresses from elsewhere; OUTPUT accepts lo."""
    address = _LOOPBACK[table]
    return all_of(
        [
            _at_hook(evidence, scope, table, "INPUT", lambda chain: _filters_loopback(chain, address)),
            _at_hook(evidence, scope, table, "OUTPUT", _lets_loopback_out),
        ]
    )


def established(evidence: Evidence, scope: str, table: str) -> Outcome:
    """What goes out may be new or established, what comes in only established, for TCP, UDP and ICMP."""
    protocols = ("tcp", "udp", "icmp" if table == "iptables" else "ipv6-icmp")
    wanted = {"OUTPUT": frozenset(("NEW", "ESTABLISHED")), "INPUT": frozenset(("ESTABLISHED",))}
    return all_of(
        [
            _at_hook(evidence, scope, table, hook, partial(_answers, protocol=protocol, wanted=states))
            for hook, states in wanted.items()
            for protocol in protocols
        ]
    )


def _at_hook(evidence: Evidence, scope: str, table: str, hook: str, judge: Callable[[FilterWalk], _Judged]) -> Outcome:
    fact = evidence.get(Key(table, (hook,), "chains"), Plane.RUNTIME, scope)
    if fact.state is not State.PRESENT or not isinstance(fact.value, tuple):
        return Outcome(_UNKNOWN, f"{hook}: {fact.reason or 'not seen'}", (fact,))
    if not fact.value:
        return Outcome(_FAIL, f"{hook}: no chain filters packets", (fact,))
    return any_of([_of_chain(fact, hook, one, judge) for one in fact.value])


def _of_chain(fact: Fact, hook: str, given: object, judge: Callable[[FilterWalk], _Judged]) -> Outcome:
    if not isinstance(given, Mapping):
        return Outcome(_UNKNOWN, f"{hook}: not a chain: {given!r}", (fact,))
    chain = walk(given)
    name = f"{hook} ({given.get('table')}, chain {given.get('chain')})"
    if chain.doubt:
        return Outcome(_UNKNOWN, f"{name}: {chain.doubt}", (fact,))
    verdict, why = judge(chain)
    return Outcome(verdict, f"{name} {why}", (fact,))


def _denies(chain: FilterWalk) -> _Judged:
    open_to: list[str] = []
    for rule in chain.rules:
        if rule.matches_all and rule.target == "ACCEPT":
            return _FAIL, "accepts everything before anything is dropped"
        if rule.matches_all and not rule.is_late:
            return _PASS, f"ends with a rule that drops the rest ({rule.target})"
        if rule.target == "ACCEPT" and _only_source(rule):
            open_to.append(rule.source)
            if _is_everywhere(open_to):
                return _FAIL, f"accepts everything: {', '.join(open_to)} together are all addresses"
    good = chain.policy == "DROP"
    return (_PASS if good else _FAIL), f"has the policy {chain.policy}, expected DROP"


def _only_source(rule: FilterRule) -> bool:
    other = rule.inside or rule.outside or rule.destination or rule.states or rule.is_narrow
    return bool(rule.source) and not rule.source.startswith("!") and rule.protocol == "all" and not other


def _is_everywhere(sources: list[str]) -> bool:
    networks = [one for one in map(_network, sources) if one is not None]
    for kind in (ipaddress.IPv4Network, ipaddress.IPv6Network):
        same = [one for one in networks if isinstance(one, kind)]
        if any(one.prefixlen == 0 for one in ipaddress.collapse_addresses(same)):  # type: ignore[type-var]
            return True
    return False


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _filters_loopback(chain: FilterWalk, address: str) -> _Judged:
    accepted = dropped = False
    for rule in chain.rules:
        if rule.target == "ACCEPT" and _is_all_of(rule, "inside"):
            accepted = True
        elif rule.target == "ACCEPT" and not dropped and _lets_in(rule, address):
            what = "everything" if rule.protocol == "all" else rule.protocol
            return _FAIL, f"accepts {what} from {rule.source or 'everywhere'} before it drops loopback addresses"
        elif rule.target != "ACCEPT" and _drops(rule, address):
            if not accepted and rule.inside != "!lo":
                return _FAIL, "drops loopback addresses before it accepts the loopback interface"
            dropped = True
    if not accepted:
        return _FAIL, "has no rule that accepts the loopback interface"
    if not dropped:
        return _FAIL, "has no rule that drops loopback addresses from other interfaces"
    return _PASS, "accepts lo and drops loopback addresses from elsewhere"


def _is_all_of(rule: FilterRule, way: str) -> bool:
    """Whether a rule matches all that comes in by lo ("inside"), or goes out by it."""
    interface = rule.inside if way == "inside" else rule.outside
    other = rule.outside if way == "inside" else rule.inside
    restricted = other or rule.source or rule.destination or rule.states or rule.is_narrow or rule.is_late
    return interface == "lo" and rule.protocol == "all" and not restricted


def _lets_in(rule: FilterRule, address: str) -> bool:
    """Whether a rule accepts new packets with loopback addresses from another interface, of any port."""
    if rule.inside == "lo" or rule.destination or rule.is_narrow or (rule.states and "NEW" not in rule.states):
        return False
    wanted, source = _network(address), _network(rule.source.removeprefix("!"))
    if not rule.source or source is None or wanted is None:
        return not rule.source
    if rule.source.startswith("!"):
        return not _holds(source, wanted)
    return source.version == wanted.version and source.overlaps(wanted)


def _drops(rule: FilterRule, address: str) -> bool:
    """Whether a rule drops all packets with loopback addresses that come by any interface but lo."""
    restricted = rule.outside or rule.destination or rule.states or rule.is_narrow or rule.is_late
    if restricted or rule.protocol != "all" or rule.inside not in ("", "!lo"):
        return False
    wanted, source = _network(address), _network(rule.source)
    return not rule.source or (source is not None and wanted is not None and _holds(source, wanted))


def _holds(
    outer: ipaddress.IPv4Network | ipaddress.IPv6Network, inner: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    same = outer.version == inner.version and outer.prefixlen <= inner.prefixlen
    return same and inner.network_address in outer


def _lets_loopback_out(chain: FilterWalk) -> _Judged:
    for rule in chain.rules:
        if rule.target == "ACCEPT" and _is_all_of(rule, "outside"):
            return _PASS, "accepts the loopback interface"
        if rule.matches_all and not rule.is_late and rule.target != "ACCEPT":
            break
    return _FAIL, "has no rule that accepts the loopback interface"


def _answers(chain: FilterWalk, protocol: str, wanted: frozenset[str]) -> _Judged:
    """Which states of connections are accepted from everywhere: all that are wanted, and no others but related ones."""
    named: set[str] = set()
    open_to: set[str] = set()
    for rule in chain.rules:
        if rule.protocol not in ("all", protocol):
            continue
        if rule.target != "ACCEPT":
            if rule.matches_protocol and not rule.is_late:
                break
            continue
        states = rule.states or ALL_STATES
        restricted = rule.source or rule.destination or rule.is_narrow
        if restricted or "lo" in (rule.inside, rule.outside):
            continue
        open_to |= states
        if not rule.inside and not rule.outside and not rule.is_late:
            named |= states
    what = f"{' and '.join(sorted(wanted)).lower()} {protocol}"
    extra = open_to - wanted - {"RELATED"}
    if extra:
        return _FAIL, f"accepts more than {what}: {', '.join(sorted(extra)).lower()} too"
    if not wanted <= named:
        return _FAIL, f"has no rule that accepts {what}"
    return _PASS, f"accepts {what}"
