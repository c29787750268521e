"""A target made of values: files, links and errors under names, for tests and for a rule's own examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import DiskSummary
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.model.gap import Gap
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.source.tree import Tree

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """One path of the tree. `error` set: a directory cannot be listed, a file not read, for that reason."""

    content: bytes = b""
    type: FileType = FileType.REGULAR
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: bytes = b""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    rdev: tuple[int, int] | None = None
    error: str = ""


def file(content: bytes | str = b"", *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Made:
    """A regular file."""
    return Made(content.encode() if isinstance(content, str) else content, FileType.REGULAR, mode, *owner)


def folder(*, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Made:
    """A directory; parents of other paths are made without asking."""
    return Made(b"", FileType.DIRECTORY, mode, *owner)


def link(target: str) -> Made:
    """A symbolic link."""
    return Made(type=FileType.SYMLINK, mode=0o777, target=target.encode())


def broken(reason: str, *, kind: FileType = FileType.REGULAR) -> Made:
    """A path that exists and whose bytes (or entries) cannot be read."""
    return Made(b"?" if kind is FileType.REGULAR else b"", kind, mode=0o755, error=reason)


@dataclass(slots=True)
class MemoryFileSystem:
    """A FileSystem over a mapping from absolute paths to what lies there; a str or bytes value is a file."""

    paths: Mapping[str, Made | str | bytes]
    kind: str = "memory"
    label: str = ""
    uuid: str = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    _made: dict[bytes, Made] = field(default_factory=dict)
    _children: dict[bytes, list[bytes]] = field(default_factory=dict)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made[b"/"] = folder()
        for name, what in self.paths.items():
            path = name.encode("utf-8", "surrogateescape").rstrip(b"/") or b"/"
            if not path.startswith(b"/"):
                raise ValueError(f"a path must be absolute: {name!r}")
            self._made[path] = what if isinstance(what, Made) else file(what)
            parent = path.rpartition(b"/")[0]
            while parent and parent not in self._made:
                self._made[parent] = folder()
                parent = parent.rpartition(b"/")[0]
        for number, path in enumerate(self._made, 1):
            self._numbers[path] = number
            if path != b"/":
                self._children.setdefault(path.rpartition(b"/")[0] or b"/", []).append(path)

    def root(self) -> Node:
        return self._node(b"/")

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        path = _path(directory)
        if self._made[path].error:
            raise FormatError(self._made[path].error)
        for child in self._children.get(path, ()):
            yield child.rpartition(b"/")[2], self._node(child)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        for start in range(0, node.size, _PIECE):
            yield self.read(node, start, _PIECE)
        if self._made[_path(node)].error:
            raise FormatError(self._made[_path(node)].error)

    def read(self, node: Node, offset: int, length: int) -> bytes:
        made = self._made[_path(node)]
        if made.error:
            raise FormatError(made.error)
        return made.content[offset : offset + length]

    def target(self, node: Node) -> bytes:
        return self._made[_path(node)].target

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(sorted(self._made[_path(node)].xattrs))

    def extents(self, node: Node) -> Iterator[Extent]:
        yield Extent(0, node.size, None, node.size)

    def regions(self) -> Iterator[Region]:
        return iter(())

    def _node(self, path: bytes) -> Node:
        made = self._made[path]
        size = len(made.target) if made.type is FileType.SYMLINK else len(made.content)
        return Node(
            number=self._numbers[path],
            type=made.type,
            mode=made.mode,
            uid=made.uid,
            gid=made.gid,
            size=size,
            mtime=0,
            mtime_ns=0,
            nlink=1,
            rdev=made.rdev,
            order=self._numbers[path],
            handle=path,
        )


def _path(node: Node) -> bytes:
    assert isinstance(node.handle, bytes)
    return node.handle


@dataclass(slots=True)
class MemorySource:
    """An opened target whose trees are values: {scope: {path: content}}; the first scope is the judged one."""

    roots: Mapping[str, Mapping[str, Made | str | bytes]]
    target: Target = field(default_factory=lambda: Target("memory", TargetKind.DIRECTORY, "directory"))
    judged: str = ""
    disk: DiskSummary | None = None
    gaps: tuple[Gap, ...] = ()
    budget: Budget = field(default_factory=Budget)
    trees: tuple[Tree, ...] = ()

    def __post_init__(self) -> None:
        self.trees = tuple(
            Tree(scope, scope, MemoryFileSystem(paths), self.target.name) for scope, paths in self.roots.items()
        )
        self.judged = self.judged or next(iter(self.roots), "")

    def close(self) -> None:
        """Nothing is held open."""
