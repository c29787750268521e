"""What is mounted on a running node, and what of the protected root that hides."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane
from rocketaudit.source.grafts import WORKLOADS, Cover, find_covers, upper_names
from rocketaudit.source.mounts import Mount, is_below, visible
from rocketaudit.source.protocol import Source

_ROOT = Key("mount", ("/",), "options")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    running = node.node.running
    if running.mounts_from is None:
        where = Locator(node.node.target.name, "", "/proc/1/mountinfo")
        asked = {key for key in wants.keys if key.namespace == "mount"} | {_ROOT}
        for key in sorted(asked, key=str):
            yield node.unread(key, where, f"{running.mounts_reason}; it takes the host's /proc or process numbers")
        return
    where = node.locate(running.mounts_from)
    yield node.covers("mount:*")
    shown = [one for one in visible(running.mounts) if _is_shown(one.point)]
    for mount in shown[: MAX_FACTS // 4]:
        yield from _facts(node, mount, where)
    yield node.present(Key("mounts", ("all",), "count"), len(running.mounts), where)
    yield from _covers(node, where)


def _is_shown(point: str) -> bool:
    """Mounts of workloads come and go, and their names may tell of users; the places themselves are shown."""
    return not any(point != folder and is_below(point, folder) for folder in WORKLOADS)


def _facts(node: Running, mount: Mount, where: Locator) -> Iterator[Seen]:
    point = bytepath.encode(mount.point.encode("utf-8", "surrogateescape"))
    yield node.present(Key("mount", (point,), "options"), mount.options, where)
    yield node.present(Key("mount", (point,), "fstype"), mount.fstype, where)
    yield node.present(Key("mount", (point,), "device"), mount.device, where)


def _covers(node: Running, where: Locator) -> Iterator[Seen]:
    root = node.node.running.root_device
    protected = "" if root is None else root.device
    for cover in find_covers(node.node.running.mounts, protected):
        yield node.present(Key("cover", (cover.mount.point,)), _told(cover), where)
        if cover.mount.fstype == "overlay":
            key = Key("cover", (cover.mount.point,), "added")
            try:
                yield node.present(key, upper_names(node.node.places, cover.mount), where)
            except SourceError as error:
                yield node.unread(key, where, error.message)
    yield node.covers("cover:*")


def _told(cover: Cover) -> str:
    kind = "expected" if cover.is_expected else "unexpected"
    return f"{kind}: {cover.mount.fstype}, {'ro' if cover.mount.is_read_only else 'rw'}"


RUNTIME = Collector("mounts", Plane.RUNTIME, ("mount:*", "mounts:*", "cover:*"), _collect)
