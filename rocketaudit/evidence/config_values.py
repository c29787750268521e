"""Values of configuration files that rules ask for; a file that a node makes is read from its template."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import (
    FACTORY,
    Facts,
    drop_ins,
    first_config,
    root_trees,
    wanted,
)
from rocketaudit.evidence.kubelet import KUBELET_CONFIG
from rocketaudit.evidence.kubelet_drop_ins import DROP_INS, Layer, merge_drop_ins
from rocketaudit.evidence.made_files import made_file
from rocketaudit.evidence.settings import Defaults, plain_value, read_defaults
from rocketaudit.evidence.unit_flags import read_elsewhere
from rocketaudit.formats.handlebars import MARKER
from rocketaudit.formats.strict_yaml import load_plain
from rocketaudit.formats.systemd_unit import Directive, last_values, parse_unit
from rocketaudit.model import codec
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

FORMATS = ("yaml", "json", "toml", "directives", "systemd")
_MISSING = object()
_ON_NODE = "only a node knows it: it depends on more than the default settings"


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file's values. Several `readings` are what a template gives under each answer to what only a node knows.

    `layers` are other files that were merged into it, the last one counts.
    """

    where: Locator
    readings: tuple[Any, ...] = ()
    state: State = State.PRESENT
    reason: str = ""
    layers: tuple[Layer, ...] = ()


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    keys = tuple(dict.fromkeys(wanted(wants, "config")))
    for tree in root_trees(source) if keys else ():
        facts = Facts(tree)
        defaults = read_defaults(tree)
        parsed: dict[tuple[str, str], _Parsed] = {}
        for key in keys:
            place = (key.subject[0], key.attribute)
            if place not in parsed:
                parsed[place] = _parse(tree, *place, defaults)
            yield _fact(facts, key, parsed[place])
        yield from _drop_ins(facts, wants, defaults)


def _drop_ins(facts: Facts, wants: Wants, defaults: Defaults) -> Iterator[Fact]:
    """Which files the kubelet takes besides its configuration, as a fact of their own."""
    for key in dict.fromkeys(wanted(wants, DROP_INS)):
        path = key.subject[0]
        parsed = _parse(facts.tree, path, "yaml", defaults)
        if parsed.state is State.UNREAD:
            yield facts.unread(key, parsed.where, parsed.reason)
        else:
            yield facts.present(key, tuple(layer.where.path or "" for layer in parsed.layers), parsed.where)


def _fact(facts: Facts, key: Key, parsed: _Parsed) -> Fact:
    if parsed.state is State.UNREAD:
        return facts.unread(key, parsed.where, parsed.reason)
    if parsed.state is State.ABSENT:
        return facts.absent(key, parsed.where)
    path = key.subject[1:]
    if path == ("",):  # whether there is such a file at all
        return facts.present(key, True, parsed.where)
    values = [_walk(reading, path) for reading in parsed.readings]
    first = values[0]
    if any(value != first for value in values) or _depends_on_node(first):
        return facts.unread(key, parsed.where, _ON_NODE)
    if first is _MISSING:
        return facts.absent(key, parsed.where)
    layer = next((one for one in reversed(parsed.layers) if _walk(one.values, path) is not _MISSING), None)
    return facts.present(key, first, parsed.where if layer is None else layer.where)


def _walk(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return plain_value(value)


def _depends_on_node(value: Any) -> bool:
    match value:
        case str():
            return MARKER in value
        case Mapping():
            return any(_depends_on_node(item) for item in value.values())
        case tuple():
            return any(_depends_on_node(item) for item in value)
        case _:
            return False


def _parse(tree: Tree, path: str, form: str, defaults: Defaults) -> _Parsed:
    if form == "systemd":
        return _systemd(tree, path)
    try:
        other = read_elsewhere(tree, path, defaults)
        found, templates = made_file(tree, path if other.path is None else other.path, defaults)
        if found.state is State.ABSENT and other.values and not other.needs_file:
            return _Parsed(other.where, (_nested(other.values, {}),))
        if found.state is not State.PRESENT:
            return _Parsed(found.where, state=found.state, reason=found.reason)
        readings = tuple(_nested(other.values, _values(data, form)) for data in templates)
        if path != KUBELET_CONFIG:
            return _Parsed(found.where, readings)
        readings, layers = merge_drop_ins(tree, defaults, readings, lambda data: _values(data, form))
        return _Parsed(found.where, readings, layers=layers)
    except FormatError as error:
        return _Parsed(tree.locate(path), state=State.UNREAD, reason=f"{path}: {error}")


def _nested(flags: Mapping[tuple[str, ...], str], values: Any) -> Any:
    """A file's values with those that flags override."""
    for path, value in flags.items():
        changed = dict(values)
        inner = changed
        for part in path[:-1]:
            below = inner.get(part)
            inner[part] = dict(below) if isinstance(below, Mapping) else {}
            inner = inner[part]
        inner[path[-1]] = value
        values = changed
    return values


def _values(data: bytes, form: str) -> Any:
    try:
        match form:
            case "yaml":
                return _table(load_plain(data))
            case "json":
                return _table(codec.parse(data))
            case "toml":
                return _whole(tomllib.loads(data.decode("utf-8")))
            case "directives":
                return _directives(data)
            case _:
                raise FormatError(f"no reader for {form!r}; known are {', '.join(FORMATS)}")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"not {form}: {error}") from error


def _table(value: Any) -> Any:
    """A file that is empty or no table sets nothing that its reader would accept."""
    if not isinstance(value, Mapping):
        raise FormatError(f"it holds {'nothing' if value is None else type(value).__name__}, not names with values")
    return value


def _whole(value: dict[str, Any]) -> dict[str, Any]:
    """containerd's files may take in others, whose values count more (containerd-config.toml(5))."""
    if value.get("imports"):
        raise FormatError(f"it imports other files, which are not read: {str(value['imports'])[:100]}")
    return value


def _directives(data: bytes) -> dict[str, list[str]]:
    """Files of one directive per line, such as chrony.conf(5): the name in lower case to what follows it."""
    found: dict[str, list[str]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text and text[0] not in "#!;%":
            name, _, rest = text.partition(" ")
            found.setdefault(name.lower(), []).append(rest.strip())
    return found


def _systemd(tree: Tree, name: str) -> _Parsed:
    """A .conf of systemd: the main file, then all drop-ins, in the order of systemd-system.conf(5)."""
    bases = ("/etc/systemd", f"{FACTORY}/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
    parts = [first_config(tree, *(f"{base}/{name}" for base in bases))]
    parts += drop_ins(tree, tuple(f"{base}/{name}.d" for base in bases))
    values: dict[str, dict[str, str]] = {}
    where = parts[0].where
    directives: list[Directive] = []
    for part in parts:
        if part.state is State.ABSENT:
            continue
        try:
            if part.state is State.UNREAD:
                raise FormatError(part.reason)
            directives.extend(parse_unit(part.data))
        except FormatError as error:
            return _Parsed(part.where, state=State.UNREAD, reason=f"{part.path}: {error}")
        where = part.where
    for (section, key), directive in last_values(directives).items():
        values.setdefault(section, {})[key] = directive.value
    return _Parsed(where, (values,))


STATIC = Collector("config_values", Plane.STATIC, ("config:*", f"{DROP_INS}:*"), _collect)
