"""Flags that the kubelet is started with: they override its configuration file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import ConfigFile, Facts, root_trees, wanted
from rocketaudit.evidence.config_values import made_file
from rocketaudit.evidence.settings import Defaults, read_defaults
from rocketaudit.evidence.units import FOLDERS
from rocketaudit.formats.handlebars import MARKER
from rocketaudit.formats.systemd_unit import Directive, all_values, parse_unit
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

DROP_IN = "/etc/systemd/system/kubelet.service.d/exec-start.conf"


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    keys = tuple(dict.fromkeys(wanted(wants, "kubelet_flag")))
    for tree in root_trees(source) if keys else ():
        yield from _flags(Facts(tree), keys)


def _flags(facts: Facts, keys: tuple[Key, ...]) -> Iterator[Seen]:
    defaults = read_defaults(facts.tree)
    found, texts = made_file(facts.tree, DROP_IN, defaults)
    if found.state is State.ABSENT:
        found, texts = _from_unit(facts.tree, found, defaults)
    if found.state is not State.PRESENT:
        yield from (facts.of_file(key, found) for key in keys if found.state is State.UNREAD)
        return
    try:
        readings = [_parse(text) for text in texts]
    except FormatError as error:
        yield from (facts.unread(key, found.where, str(error)) for key in keys)
        return
    for key in keys:
        values = {reading.get(key.subject[0]) for reading in readings}
        value = values.pop()
        if values or (value is not None and MARKER in value):
            yield facts.unread(key, found.where, "only a node knows the value of this flag")
        elif value is None:
            yield facts.absent(key, found.where)
        else:
            yield facts.present(key, value, found.where)


def _from_unit(tree: Tree, absent: ConfigFile, defaults: Defaults) -> tuple[ConfigFile, tuple[bytes, ...]]:
    for folder in FOLDERS:
        found, texts = made_file(tree, f"{folder}/kubelet.service", defaults)
        if found.state is not State.ABSENT:
            return found, texts
    return absent, ()


def _parse(data: bytes) -> dict[str, str]:
    """Flags of ExecStart by name; a flag without a value is "true"."""
    directives: tuple[Directive, ...] = parse_unit(data)
    flags: dict[str, str] = {}
    for command in all_values(directives, "Service", "ExecStart"):
        try:
            words = shlex.split(command.value)
        except ValueError as error:
            raise FormatError(f"ExecStart: {error}", offset=command.offset) from error
        for word, following in zip(words, [*words[1:], "-"], strict=True):
            if word.startswith("--"):
                name, equals, value = word[2:].partition("=")
                flags[name] = value if equals else ("true" if following.startswith("-") else following)
    return flags


STATIC = Collector("kubelet", Plane.STATIC, ("kubelet_flag:*",), _collect)
