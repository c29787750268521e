"""systemd units of an image: which are there, what starts them, how they are shut in, what they mount."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import (
    FACTORY,
    Facts,
    drop_ins,
    first_config,
    read_config,
    root_trees,
)
from rocketaudit.evidence.unit_files import Found, find_units
from rocketaudit.formats.systemd_unit import Directive, all_values, last_values, parse_unit
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

PRESETS = ("/etc/systemd/system-preset", "/usr/lib/systemd/system-preset")
_OVER_FSTAB = ("/etc/", f"{FACTORY}/etc/", "/run/")
_STARTS = ("Wants", "Requires", "BindsTo", "Upholds")
MAX_UNITS = 5_000

# directives of systemd.exec(5) and systemd.resource-control(5) that shut a service in
SANDBOX = (
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DevicePolicy",
    "DynamicUser",
    "Group",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SELinuxContext",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "UMask",
    "User",
)
_LISTS = ("CapabilityBoundingSet", "AmbientCapabilities", "SystemCallFilter", "RestrictAddressFamilies")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        found = find_units(tree)
        for path, reason in found.problems:
            yield facts.unread(Key("unit", (path,), "file"), tree.locate(path), reason)
        presets = _presets(tree)
        complete = not found.problems
        own = {name for name, folder in found.files.items() if folder.startswith(_OVER_FSTAB)}
        tabled = list(_fstab(facts, own))
        yield from tabled
        found.tabled = {one.key.subject[0] for one in tabled if isinstance(one, Fact)}
        names = sorted({*found.files, *found.aliases})
        complete = complete and len(names) <= MAX_UNITS
        read = {name: _read(tree, found, name) for name in names[:MAX_UNITS] if name not in found.aliases}
        found.pull(_named_by(unit.directives for unit in read.values()))
        for name in names[:MAX_UNITS]:
            yield from _unit_facts(facts, found, name, read.get(name), presets)
        if complete:
            yield facts.covers("unit:*")
            yield facts.covers("mount:*")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit with its drop-ins; `reason` says why it could not be read."""

    where: Locator
    directives: tuple[Directive, ...] = ()
    reason: str = ""


def _read(tree: Tree, found: Found, name: str) -> _Unit:
    unit = read_config(tree, f"{found.files[name]}/{name}")
    directives: list[Directive] = []
    try:
        for part in (unit, *drop_ins(tree, found.drop_in_folders(name))):
            if part.state is not State.PRESENT:
                raise FormatError(part.reason or "a link that leads nowhere")
            directives.extend(parse_unit(part.data))
    except FormatError as error:
        return _Unit(unit.where, reason=str(error))
    return _Unit(unit.where, tuple(directives))


def _named_by(units: Iterable[tuple[Directive, ...]]) -> Iterator[str]:
    """The units that other units start by a word in their own text."""
    for directives in units:
        for key in _STARTS:
            for directive in all_values(directives, "Unit", key):
                yield from directive.value.split()


def _unit_facts(
    facts: Facts, found: Found, name: str, unit: _Unit | None, presets: tuple[tuple[bool, str], ...]
) -> Iterator[Seen]:
    state_key = Key("unit", (name,), "state")
    if unit is None:
        where = facts.tree.locate(name)
        meant = found.aliases[name]
        yield facts.present(state_key, "alias" if meant else "masked", where)
        if meant:
            yield facts.present(Key("unit", (name,), "alias"), meant, where)
        return
    if unit.reason:
        yield from (facts.unread(key, unit.where, unit.reason) for key in _keys_of(name))
        return
    directives = unit.directives
    last = last_values(directives)
    yield facts.present(state_key, _state(found, name, directives, presets), unit.where)
    if name.endswith(".service"):
        yield facts.present(Key("unit", (name,), "sandbox"), _sandbox(directives, last), unit.where)
        commands = tuple(d.value for d in all_values(directives, "Service", "ExecStart"))
        yield facts.present(Key("unit", (name,), "commands"), commands, unit.where)
        denied = tuple(w for d in all_values(directives, "Service", "IPAddressDeny") for w in d.value.split())
        yield facts.present(Key("unit", (name,), "ip_address_deny"), denied, unit.where)
    elif name.endswith(".socket"):
        listens = tuple(d.value for d in directives if d.section == "Socket" and d.key.startswith("Listen") and d.value)
        yield facts.present(Key("unit", (name,), "listens"), listens, unit.where)
        mode = last.get(("Socket", "SocketMode"))
        yield facts.present(Key("unit", (name,), "socket_mode"), mode.value if mode else "0666", unit.where)
    elif name.endswith(".mount") and _mount_point(name.removesuffix(".mount")) not in found.tabled:
        yield from _mount_facts(facts, name, last, unit.where)


