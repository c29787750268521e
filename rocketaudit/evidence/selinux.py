"""SELinux as the image brings it: /etc/selinux/config and the compiled policy."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
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
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.formats.selinux_policy import parse_selinux_policy
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

BASES = ("/etc/selinux", f"{FACTORY}/etc/selinux")
MODE, TYPE, POLICY = (Key("selinux", (name,)) for name in ("mode", "type", "policy"))
_ASPECTS = ("version", "mls", "handle_unknown", "permissive_types")
MAX_POLICY = 64 << 20


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        found = first_config(tree, *(f"{base}/config" for base in BASES))
        kind = ""
        try:
            values = parse_key_values(found.data)
        except FormatError as error:
            found, values = ConfigFile(found.path, State.UNREAD, found.where, reason=str(error)), {}
        for key, name in ((MODE, "SELINUX"), (TYPE, "SELINUXTYPE")):
            value = values.get(name)
            if value is None:
                yield facts.of_file(key, found)
            else:
                yield facts.present(key, value[0], at(found.where, value[1]))
                kind = value[0] if name == "SELINUXTYPE" else kind
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
    return (POLICY, *(Key("selinux", ("policy",), aspect) for aspect in _ASPECTS))


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


STATIC = Collector("selinux", Plane.STATIC, ("selinux:*",), _collect)
