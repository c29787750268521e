"""Facts of a node that are the same at rest and running: they are read from the tree as it is mounted now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.evidence import ca_bundle, config_values, kubelet, os_release, units, updates, users
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import FACTORY, read_config
from rocketaudit.evidence.settings import read_defaults
from rocketaudit.model.evidence import Coverage, Wants
from rocketaudit.model.fact import Fact, Plane, State
from rocketaudit.model.target import TargetKind
from rocketaudit.source.protocol import Source, find_tree
from rocketaudit.source.tree import Tree

_SAME = (os_release.STATIC, updates.STATIC, ca_bundle.STATIC, users.STATIC, kubelet.STATIC)
_PROVIDES = tuple(pattern for collector in _SAME for pattern in collector.provides)
_IP_DENY = "ip_address_deny"


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    tree = find_tree(source, source.judged)
    if source.target.kind is not TargetKind.NODE or tree is None:
        return
    for collector in _SAME:
        yield from _running(collector.collect(source, wants), source.judged)
    denied = (item for item in units.STATIC.collect(source, wants) if _is_denial(item))
    yield from _running(denied, source.judged)
    made = (item for item in config_values.STATIC.collect(source, wants) if isinstance(item, Fact))
    templates = frozenset(one.template for one in read_defaults(tree).made_files)
    yield from _running((_as_made(tree, fact, templates) for fact in made), source.judged)


def _running(items: Iterator[Seen], scope: str) -> Iterator[Seen]:
    for item in items:
        if isinstance(item, (Fact, Coverage)) and item.scope == scope:
            yield replace(item, plane=Plane.RUNTIME)


def _is_denial(item: Seen) -> bool:
    return isinstance(item, Fact) and item.key.namespace == "unit" and item.key.attribute == _IP_DENY


def _is_factory(fact: Fact) -> bool:
    return (fact.where.path or "").startswith(f"{FACTORY}/")


def _as_made(tree: Tree, fact: Fact, templates: frozenset[str]) -> Fact:
    """On a node only the file itself counts: a template says what it would be, not what it is."""
    path = fact.key.subject[0]
    if fact.state is State.UNREAD or not path.startswith("/"):
        return fact
    if fact.state is State.PRESENT and fact.where.path not in (*templates, None) and not _is_factory(fact):
        return fact  # from the file itself, or from another one that a command line or a folder names
    found = read_config(tree, path)
    match found.state:
        case State.PRESENT:
            return fact
        case State.ABSENT:
            return Fact(fact.key, fact.plane, State.ABSENT, found.where, scope=fact.scope)
        case State.UNREAD:
            return Fact(fact.key, fact.plane, State.UNREAD, found.where, reason=found.reason, scope=fact.scope)


RUNTIME = Collector(
    "running_files", Plane.RUNTIME, (*_PROVIDES, "config:*", "kubelet_drop_ins:*", f"unit:*#{_IP_DENY}"), _collect
)
