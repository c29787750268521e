"""Which addresses and ports the node listens on, as /proc/net shows them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source

LISTENING = Key("listening", ("sockets",))
POD_NETWORK = "this may be the container's own network, not the node's; it takes hostNetwork: true"
_UNBOUND, _LISTENS = "07", "0A"  # include/net/tcp_states.h: TCP_CLOSE, TCP_LISTEN
_LINE = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{2}) ")
_LIMIT = 16 << 20


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    where = node.locate(node.node.places.proc / "net")
    if node.node.standing.host_network is not True:
        yield node.unread(LISTENING, where, POD_NETWORK)
        return
    found: set[str] = set()
    for protocol, states in (("tcp", (_LISTENS,)), ("tcp6", (_LISTENS,)), ("udp", (_UNBOUND,)), ("udp6", (_UNBOUND,))):
        problem = _read(node, protocol, states, found)
        if problem:
            yield node.unread(LISTENING, where, problem)
            return
    yield node.present(LISTENING, tuple(sorted(found))[:MAX_FACTS], where)


def _read(node: Running, protocol: str, states: tuple[str, ...], found: set[str]) -> str:
    """What went wrong, "" when nothing did; a kernel without IPv6 has no such file."""
    seen = node.read(node.node.places.proc / "net" / protocol, limit=_LIMIT)
    if seen.state is State.ABSENT:
        return "" if protocol.endswith("6") else f"/proc/net/{protocol} is not there"
    if seen.state is State.UNREAD:
        return seen.reason
    try:
        found.update(parse_sockets(seen.text, protocol, states))
    except FormatError as error:
        return str(error)
    return ""


def parse_sockets(text: str, protocol: str, states: tuple[str, ...]) -> Iterator[str]:
    """ "tcp 0.0.0.0:10250" of every socket in one of `states` and without a peer (net/ipv4/tcp_ipv4.c)."""
    for line in text.splitlines()[1:]:
        match = _LINE.match(f"{line} ")
        if match is None:
            raise FormatError(f"/proc/net/{protocol} holds a line that is none: {line[:80]!r}")
        address, port, peer, state = match.groups()
        if state in states and peer == "0000":
            yield f"{protocol.rstrip('6')} {_shown(address)}:{int(port, 16)}"


def _shown(text: str) -> str:
    """Words of 32 bits in the machine's order, which is little-endian on all that Bottlerocket runs on."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    return f"[{address}]" if address.version == 6 else str(address)


RUNTIME = Collector("sockets", Plane.RUNTIME, ("listening:sockets",), _collect)
