"""Where on the node we stand, what we may do there, and which parts of the node that shows."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane
from rocketaudit.source.protocol import Source

WHERE = Key("node", ("where",))
_SIGHTS = ("host_files", "raw_disk")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    standing = node.node.standing
    where = node.locate(node.node.places.proc / "self/status")
    name = f" ({standing.name})" if standing.name and standing.name not in standing.where else ""
    yield node.present(WHERE, f"{standing.where}{name}", where)
    yield node.present(Key("node", ("capabilities",)), f"{standing.capabilities:016x}", where)
    yield node.present(Key("node", ("label",)), standing.label_type, node.locate(node.node.places.proc / "self/attr"))
    if node.node.target.boot_id:
        yield node.present(Key("node", ("boot_id",)), node.node.target.boot_id, where)
    yield from _sights(node)


def _sights(node: Running) -> Iterator[Seen]:
    places, reader = node.node.places, node.node.reader
    files, disk = (Key("sight", (name,)) for name in _SIGHTS)
    if places.rootfs is None:
        yield node.unread(files, Locator(node.node.target.name), "the host's root is mounted nowhere in here")
    else:
        yield node.present(files, str(node.locate(places.rootfs).path), node.locate(places.rootfs))
    if reader is None:
        yield node.unread(disk, node.locate(places.base / "dev"), node.node.disk_reason)
    else:
        yield node.present(disk, reader.size, node.locate(places.base / "dev"))


RUNTIME = Collector("node_identity", Plane.RUNTIME, ("node:*", "sight:*"), _collect)
