"""Flags that the kubelet is started with: they override its configuration file."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import Facts, list_folder, root_trees, wanted
from rocketaudit.evidence.config_values import made_file
from rocketaudit.evidence.settings import Defaults, read_defaults
from rocketaudit.evidence.unit_files import FOLDERS
from rocketaudit.formats.handlebars import MARKER
from rocketaudit.formats.systemd_unit import all_values, parse_unit
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

UNIT = "kubelet.service"
_PREFIXES = "@-:+!|"  # what may stand before the program of ExecStart (systemd.service(5))


@dataclass(frozen=True, slots=True)
class _Start:
    """How the unit starts: one text for each answer to what only a node knows; `where` is the last part of it."""

    where: Locator
    texts: tuple[bytes, ...]


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    keys = tuple(dict.fromkeys(wanted(wants, "kubelet_flag")))
    for tree in root_trees(source) if keys else ():
        yield from _flags(Facts(tree), keys)


def _flags(facts: Facts, keys: tuple[Key, ...]) -> Iterator[Seen]:
    where = facts.tree.locate(UNIT)
    try:
        start = _unit(facts.tree, read_defaults(facts.tree))
        if start is None:
            return
        where = start.where
        readings = [_parse(text) for text in start.texts]
    except FormatError as error:
        yield from (facts.unread(key, where, str(error)) for key in keys)
        return
    for key in keys:
        values = {reading.get(key.subject[0]) for reading in readings}
        value = values.pop()
        if values or (value is not None and (MARKER in value or "$" in value)):
            yield facts.unread(key, where, "only a node knows the value of this flag")
        elif value is None:
            yield facts.absent(key, where)
        else:
            yield facts.present(key, value, where)


def _unit(tree: Tree, defaults: Defaults) -> _Start | None:
    """The unit with all its drop-ins, also those that a node makes from templates; None when nothing starts it."""
    parts = []
    for path in _parts(tree, defaults):
        found, texts = made_file(tree, path, defaults)
        if found.state is State.UNREAD:
            raise FormatError(f"{path}: {found.reason}")
        if found.state is State.PRESENT and texts and b"ExecStart" in b"".join(texts):
            parts.append((found, texts))
    if not parts:
        return None
    texts = tuple(b"\n".join(texts[min(answer, len(texts) - 1)] for _, texts in parts) for answer in (0, 1))
    return _Start(parts[-1][0].where, tuple(dict.fromkeys(texts)))


def _parts(tree: Tree, defaults: Defaults) -> Iterator[str]:
    """The paths of the unit and of its drop-ins, in the order in which systemd reads them."""
    made = [one.path for one in defaults.made_files]
    units = (f"{folder}/{UNIT}" for folder in FOLDERS)
    yield next((path for path in units if path in made or _is_there(tree, path)), f"{FOLDERS[0]}/{UNIT}")
    chosen: dict[str, str] = {}
    for folder in (f"{base}/{name}" for name in (f"{UNIT}.d", "service.d") for base in FOLDERS):
        listing = list_folder(tree, folder, suffix=".conf")
        if listing.reason:
            raise FormatError(f"{folder}: {listing.reason}")
        planned = tuple(posixpath.basename(path) for path in made if posixpath.dirname(path) == folder)
        for name in (*listing.names, *planned):
            chosen.setdefault(name, f"{folder}/{name}")
    yield from (chosen[name] for name in sorted(chosen))


def _is_there(tree: Tree, path: str) -> bool:
    return posixpath.basename(path) in list_folder(tree, posixpath.dirname(path)).names


def _parse(data: bytes) -> dict[str, str]:
    """Flags of ExecStart by name, `_` as `-`; a flag without a value is "true", of two the last counts."""
    flags: dict[str, str] = {}
    for command in all_values(parse_unit(data), "Service", "ExecStart"):
        try:
            words = shlex.split(command.value)
        except ValueError as error:
            raise FormatError(f"ExecStart: {error}", offset=command.offset) from error
        if not words or posixpath.basename(words[0].lstrip(_PREFIXES)) != "kubelet":
            raise FormatError(f"ExecStart starts {words[:1]}, not the kubelet itself", offset=command.offset)
        _read_words(words[1:], flags)
    return flags


def _read_words(words: list[str], flags: dict[str, str]) -> None:
    waiting = ""  # a flag whose value may follow
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            waiting = "" if equals else name.replace("_", "-")
            flags[name.replace("_", "-")] = value if equals else "true"
        elif word.startswith("$") and not (waiting and word.startswith("${")):
            raise FormatError(f"ExecStart: {word} may hold any flags")
        elif waiting and not word.startswith("-"):
            flags[waiting] = word
            waiting = ""
        else:
            waiting = ""


STATIC = Collector("kubelet", Plane.STATIC, ("kubelet_flag:*",), _collect)
