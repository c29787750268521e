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
    ConfigFile,
    Facts,
    drop_ins,
    first_config,
    read_config,
    root_trees,
    wanted,
)
from rocketaudit.evidence.settings import Defaults, plain_value, read_defaults
from rocketaudit.formats.handlebars import MARKER, render
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
    """A file's values. Several `readings` are what a template gives under each answer to what only a node knows."""

    where: Locator
    readings: tuple[Any, ...] = ()
    state: State = State.PRESENT
    reason: str = ""


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
    return facts.absent(key, parsed.where) if first is _MISSING else facts.present(key, first, parsed.where)


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
    found, templates = made_file(tree, path, defaults)
    if found.state is not State.PRESENT:
        return _Parsed(found.where, state=found.state, reason=found.reason)
    try:
        return _Parsed(found.where, tuple(_values(data, form) for data in templates))
    except FormatError as error:
        return _Parsed(found.where, state=State.UNREAD, reason=f"{found.path}: {error}")


def made_file(tree: Tree, path: str, defaults: Defaults) -> tuple[ConfigFile, tuple[bytes, ...]]:
    """A file and the texts that it may have: as it is, as its template gives it on a node, as the factory has it."""
    found = read_config(tree, path)
    if found.state is not State.ABSENT:
        return found, (found.data,)
    rendered, texts = _from_template(tree, path, defaults)
    if rendered.state is not State.ABSENT:
        return rendered, texts
    found = read_config(tree, f"{FACTORY}{path}")
    if found.state is State.ABSENT and defaults.file.state is State.UNREAD:
        return ConfigFile(path, State.UNREAD, defaults.file.where, reason=defaults.file.reason), ()
    return found, (found.data,)


def _from_template(tree: Tree, path: str, defaults: Defaults) -> tuple[ConfigFile, tuple[bytes, ...]]:
    """The template that the defaults name for a path, rendered with the default settings under both assumptions."""
    made = next((one for one in defaults.made_files if one.path == path), None)
    if made is None:
        return ConfigFile(path, State.ABSENT, tree.locate(path)), ()
    template = read_config(tree, made.template)
    if template.state is not State.PRESENT:
        reason = template.reason or f"its template {made.template} is missing"
        return ConfigFile(path, State.UNREAD, template.where, reason=reason), ()
    try:
        texts = tuple(render(template.data, defaults.settings, assume=assume).encode() for assume in (False, True))
    except (FormatError, RecursionError) as error:
        return ConfigFile(path, State.UNREAD, template.where, reason=str(error)), ()
    return template, tuple(dict.fromkeys(texts))


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


STATIC = Collector("config_values", Plane.STATIC, ("config:*",), _collect)
