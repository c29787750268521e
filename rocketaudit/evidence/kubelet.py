"""Flags that the kubelet is started with: they override its configuration file."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import Facts, root_trees, wanted
from rocketaudit.evidence.settings import read_defaults
from rocketaudit.evidence.unit_flags import unit_flags
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane
from rocketaudit.source.protocol import Source

UNIT, PROGRAM = "kubelet.service", "kubelet"
KUBELET_CONFIG = "/etc/kubernetes/kubelet/config"


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    keys = tuple(dict.fromkeys(wanted(wants, "kubelet_flag")))
    for tree in root_trees(source) if keys else ():
        yield from _flags(Facts(tree), keys)


def _flags(facts: Facts, keys: tuple[Key, ...]) -> Iterator[Seen]:
    where = facts.tree.locate(UNIT)
    try:
        flags = unit_flags(facts.tree, UNIT, PROGRAM, read_defaults(facts.tree), single_dash=False)
    except FormatError as error:
        yield from (facts.unread(key, where, str(error)) for key in keys)
        return
    if flags is None:
        return
    for key in keys:
        try:
            value = flags.value(key.subject[0])
        except FormatError as error:
            yield facts.unread(key, flags.where, str(error))
            continue
        yield facts.absent(key, flags.where) if value is None else facts.present(key, value, flags.where)


STATIC = Collector("kubelet", Plane.STATIC, ("kubelet_flag:*",), _collect)
