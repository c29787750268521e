"""Kernel modules: which can be loaded, which are built in, and what modprobe.d says of them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import (
    FACTORY,
    MAX_CONFIG,
    MAX_FACTS,
    Facts,
    at,
    drop_ins,
    list_folders,
    read_config,
    root_trees,
    wanted,
)
from rocketaudit.evidence.running import running_node
from rocketaudit.formats.modprobe_conf import parse_modprobe_conf, plain_module
from rocketaudit.formats.modules_dep import module_name, parse_modules_builtin, parse_modules_dep
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.filesystem import BadNode, FileType
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

MODPROBE_FOLDERS = (
    "/etc/modprobe.d",
    f"{FACTORY}/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
)
MODULE_FOLDERS = ("/usr/lib/modules", "/lib/modules")
MAX_FOLDERS = 20_000
LOADABLE, BUILT_IN, UNLISTED, LOADED = (
    Key("modules", (name,)) for name in ("loadable", "built_in", "unlisted", "loaded")
)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    asked = tuple(key.subject[0] for key in wanted(wants, "modprobe"))
    for tree in root_trees(source):
        facts = Facts(tree)
        yield from _modprobe(facts, tree, asked)
        yield from _modules(facts, tree)


def _modprobe(facts: Facts, tree: Tree, asked: tuple[str, ...]) -> Iterator[Seen]:
    complete = True
    seen: dict[Key, Seen] = {}
    for found in drop_ins(tree, MODPROBE_FOLDERS):
        try:
            if found.state is State.UNREAD:
                raise FormatError(found.reason)
            lines = parse_modprobe_conf(found.data)
        except FormatError as error:
            complete = False
            yield facts.unread(Key("modprobe", (found.path,), "file"), found.where, str(error))
            continue
        for line in lines:
            if line.command in ("install", "blacklist", "options"):
                # libkmod takes the first command that it meets, and its names may be globs
                for name in {line.module, *(one for one in asked if fnmatchcase(one, line.module))}:
                    key = Key("modprobe", (name,), line.command)
                    seen.setdefault(key, facts.present(key, line.value, at(found.where, line.offset)))
    yield from list(seen.values())[:MAX_FACTS]
    if complete:
        yield facts.covers("modprobe:*")


def kernel_folders(tree: Tree) -> tuple[str, ...]:
    """The folders of the installed kernels."""
    for base in MODULE_FOLDERS:
        names = list_folders(tree, base)
        if names:
            return tuple(f"{base}/{name}" for name in names)
    return ()


def _modules(facts: Facts, tree: Tree) -> Iterator[Seen]:
    loadable: dict[str, str] = {}
    built_in: set[str] = set()
    files: dict[str, str] = {}
    where = tree.locate(MODULE_FOLDERS[0])
    try:
        for folder in _existing(tree):
            listed = read_config(tree, f"{folder}/modules.dep", 4 * MAX_CONFIG)
            internal = read_config(tree, f"{folder}/modules.builtin", MAX_CONFIG)
            for found in (listed, internal):
                if found.state is State.UNREAD:
                    raise FormatError(f"{found.path}: {found.reason}")
            files.update(_module_files(tree, folder))
            loadable.update(parse_modules_dep(listed.data))
            built_in.update(parse_modules_builtin(internal.data))
            where = listed.where
    except (FormatError, SourceError, OSError) as error:
        for key in (LOADABLE, BUILT_IN, UNLISTED):
            yield facts.unread(key, where, str(error))
        return
    unlisted = tuple(sorted(path for path, name in files.items() if name not in loadable))
    names = sorted({*loadable, *files.values()})
    yield facts.present(LOADABLE, tuple(names), where)
    yield facts.present(BUILT_IN, tuple(sorted(built_in)), where)
    yield facts.present(UNLISTED, unlisted[:MAX_FACTS], where)


def _existing(tree: Tree) -> tuple[str, ...]:
    """As `kernel_folders`, but a folder of modules that cannot be listed is an error, not an empty one."""
    for base in MODULE_FOLDERS:
        try:
            entries = tree.list(base)
        except EntryNotFoundError:
            continue
        for name, node in entries:
            if isinstance(node, BadNode):
                raise FormatError(f"{base}/{name}: {node.reason}")
        return tuple(
            f"{base}/{name}" for name, n in entries if not isinstance(n, BadNode) and n.type is FileType.DIRECTORY
        )
    return ()


def _module_files(tree: Tree, folder: str) -> dict[str, str]:
    """Paths of module files to module names; a damaged folder is an error, since it may hide any module."""
    found: dict[str, str] = {}
    place, start = tree.lookup(folder)
    pending = [(place, start)]
    folders = 0
    while pending:
        path, node = pending.pop()
        folders += 1
        if folders > MAX_FOLDERS:
            raise FormatError(f"more than {MAX_FOLDERS} folders below {folder}")
        for raw, child in tree.fs.entries(node):
            name = f"{path}/{bytepath.encode(raw)}"
            if isinstance(child, BadNode):
                raise FormatError(f"{name}: {child.reason}")
            if child.type is FileType.DIRECTORY:
                pending.append((name, child))
            elif child.type is FileType.REGULAR and module_name(name):
                found[name] = module_name(name)
    return found


def _collect_running(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    """Modules that are loaded now, and how the kernel says it was tainted."""
    node = running_node(source)
    if node is None:
        return
    proc = node.node.places.proc
    seen = node.read(proc / "modules")
    names = sorted(plain_module(line.split()[0]) for line in seen.text.splitlines() if line.strip())
    yield node.of(LOADED, seen, tuple(names)[:MAX_FACTS])
    tainted = node.read(proc / "sys/kernel/tainted")
    yield node.of(Key("kernel", ("tainted",)), tainted, tainted.text)


STATIC = Collector("kernel_modules", Plane.STATIC, ("modprobe:*", "modules:*"), _collect)
RUNTIME = Collector("kernel_modules", Plane.RUNTIME, ("modules:loaded", "kernel:tainted"), _collect_running)
