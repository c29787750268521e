"""Flags that a program is started with by its unit: they say which configuration it reads, and override it."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.evidence.config_files import list_folder
from rocketaudit.evidence.made_files import made_file
from rocketaudit.evidence.settings import Defaults
from rocketaudit.evidence.unit_files import FOLDERS
from rocketaudit.formats.handlebars import MARKER
from rocketaudit.formats.systemd_unit import all_values, parse_unit
from rocketaudit.model.fact import Locator, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.tree import Tree

_PREFIXES = "@-:+!|"  # what may stand before the program of ExecStart (systemd.service(5))


@dataclass(frozen=True, slots=True)
class _Start:
    """How the unit starts: one text for each answer to what only a node knows; `where` is the last part of it."""

    where: Locator
    texts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class UnitFlags:
    """Flags by name for each answer to what only a node knows; `where` is the last part of the unit."""

    where: Locator
    readings: tuple[Mapping[str, str], ...]

    def value(self, *names: str) -> str | None:
        """A flag under any of its names, None when it is not given; FormatError when only a node knows it."""
        values = {next((one[name] for name in names if name in one), None) for one in self.readings}
        value = values.pop()
        if values or (value is not None and (MARKER in value or "$" in value)):
            raise FormatError(f"only a node knows the value of --{names[-1]}")
        return value


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a program reads in place of a file: `path` None for the file itself, and what flags override in it."""

    where: Locator = field(default_factory=Locator)
    path: str | None = None
    values: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    needs_file: bool = True


@dataclass(frozen=True, slots=True)
class _Program:
    """`overrides`: flags that count more than the file; `instead`: flags that count where no file is named."""

    unit: str
    name: str
    config: tuple[str, ...]
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


# kube-proxy takes its flags or a file, never both (cmd/kube-proxy/app/options.go); containerd's flags override its
# file (cmd/containerd/command/main.go: applyFlags)
_PROGRAMS = {
    "/etc/containerd/config.toml": _Program(
        "containerd.service", "containerd", ("c", "config"), {"address": ("grpc", "address"), "a": ("grpc", "address")}
    ),
    "/etc/kubernetes/kube-proxy/kube-proxy.conf": _Program(
        "kube-proxy.service", "kube-proxy", ("config",), instead={"metrics-bind-address": ("metricsBindAddress",)}
    ),
}


def read_elsewhere(tree: Tree, path: str, defaults: Defaults) -> Elsewhere:
    """Which file the program that owns a path really reads; FormatError when its command line is not understood."""
    program = _PROGRAMS.get(path)
    flags = None if program is None else unit_flags(tree, program.unit, program.name, defaults, single_dash=True)
    if program is None or flags is None:
        return Elsewhere()
    named = flags.value(*program.config)
    given = program.overrides if named is not None or not program.instead else program.instead
    values = {place: value for flag, place in given.items() if (value := flags.value(flag)) is not None}
    if named is None and program.instead:
        return Elsewhere(flags.where, "/nonexistent", values, needs_file=False)
    return Elsewhere(flags.where, named, values)


def unit_flags(tree: Tree, unit: str, program: str, defaults: Defaults, *, single_dash: bool) -> UnitFlags | None:
    """The flags of a unit's program, None when nothing starts it; FormatError when that cannot be told."""
    start = _start(tree, unit, defaults)
    if start is None:
        return None
    return UnitFlags(start.where, tuple(_parse(text, program, single_dash) for text in start.texts))


def _start(tree: Tree, unit: str, defaults: Defaults) -> _Start | None:
    """The unit with all its drop-ins, also those that a node makes from templates; None when nothing starts it."""
    parts = []
    for path in _parts(tree, unit, defaults):
        found, texts = made_file(tree, path, defaults)
        if found.state is State.UNREAD:
            raise FormatError(f"{path}: {found.reason}")
        if found.state is State.PRESENT and texts and b"ExecStart" in b"".join(texts):
            parts.append((found, texts))
    if not parts:
        return None
    texts = tuple(b"\n".join(texts[min(answer, len(texts) - 1)] for _, texts in parts) for answer in (0, 1))
    return _Start(parts[-1][0].where, tuple(dict.fromkeys(texts)))


def _parts(tree: Tree, unit: str, defaults: Defaults) -> Iterator[str]:
    """The paths of the unit and of its drop-ins, in the order in which systemd reads them."""
    made = [one.path for one in defaults.made_files]
    units = (f"{folder}/{unit}" for folder in FOLDERS)
    yield next((path for path in units if path in made or _is_there(tree, path)), f"{FOLDERS[0]}/{unit}")
    chosen: dict[str, str] = {}
    for folder in (f"{base}/{name}" for name in (f"{unit}.d", "service.d") for base in FOLDERS):
        listing = list_folder(tree, folder, suffix=".conf")
        if listing.reason:
            raise FormatError(f"{folder}: {listing.reason}")
        planned = tuple(posixpath.basename(path) for path in made if posixpath.dirname(path) == folder)
        for name in (*listing.names, *planned):
            chosen.setdefault(name, f"{folder}/{name}")
    yield from (chosen[name] for name in sorted(chosen))


def _is_there(tree: Tree, path: str) -> bool:
    return posixpath.basename(path) in list_folder(tree, posixpath.dirname(path)).names


def _parse(data: bytes, program: str, single_dash: bool) -> dict[str, str]:
    """Flags of ExecStart by name, `_` as `-`; a flag without a value is "true", of two the last counts."""
    flags: dict[str, str] = {}
    for command in all_values(parse_unit(data), "Service", "ExecStart"):
        try:
            words = shlex.split(command.value)
        except ValueError as error:
            raise FormatError(f"ExecStart: {error}", offset=command.offset) from error
        if not words or posixpath.basename(words[0].lstrip(_PREFIXES)) != program:
            raise FormatError(f"ExecStart starts {words[:1]}, not {program} itself", offset=command.offset)
        _read_words(words[1:], flags, single_dash)
    return flags


def _read_words(words: list[str], flags: dict[str, str], single_dash: bool) -> None:
    waiting = ""  # a flag whose value may follow
    for word in words:
        if word.startswith("--") or (single_dash and word.startswith("-")):
            name, equals, value = word.lstrip("-").partition("=")
            waiting = "" if equals else name.replace("_", "-")
            flags[name.replace("_", "-")] = value if equals else "true"
        elif word.startswith("$") and not (waiting and word.startswith("${")):
            raise FormatError(f"ExecStart: {word} may hold any flags")
        elif waiting and not word.startswith("-"):
            flags[waiting] = word
            waiting = ""
        else:
            waiting = ""
