"""Which units run on a node: those that have processes in the control group that systemd made for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS, read_config, wanted
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.evidence.unit_files import FOLDERS
from rocketaudit.formats.systemd_unit import last_values, parse_unit
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.source.places import names_in, quiet_text
from rocketaudit.source.protocol import Source, find_tree

RUNNING = Key("units", ("running",))
FAILED = Key("units", ("failed",))
HIDDEN = "this shows the container's own control groups; it takes the host's cgroup namespace, or its /sys"
MAX_FOLDERS = 20_000
MAX_DEPTH = 6
_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    asked = [key for key in dict.fromkeys(wanted(wants, "unit")) if key.attribute == "active"]
    top = _groups(node)
    where = node.locate(node.node.places.sys / "fs/cgroup" if top is None else top)
    yield node.unread(FAILED, where, "only systemd knows; the container has no connection to it")
    if top is None:
        for key in (*asked, RUNNING):
            yield node.unread(key, where, HIDDEN)
        return
    found = _running(top)
    yield node.present(RUNNING, tuple(sorted(found))[:MAX_FACTS], where)
    for key in asked:
        yield _state(node, source, key, found, where)


def _groups(node: Running) -> Path | None:
    """The top of the host's unified hierarchy: it has the slice of the system's services."""
    places = node.node.places
    own = (places.sys / "fs/cgroup",) if node.node.standing.host_cgroups or places.rootfs == places.base else ()
    host = () if places.rootfs is None else (places.rootfs_path("sys/fs/cgroup"),)
    return next((path for path in (*own, *host) if (path / "system.slice").is_dir()), None)


def _running(top: Path) -> set[str]:
    """Names of units with processes. Groups of pods are not looked into: their names come from users."""
    found: set[str] = set()
    pending = [(top, 0)]
    seen = 0
    while pending:
        folder, depth = pending.pop()
        for name in names_in(folder):
            path = folder / name
            if "." not in name or not path.is_dir():
                continue
            seen += 1
            if seen > MAX_FOLDERS:
                return found
            if name.endswith(".slice") and depth < MAX_DEPTH and not name.startswith(("kubepods", "user")):
                pending.append((path, depth + 1))
            elif name.endswith(_SUFFIXES) and _is_populated(path):
                found.add(name)
    return found


def _is_populated(group: Path) -> bool:
    return "populated 1" in (quiet_text(group / "cgroup.events", 4096) or "").splitlines()


def _state(node: Running, source: Source, key: Key, found: set[str], where: Locator) -> Seen:
    """Active with processes; a service without any is inactive, unless its kind may be active without."""
    unit = key.subject[0]
    if unit in found:
        return node.present(key, "active", where)
    tree = find_tree(source, source.judged)
    for folder in FOLDERS if tree is not None else ():
        assert tree is not None
        file = read_config(tree, f"{folder}/{unit}")
        if file.state is State.ABSENT:
            continue
        try:
            if file.state is State.UNREAD:
                raise FormatError(file.reason)
            values = last_values(parse_unit(file.data))
        except FormatError as error:
            return node.unread(key, where, f"it has no process, and its unit cannot be read: {error}")
        kind = values.get(("Service", "Type"))
        if unit.endswith(".service") and (kind is None or kind.value != "oneshot"):
            return node.present(key, "inactive", where)
    return node.unread(key, where, "it has no process; whether it ever needs one cannot be told from here")


RUNTIME = Collector("running_units", Plane.RUNTIME, ("unit:*#active", "units:running", "units:failed"), _collect)
