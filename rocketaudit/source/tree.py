"""One file tree of a target, walked and read without ever leaving it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import islice
from typing import NamedTuple

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.model import bytepath
from rocketaudit.model.budget import Budget
from rocketaudit.model.fact import Locator
from rocketaudit.model.filesystem import MAX_LINKS, BadNode, FileSystem, FileType, Node
from rocketaudit.model.records import dataclass

MAX_READ = 16 << 20
_NO_NAMES = frozenset((b"", b".", b".."))
_DIRECTORY = FileType.DIRECTORY  # looking a member up in its enum takes as long as the rest of a test
_NEW = tuple.__new__
_BATCH = 512  # entries that are looked at together
MAX_KEPT = 4096  # directories whose entries are kept


class Entry(NamedTuple):
    """One step of a walk: an absolute path (bytes) and its node, or why the node could not be read."""

    path: bytes
    node: Node | BadNode


class WalkGap(NamedTuple):
    """A directory whose entries could not be (fully) listed."""

    path: bytes
    reason: str


def _are_possible(names: set[bytes]) -> bool:
    text = b"\0".join(names)
    return b"/" not in text and text.count(b"\0") == max(0, len(names) - 1) and names.isdisjoint(_NO_NAMES)


def _checked(base: bytes, name: bytes, node: Node | BadNode, names: set[bytes]) -> Entry | WalkGap:
    """One entry beside those `names` that came before it, which it joins."""
    if name in names:
        return WalkGap(base + b"/" + name, "two entries with the same name")
    if b"/" in name or b"\0" in name or name in _NO_NAMES:
        return WalkGap(base or b"/", f"an entry with the impossible name {name!r}")
    names.add(name)
    return Entry(base + b"/" + name, node)


@dataclass(frozen=True, slots=True)
class Tree:
    """A file system under a scope; `name` is the partition's (or folder's) name for locators."""

    scope: str
    name: str
    fs: FileSystem
    source: str = ""
    _names: dict[int, dict[bytes, Node | BadNode]] = field(default_factory=dict, repr=False, compare=False)

    def locate(self, path: str, offset: int | None = None) -> Locator:
        """The place of a BytePath in this tree."""
        return Locator(self.source, self.name, path, offset)

    def walk(self, budget: Budget, start: tuple[bytes, Node] | None = None) -> Iterator[Entry | WalkGap]:
        """Every entry below the root, parents first; a damaged directory gives a WalkGap and the walk goes on.

        `start` is (path without a slash at its end, node) of a directory to begin at instead of the root.
        BudgetError when the scan's own bound is reached, since no other directory could be listed either.
        """
        base, root = start or (b"", self.fs.root())
        yield Entry(base or b"/", root)
        pending: list[tuple[bytes, Node, int]] = [(base, root, 0)]
        seen = {root.number}
        while pending:
            base, directory, depth = pending.pop()
            for batch in self._batches(base, directory, budget):
                yield from batch
                for path, node in batch:
                    # the type first: a listing consists of this loop, and most entries are files
                    if type(node) is not Node or node.type is not _DIRECTORY:
                        continue
                    if node.number in seen:
                        yield WalkGap(path, "a directory that was already walked under another name (loop)")
                    elif depth + 1 > budget.max_depth:
                        yield WalkGap(path, f"nested deeper than {budget.max_depth} levels")
                    else:
                        seen.add(node.number)
                        budget.hold(len(path))
                        pending.append((path, node, depth + 1))

    def _batches(self, base: bytes, directory: Node, budget: Budget) -> Iterator[list[Entry | WalkGap]]:
        """The entries of one directory, some at a time; names that no file can have and doubles are gaps."""
        entries: Iterator[tuple[bytes, Node | BadNode]] | None = None
        names: set[bytes] = set()
        prefix = base + b"/"
        is_last = False
        while not is_last:
            found: list[tuple[bytes, Node | BadNode]] = []
            error: FormatError | OSError | None = None
            try:
                entries = entries or self.fs.entries(directory)
                found.extend(islice(entries, _BATCH))  # what came before an error stays
                budget.enter(len(found))
                budget.check_time()
            except (FormatError, OSError) as caught:
                error = caught
            fresh = {name for name, _ in found}
            if len(fresh) == len(found) and fresh.isdisjoint(names) and _are_possible(fresh):
                yield [_NEW(Entry, (prefix + name, node)) for name, node in found]
            else:
                yield [_checked(base, name, node, names) for name, node in found]
            is_last = len(found) < _BATCH or error is not None
            if not is_last:
                names |= fresh
            if error is not None:
                yield [WalkGap(base or b"/", str(error))]
                budget.check()

    def lookup(self, path: str, *, follow: bool = True) -> tuple[str, Node]:
        """(path without links, node) of a BytePath, links resolved inside the tree.

        EntryNotFoundError when nothing is there, SourceError for a loop of links, FormatError for damage.
        """
        pending = [part for part in bytepath.decode(path).split(b"/") if part and part != b"."][::-1]
        trail: list[tuple[bytes, Node]] = [(b"", self.fs.root())]
        links = 0
        while pending:
            part = pending.pop()
            if part == b"..":
                if len(trail) > 1:
                    trail.pop()
                continue
            node = self._child(trail, part, path)
            if node.type is FileType.SYMLINK and (pending or follow):
                links += 1
                if links > MAX_LINKS:
                    raise SourceError(f"{path}: more than {MAX_LINKS} symbolic links in {self.name}")
                target = self.fs.target(node)
                if target.startswith(b"/"):
                    del trail[1:]
                pending.extend([p for p in target.split(b"/") if p and p != b"."][::-1])
                continue
            trail.append((part, node))
        found = b"/" + b"/".join(name for name, _ in trail[1:])
        return bytepath.encode(found), trail[-1][1]

    def _child(self, trail: list[tuple[bytes, Node]], name: bytes, path: str) -> Node:
        directory = trail[-1][1]
        node = self._named(directory, name) if directory.type is FileType.DIRECTORY else None
        if isinstance(node, BadNode):
            raise FormatError(f"{path}: inode {node.number} of {self.name}: {node.reason}")
        if node is None:
            raise EntryNotFoundError(f"{path} does not exist in {self.name}")
        return node

    def _named(self, directory: Node, name: bytes) -> Node | BadNode | None:
        """One entry; of a file system whose folders cannot be listed by its own look-up."""
        finder: Callable[[Node], Callable[[bytes], Node | BadNode | None] | None] | None
        finder = getattr(self.fs, "finder", None)
        find = None if finder is None else finder(directory)
        return self._entries(directory).get(name) if find is None else find(name)

    def _entries(self, directory: Node) -> dict[bytes, Node | BadNode]:
        """The first entry of each name; kept, since look-ups pass the same directories again and again."""
        known = self._names.get(directory.number)
        if known is None:
            known = {}
            for name, node in self.fs.entries(directory):
                known.setdefault(name, node)
            if len(self._names) >= MAX_KEPT:
                self._names.clear()
            self._names[directory.number] = known
        return known

    def list(self, path: str) -> list[tuple[str, Node | BadNode]]:
        """(name as BytePath text, node) of a directory, sorted by name; errors as `lookup`."""
        _, node = self.lookup(path)
        if node.type is not FileType.DIRECTORY:
            raise EntryNotFoundError(f"{path} is no directory in {self.name}")
        return sorted(
            ((bytepath.encode(name), child) for name, child in self._entries(node).items()), key=lambda e: e[0]
        )

    def read(self, path: str, limit: int = MAX_READ) -> bytes:
        """The bytes of a regular file; errors as `lookup`, and SourceError for another type or more than `limit`."""
        _, node = self.lookup(path)
        if node.type is not FileType.REGULAR:
            raise SourceError(f"{path} is a {node.type}, not a regular file, in {self.name}")
        if node.size > limit:
            raise SourceError(f"{path} has {node.size} bytes in {self.name}; at most {limit} are read")
        return self.fs.read(node, 0, node.size)