def _keys_of(name: str) -> Iterator[Key]:
    """Everything that a readable unit of this name would have told."""
    attributes = {
        "service": ("state", "sandbox", "commands", "ip_address_deny"),
        "socket": ("state", "listens", "socket_mode"),
    }
    yield from (Key("unit", (name,), attribute) for attribute in attributes.get(name.rpartition(".")[2], ("state",)))
    if name.endswith(".mount"):
        path = _mount_point(name.removesuffix(".mount"))
        yield from (Key("mount", (path,), attribute) for attribute in ("options", "fstype", "source"))


def _mount_point(name: str) -> str:
    """The path that a mount unit's name stands for (systemd-escape --path --unescape)."""
    plain = name.replace("-", "/")
    return "/" + re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), plain)


def _state(found: Found, name: str, directives: tuple[Directive, ...], presets: tuple[tuple[bool, str], ...]) -> str:
    if name in found.pulled:
        return "enabled"
    if "@" in name and any(pulled.startswith(name.partition("@")[0] + "@") for pulled in found.pulled):
        return "enabled"
    if not any(directive.section == "Install" for directive in directives):
        return "static"
    decided = next((enable for enable, pattern in presets if fnmatchcase(name, pattern)), False)
    return "enabled" if decided else "disabled"


def _sandbox(directives: tuple[Directive, ...], last: Mapping[tuple[str, str], Directive]) -> dict[str, str]:
    values: dict[str, str] = {}
    for key in SANDBOX:
        if key in _LISTS:
            joined = " ".join(d.value for d in all_values(directives, "Service", key))
            stated = any(d.section == "Service" and d.key == key for d in directives)
            if stated:
                values[key] = joined
        elif ("Service", key) in last:
            values[key] = last["Service", key].value
    return values


def _mount_facts(facts: Facts, name: str, last: Mapping[tuple[str, str], Directive], where: Locator) -> Iterator[Seen]:
    point = last.get(("Mount", "Where"))
    if point is None or posixpath.normpath(point.value) != _mount_point(name.removesuffix(".mount")):
        return  # systemd refuses a mount unit that is not named after its place
    for attribute, key in (("options", "Options"), ("fstype", "Type"), ("source", "What")):
        directive = last.get(("Mount", key))
        value: str | tuple[str, ...] = directive.value if directive else ""
        if attribute == "options":
            value = tuple(part for part in str(value).split(",") if part)
        yield facts.present(Key("mount", (posixpath.normpath(point.value),), attribute), value, where)


def _fstab(facts: Facts, own: set[str]) -> Iterator[Seen]:
    """What /etc/fstab mounts: it wins over units of the vendor, not over those of /etc (systemd.generator(7))."""
    found = first_config(facts.tree, "/etc/fstab", f"{FACTORY}/etc/fstab")
    if found.state is State.UNREAD:
        yield facts.unread(Key("unit", ("fstab",), "file"), found.where, found.reason)
    owned = {_mount_point(name.removesuffix(".mount")) for name in own if name.endswith(".mount")}
    for line in found.data.decode("utf-8", "replace").splitlines()[:MAX_UNITS]:
        words = line.split()
        if len(words) < 3 or words[0].startswith("#") or not words[1].startswith("/"):
            continue
        path = posixpath.normpath(words[1])
        if path in owned:
            continue
        options = tuple(part for part in (words[3] if len(words) > 3 else "defaults").split(",") if part)
        for attribute, value in (("options", options), ("fstype", words[2]), ("source", words[0])):
            yield facts.present(Key("mount", (path,), attribute), value, found.where)


def _presets(tree: Tree) -> tuple[tuple[bool, str], ...]:
    """(enable?, glob) in the order of systemd.preset(5): the first match decides."""
    rules: list[tuple[bool, str]] = []
    for found in drop_ins(tree, PRESETS, ".preset"):
        for line in found.data.decode("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] in ("enable", "disable"):
                rules.append((words[0] == "enable", words[1]))
    return tuple(rules)


STATIC = Collector("units", Plane.STATIC, ("unit:*", "mount:*"), _collect)
