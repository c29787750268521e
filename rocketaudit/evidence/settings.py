"""Settings that a node starts with: the defaults that the image ships for Bottlerocket's API."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS, ConfigFile, Facts, list_folder, read_config, root_trees
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

_LINKED = "/etc/storewolf/defaults.toml"
_FOLDERS = ("/usr/share/storewolf", "/usr/share/settings-defaults", "/usr/share/defaults")
_SECRET = (
    "password",
    "secret",
    "token",
    "private-key",
    "user-data",
    "server-key",
    "credentials",
    "identitytoken",
)
MAX_DEPTH = 16


def defaults_file(tree: Tree) -> ConfigFile:
    """The defaults that apply: the link in /etc, what tmpfiles.d links there, or a known folder's only file."""
    found = read_config(tree, _LINKED)
    if found.state is not State.ABSENT:
        return found
    for name in list_folder(tree, "/usr/lib/tmpfiles.d", suffix=".conf").names:
        if not name.startswith("storewolf"):
            continue
        for line in read_config(tree, f"/usr/lib/tmpfiles.d/{name}").data.decode("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) >= 7 and words[0].rstrip("+!-") == "L" and words[1] == _LINKED:
                return read_config(tree, words[6])
    for folder in _FOLDERS:
        names = list_folder(tree, folder, suffix=".toml").names
        if len(names) == 1:
            return read_config(tree, f"{folder}/{names[0]}")
        if names:
            where = tree.locate(folder)
            return ConfigFile(folder, State.UNREAD, where, reason=f"{len(names)} defaults and no link that says which")
    return ConfigFile(_LINKED, State.ABSENT, tree.locate(_LINKED))


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults file and what it holds; both tables are empty unless it could be read."""

    file: ConfigFile
    settings: Mapping[str, Any] = field(default_factory=dict)
    made_files: tuple[MadeFile, ...] = ()


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that the node makes from a template; `mode` is "" where the defaults do not say it."""

    path: str
    template: str
    mode: str


def read_defaults(tree: Tree) -> Defaults:
    """The defaults of a tree; a file that is no TOML comes back as unread."""
    found = defaults_file(tree)
    if found.state is not State.PRESENT:
        return Defaults(found)
    try:
        table = tomllib.loads(found.data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        return Defaults(ConfigFile(found.path, State.UNREAD, found.where, reason=f"not TOML: {error}"))
    settings = table.get("settings", {})
    return Defaults(found, settings if isinstance(settings, dict) else {}, tuple(_made_files(table)))


def _made_files(table: Mapping[str, Any]) -> Iterator[MadeFile]:
    files = table.get("configuration-files", {})
    for entry in files.values() if isinstance(files, dict) else ():
        if not isinstance(entry, dict):
            continue
        path, template, mode = (entry.get(name) for name in ("path", "template-path", "mode"))
        if isinstance(path, str) and isinstance(template, str) and path and template:
            yield MadeFile(path, template, mode if isinstance(mode, str) else "")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        defaults = read_defaults(tree)
        found, settings = defaults.file, defaults.settings
        if found.state is State.UNREAD:
            yield facts.unread(Key("settings_defaults", ("file",)), found.where, found.reason)
            continue
        if found.state is State.ABSENT:
            continue  # no image of Bottlerocket, or defaults in a place that we do not know: nothing is known
        yield facts.present(Key("settings_defaults", ("file",)), found.path, found.where)
        yield facts.covers("setting:*")
        for made in defaults.made_files:
            if made.mode:
                yield facts.present(Key("made_file", (made.path,), "mode"), made.mode, found.where)
        for number, (path, value) in enumerate(leaves(settings, (), 0)):
            if number >= MAX_FACTS:
                return
            yield facts.present(Key("setting", path), value, found.where)


def is_secret(path: tuple[str, ...]) -> bool:
    """Whether a setting's name says that its value is a secret."""
    return any(name == "auth" or any(word in name for word in _SECRET) for name in path)


def leaves(table: Mapping[str, Any], path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    """(path, value) of every setting below `path`; the value of a secret is left out."""
    for name, value in table.items():
        place = (*path, name)
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from leaves(value, place, depth + 1)
        else:
            yield place, "(not shown)" if is_secret((name,)) else plain_value(value)


def plain_value(value: object, depth: int = 0) -> JsonValue:
    """A TOML, YAML or JSON value as a fact may hold it; times become their text, what is nested too deep a remark."""
    if depth > MAX_DEPTH:
        return "(nested too deep)"
    match value:
        case int() if abs(value) >> 63:
            return "(a number of more than 63 bits)"
        case str() | bool() | int() | float() | None:
            return value
        case list() | tuple():
            return tuple(plain_value(item, depth + 1) for item in value)
        case dict():
            return {str(name): plain_value(item, depth + 1) for name, item in value.items()}
        case _:
            return str(value)


STATIC = Collector("settings", Plane.STATIC, ("setting:*", "settings_defaults:file", "made_file:*"), _collect)
