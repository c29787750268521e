"""Reading configuration for collectors: a file or a folder is there, is not there, or could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Coverage
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.filesystem import BadNode, FileType
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

MAX_CONFIG = 4 << 20
MAX_FACTS = 20_000  # of one collector in one tree: a target with more is hostile or broken
FACTORY = "/usr/share/factory"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file as a collector found it; `data` is b"" unless present."""

    path: str
    state: State
    where: Locator
    data: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory's names in order; `reason` says why it could not be (fully) listed, "" when it was or is absent."""

    path: str
    names: tuple[str, ...] = ()
    reason: str = ""


def root_trees(source: Source) -> tuple[Tree, ...]:
    """The trees that hold an operating system: banks, a folder, a node's root; not boot or data partitions."""
    return tuple(
        tree
        for tree in source.trees
        if tree.scope == source.judged or tree.scope.startswith("bank-") or tree.scope in ("root", "node")
    )


def read_config(tree: Tree, path: str, limit: int = MAX_CONFIG) -> ConfigFile:
    """A regular file with links followed inside the tree; never raises for what the tree holds."""
    where = tree.locate(path)
    try:
        found, _ = tree.lookup(path)
        where = tree.locate(found)
        return ConfigFile(found, State.PRESENT, where, tree.read(found, limit))
    except EntryNotFoundError:
        return ConfigFile(path, State.ABSENT, where)
    except (SourceError, FormatError, OSError, ValueError) as error:
        return ConfigFile(path, State.UNREAD, where, reason=str(error))


def first_config(tree: Tree, *paths: str) -> ConfigFile:
    """The first of several places that is not absent; the last one when all are."""
    found = ConfigFile("", State.ABSENT, Locator())
    for path in paths:
        found = read_config(tree, path)
        if found.state is not State.ABSENT:
            return found
    return found


def link_target(tree: Tree, path: str) -> str | None:
    """What a symbolic link says; None for everything else, and where there is nothing."""
    try:
        _, node = tree.lookup(path, follow=False)
        return bytepath.encode(tree.fs.target(node)) if node.type is FileType.SYMLINK else None
    except (SourceError, FormatError, OSError, ValueError):
        return None


def list_folder(tree: Tree, path: str, *, suffix: str = "") -> Folder:
    """The names of a directory that end in `suffix`; an absent directory is an empty one."""
    try:
        entries = tree.list(path)
    except EntryNotFoundError:
        return Folder(path)
    except (SourceError, FormatError, OSError, ValueError) as error:
        return Folder(path, (), str(error))
    names = tuple(name for name, _ in entries if name.endswith(suffix))
    bad = [f"{name}: {node.reason}" for name, node in entries if isinstance(node, BadNode)]
    return Folder(path, names, "; ".join(bad))


def list_folders(tree: Tree, path: str) -> tuple[str, ...]:
    """The names of the directories below a directory; empty when it is absent or unreadable."""
    try:
        entries = tree.list(path)
    except (SourceError, FormatError, OSError, ValueError):
        return ()
    kinds = (FileType.DIRECTORY,)
    return tuple(name for name, node in entries if not isinstance(node, BadNode) and node.type in kinds)


def drop_ins(tree: Tree, folders: tuple[str, ...], suffix: str = ".conf") -> tuple[ConfigFile, ...]:
    """Configuration files in the order of systemd: by name over all folders, of equal names the first folder's.

    An unreadable folder is one unread file at the start: what it holds might come anywhere.
    """
    chosen: dict[str, str] = {}
    files: list[ConfigFile] = []
    for folder in folders:
        listing = list_folder(tree, folder, suffix=suffix)
        if listing.reason:
            files.append(ConfigFile(folder, State.UNREAD, tree.locate(folder), reason=listing.reason))
        for name in listing.names:
            chosen.setdefault(name, folder)
    files.extend(read_config(tree, f"{chosen[name]}/{name}") for name in sorted(chosen))
    return tuple(files)


class _Asks(Protocol):
    @property
    def keys(self) -> tuple[Key, ...]: ...


def wanted(wants: _Asks, namespace: str) -> Iterator[Key]:
    """The keys of a namespace that this run asks for."""
    return (key for key in wants.keys if key.namespace == namespace)


@dataclass(frozen=True, slots=True)
class Facts:
    """Makes the facts of one tree and plane."""

    tree: Tree
    plane: Plane = Plane.STATIC

    def present(self, key: Key, value: JsonValue, where: Locator) -> Fact:
        return Fact(key, self.plane, State.PRESENT, where, value, scope=self.tree.scope)

    def absent(self, key: Key, where: Locator) -> Fact:
        return Fact(key, self.plane, State.ABSENT, where, scope=self.tree.scope)

    def unread(self, key: Key, where: Locator, reason: str) -> Fact:
        return Fact(key, self.plane, State.UNREAD, where, reason=reason, scope=self.tree.scope)

    def covers(self, pattern: str) -> Coverage:
        return Coverage(self.plane, self.tree.scope, pattern)

    def of_file(self, key: Key, found: ConfigFile) -> Fact:
        """What a file that is absent or unread says about a key."""
        if found.state is State.UNREAD:
            return self.unread(key, found.where, found.reason)
        return self.absent(key, found.where)


def at(where: Locator, offset: int) -> Locator:
    """The place of a byte in a file."""
    return Locator(where.source, where.partition, where.path, offset, where.digest)
