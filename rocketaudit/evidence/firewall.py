"""Packet filters of a running node: said to be unread, with what would show them."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import wanted
from rocketaudit.evidence.running import running_node
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Plane
from rocketaudit.source.protocol import Source

TABLES = ("iptables", "ip6tables")
REASON = (
    "packet filters are not read: that takes CAP_NET_ADMIN in the host's network; "
    "Bottlerocket's own checker reads them, and its answers are in own_check"
)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    where = node.locate(node.node.places.proc / "net")
    for table in TABLES:
        for key in dict.fromkeys(wanted(wants, table)):
            yield node.unread(key, where, REASON)


RUNTIME = Collector("firewall", Plane.RUNTIME, ("iptables:*", "ip6tables:*"), _collect)
