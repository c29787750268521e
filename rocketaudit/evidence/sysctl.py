"""Kernel parameters: as the image sets them at boot (command line, sysctl.d, settings), and as a node has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import FACTORY, MAX_FACTS, Facts, at, drop_ins, link_target, root_trees, wanted
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.evidence.settings import read_defaults
from rocketaudit.evidence.sockets import POD_NETWORK
from rocketaudit.formats.kernel_arguments import parse_kernel_arguments
from rocketaudit.formats.sysctl_conf import matches, parse_sysctl_conf, plain_name
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

FOLDERS = (
    "/etc/sysctl.d",
    f"{FACTORY}/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
)
UNIT = "systemd-sysctl.service"
MASKS = ("/etc/systemd/system", f"{FACTORY}/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")

_SECRETS = ("_secret", "_key")  # net.ipv6.conf.*.stable_secret, net.ipv4.tcp_fastopen_key


@dataclass(frozen=True, slots=True)
class _Value:
    value: str
    where: Locator


@dataclass(slots=True)
class _Merged:
    """`values` and `globs` are what counts so far; `unsure` says why anything set before it may be overridden."""

    values: dict[str, _Value] = field(default_factory=dict)
    globs: dict[str, _Value] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)
    covered_by: dict[str, tuple[Locator, str]] = field(default_factory=dict)
    unsure: tuple[Locator, str] | None = None

    def doubt(self, where: Locator, reason: str) -> None:
        """From here on nothing that was set earlier is certain: an unread file may set it again."""
        self.unsure = (where, reason)
        self.covered_by.update(dict.fromkeys((*self.values, *self.globs), self.unsure))

    def put(self, name: str, value: _Value) -> None:
        (self.globs if any(char in name for char in "*?[") else self.values)[name] = value
        self.covered_by.pop(name, None)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    names = tuple(key.subject[0] for key in wanted(wants, "sysctl"))
    for tree in root_trees(source):
        merged = _Merged()
        _read_command_line(source, tree, merged)
        _read_files(tree, merged)
        _doubt_masked(tree, merged)
        _read_settings(tree, merged)
        yield from _facts(Facts(tree), merged, names)


def _read_command_line(source: Source, tree: Tree, merged: _Merged) -> None:
    """`sysctl.name=value` of the boot entry: set by the kernel before init (fs/proc/proc_sysctl.c)."""
    entries = () if source.disk is None else source.disk.boot_entries
    entry = next((e for e in sorted(entries, key=lambda e: not e.is_default) if e.bank == tree.scope), None)
    if entry is None:
        return
    try:
        arguments = parse_kernel_arguments(entry.command_line).kernel
    except FormatError as error:
        merged.doubt(Locator(source.target.name, entry.scope, entry.path), str(error))
        return
    for argument in arguments:
        if argument.name.startswith("sysctl.") and argument.value is not None:
            place = Locator(source.target.name, entry.scope, entry.path)
            merged.put(plain_name(argument.name.removeprefix("sysctl.")), _Value(argument.value, place))


def _read_files(tree: Tree, merged: _Merged) -> None:
    for found in drop_ins(tree, FOLDERS):
        try:
            if found.state is State.UNREAD:
                raise FormatError(found.reason)
            lines = parse_sysctl_conf(found.data)
        except FormatError as error:
            merged.doubt(found.where, f"{found.path}: {error}")
            continue
        for line in lines:
            if line.value is None:
                merged.excluded.append(line.name)
            else:
                merged.put(line.name, _Value(line.value, at(found.where, line.offset)))


def _doubt_masked(tree: Tree, merged: _Merged) -> None:
    """The files count only when the service runs that reads them."""
    for folder in MASKS:
        other = link_target(tree, f"{folder}/{UNIT}")
        if other is not None and other.rpartition("/")[2] != UNIT:
            merged.doubt(tree.locate(f"{folder}/{UNIT}"), f"{UNIT}, which sets it, is {other}")


def _read_settings(tree: Tree, merged: _Merged) -> None:
    """settings.kernel.sysctl: Bottlerocket writes them at boot, after systemd."""
    defaults = read_defaults(tree)
    found, kernel = defaults.file, defaults.settings.get("kernel")
    sysctls = kernel.get("sysctl") if isinstance(kernel, Mapping) else None
    if found.state is State.UNREAD:
        merged.doubt(found.where, found.reason)
    elif isinstance(sysctls, Mapping):
        for name, value in sysctls.items():
            merged.put(plain_name(str(name)), _Value(str(value), found.where))


def _facts(facts: Facts, merged: _Merged, names: tuple[str, ...]) -> Iterator[Seen]:
    values = dict(merged.values)
    for name in names:
        if name not in values and name not in merged.excluded:
            for pattern, value in merged.globs.items():  # in order: of several the last one counts
                if matches(pattern, name):
                    values[name] = value
                    if pattern in merged.covered_by:
                        merged.covered_by[name] = merged.covered_by[pattern]
    for name, value in [*values.items(), *merged.globs.items()][:MAX_FACTS]:
        doubt = merged.covered_by.get(name)
        key = Key("sysctl", (name,))
        if doubt is None:
            yield facts.present(key, value.value, value.where)
        else:
            yield facts.unread(key, doubt[0], f"set in {value.where}, but {doubt[1]}")
    if merged.unsure is None:
        yield facts.covers("sysctl:*")
        return
    for name in dict.fromkeys(names):
        if name not in values:
            yield facts.unread(Key("sysctl", (name,)), *merged.unsure)


def _collect_running(source: Source, wants: Wants) -> Iterator[Seen]:
    node = running_node(source)
    if node is None:
        return
    for key in [*dict.fromkeys((*wanted(wants, "sysctl"), *_set_by_files(source)))][:MAX_FACTS]:
        yield _running_value(node, key)


def _set_by_files(source: Source) -> Iterator[Key]:
    """What the node's own system sets at boot, so that a value that was changed since is seen; secrets stay unread."""
    merged = _Merged()
    for tree in root_trees(source):
        if tree.scope == source.judged:
            _read_files(tree, merged)
            _read_settings(tree, merged)
    for name in merged.values:
        if not name.endswith(_SECRETS):
            yield Key("sysctl", (name,))


def _running_value(node: Running, key: Key) -> Seen:
    """The value in /proc/sys, unless that shows another namespace than the node's."""
    name = key.subject[0]
    path = node.node.places.proc / "sys"
    if not all(part not in ("", ".", "..") and "\0" not in part for part in name.split("/")):
        return node.unread(key, node.locate(path), f"not the name of a kernel parameter: {name!r}")
    path = path.joinpath(*name.split("/")) if "/" in name else path.joinpath(*name.split("."))
    standing = node.node.standing
    if name.startswith(("net.", "net/")) and standing.host_network is not True:
        return node.unread(key, node.locate(path), POD_NETWORK)
    if name.startswith(("user.", "user/")) and not standing.host_users:
        return node.unread(key, node.locate(path), "this process lives in its own user namespace")
    seen = node.read(path)
    return node.of(key, seen, " ".join(seen.text.split()))


STATIC = Collector("sysctl", Plane.STATIC, ("sysctl:*",), _collect)
RUNTIME = Collector("sysctl", Plane.RUNTIME, ("sysctl:*",), _collect_running)
