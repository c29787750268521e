"""SELinux: what the image brings (/etc/selinux/config, the policy), and what the running kernel enforces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import (
    FACTORY,
    ConfigFile,
    Facts,
    at,
    first_config,
    list_folder,
    read_config,
    root_trees,
)
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.evidence.running import Seen as Text
from rocketaudit.formats.selinux_config import SelinuxConfig, parse_selinux_config
from rocketaudit.formats.selinux_policy import parse_selinux_policy
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.source.places import error_text, read_bytes
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

BASES = ("/etc/selinux", f"{FACTORY}/etc/selinux")
MODE, TYPE, POLICY = (Key("selinux", (name,)) for name in ("mode", "type", "policy"))
_ASPECTS = ("version", "mls", "handle_unknown", "permissive_types")
MAX_POLICY = 64 << 20
HIDDEN = "selinuxfs cannot be seen from here; it takes the host's /sys (a host root mount)"


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        found = first_config(tree, *(f"{base}/config" for base in BASES))
        try:
            config = parse_selinux_config(found.data)
        except FormatError as error:
            found, config = ConfigFile(found.path, State.UNREAD, found.where, reason=str(error)), SelinuxConfig()
        for key, value in ((MODE, config.mode), (TYPE, config.type)):
            if value is None:
                yield facts.of_file(key, found)
            else:
                yield facts.present(key, value[0], at(found.where, value[1]))
        kind = config.type[0] if config.type is not None else ""
        yield from _policy(facts, tree, found, kind)


def _policy(facts: Facts, tree: Tree, config: ConfigFile, kind: str) -> Iterator[Seen]:
    if config.state is State.UNREAD:
        yield from (facts.unread(key, config.where, config.reason) for key in _keys())
        return
    found = _newest_policy(tree, kind)
    if found.state is not State.PRESENT:
        yield from (facts.of_file(key, found) for key in _keys())
        return
    try:
        policy = parse_selinux_policy(found.data)
    except FormatError as error:
        yield from (facts.unread(key, found.where, str(error)) for key in _keys())
        return
    values: tuple[JsonValue, ...] = (
        found.path,
        policy.version,
        policy.mls,
        policy.handle_unknown,
        len(policy.permissive_types),
    )
    for key, value in zip(_keys(), values, strict=True):
        yield facts.present(key, value, found.where)


def _keys() -> tuple[Key, ...]:
    return (POLICY, *(_of_policy(aspect) for aspect in _ASPECTS))


def _of_policy(aspect: str) -> Key:
    return Key("selinux", ("policy",), aspect)


def _newest_policy(tree: Tree, kind: str) -> ConfigFile:
    """policy.N with the highest N of the policy that the configuration names."""
    for base in BASES:
        folder = f"{base}/{kind}/policy"
        listing = list_folder(tree, folder)
        if listing.reason:
            return ConfigFile(folder, State.UNREAD, tree.locate(folder), reason=listing.reason)
        numbered = [name for name in listing.names if name.startswith("policy.") and name[7:].isdigit()]
        if kind and numbered:
            return read_config(tree, f"{folder}/{max(numbered, key=lambda name: int(name[7:]))}", MAX_POLICY)
    return ConfigFile(BASES[0], State.ABSENT, tree.locate(BASES[0]))


def _collect_running(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    places = node.node.places
    without = _without_selinux(node)

    def ask(name: str) -> Text:
        return node.read(*places.below_sys(f"fs/selinux/{name}"), missing="" if without else HIDDEN)

    enforce = ask("enforce")
    yield node.of(MODE, enforce, {"1": "enforcing", "0": "permissive"}.get(enforce.text, "unknown"))
    mls, checkreqprot = ask("mls"), ask("checkreqprot")
    yield node.of(_of_policy("mls"), mls, mls.text == "1")
    yield from _loaded_policy(node, without=without)
    yield node.of(Key("selinux", ("checkreqprot",)), checkreqprot, checkreqprot.text)
    deny, reject = ask("deny_unknown"), ask("reject_unknown")
    unknown = deny if deny.state is not State.PRESENT else reject
    value = "reject" if reject.text == "1" else "deny" if deny.text == "1" else "allow"
    yield node.of(_of_policy("handle_unknown"), unknown, value)
    yield _running_type(node, source)
    for name, path in (("self", places.proc / "self/attr/current"), ("init", _init_proc(node) / "1/attr/current")):
        seen = node.read(path)
        yield node.of(Key("selinux", ("process", name)), seen, seen.text)


def _init_proc(node: Running) -> Path:
    host = node.node.places.host_proc
    return node.node.places.proc if node.node.standing.host_pids or host is None else host


def _loaded_policy(node: Running, *, without: bool) -> Iterator[Seen]:
    """Version and permissive types of the policy in force, as the kernel writes it out.

    Not `policyvers`: that is the highest version which the kernel could load, whatever it did load.
    """
    keys = _of_policy("version"), _of_policy("permissive_types")
    where, reason = node.locate(node.node.places.sys / "fs/selinux/policy"), HIDDEN
    for path in node.node.places.below_sys("fs/selinux/policy"):
        try:
            policy = parse_selinux_policy(read_bytes(path, MAX_POLICY))
        except FileNotFoundError:
            continue
        except (RocketauditError, OSError) as error:
            where, reason = node.locate(path), error_text(error)
            break
        where = node.locate(path)
        for key, value in zip(keys, (policy.version, len(policy.permissive_types)), strict=True):
            yield node.present(key, value, where)
        return
    yield from (node.absent(key, where) if without else node.unread(key, where, reason) for key in keys)


def _without_selinux(node: Running) -> bool:
    """Whether the kernel itself says that SELinux does not run."""
    modules = node.read(*node.node.places.below_sys("kernel/security/lsm"), missing=HIDDEN)
    return modules.state is State.PRESENT and "selinux" not in modules.text.split(",")


def _running_type(node: Running, source: Source) -> Seen:
    """The policy that the node's own configuration names; the kernel does not know the name of what it loaded."""
    for tree in root_trees(source):
        if tree.scope != source.judged:
            continue
        found = read_config(tree, "/etc/selinux/config")
        if found.state is State.PRESENT:
            try:
                value = parse_selinux_config(found.data).type
            except FormatError as error:
                return node.unread(TYPE, found.where, str(error))
            return node.absent(TYPE, found.where) if value is None else node.present(TYPE, value[0], found.where)
        return node.unread(TYPE, found.where, found.reason or "the node has no /etc/selinux/config")
    where = node.locate(node.node.places.sys / "fs/selinux")
    return node.unread(TYPE, where, "the host's files cannot be seen from here")


STATIC = Collector("selinux", Plane.STATIC, ("selinux:*",), _collect)
RUNTIME = Collector("selinux", Plane.RUNTIME, ("selinux:*",), _collect_running)
