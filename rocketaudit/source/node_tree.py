"""The root of a node as one tree: its protected file system, and over it what is mounted there and safe to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from rocketaudit.model.evidence import OUTSIDE
from rocketaudit.model.filesystem import BadNode, Extent, FileSystem, FileType, Node, Region
from rocketaudit.model.records import dataclass
from rocketaudit.source.directory import DirectoryFileSystem

_NUMBER_BITS = 48  # inode numbers of each part; the part's own number stands above them
# every name that a host's root has: what lies behind one that is not shown is unknown, not absent
TOP_NAMES = (
    "bin boot dev etc home lib lib64 local media mnt opt proc root run sbin srv sys tmp usr var "
    "x86_64-bottlerocket-linux-gnu aarch64-bottlerocket-linux-gnu"
)


@dataclass(frozen=True, slots=True)
class Graft:
    """What lies at a mount point: a file system to enter, or the reason why it is not entered.

    `outside`: it belongs to no operating system root (workloads, kernel interfaces), so rules do not miss it.
    """

    fs: FileSystem | None
    reason: str = ""
    outside: bool = False


@dataclass(frozen=True, slots=True)
class _Handle:
    part: int
    node: Node
    path: bytes


@dataclass(slots=True)
class NodeFileSystem:
    """A FileSystem over a base and grafts by absolute path; files of grafts are classified but never digested."""

    base: FileSystem
    grafts: Mapping[bytes, Graft]
    kind: str = "node"
    label: str = ""
    uuid: str = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    _parts: list[FileSystem] = field(default_factory=list)
    _index: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parts.append(self.base)
        for path, graft in self.grafts.items():
            if graft.fs is not None:
                self._index[path] = len(self._parts)
                self._parts.append(graft.fs)
        for point, fs in ((b"", self.base), *((path, graft.fs) for path, graft in self.grafts.items())):
            if isinstance(fs, DirectoryFileSystem):
                fs.leave_alone(self._closed_below(point))

    def _closed_below(self, point: bytes) -> frozenset[bytes]:
        """Paths below a mount that are not to be touched, relative to it: even asking for their mode may hang."""
        return frozenset(
            path[len(point) :]
            for path, graft in self.grafts.items()
            if graft.fs is None and path.startswith(point + b"/")
        )

    def root(self) -> Node:
        return self._wrap(0, self.base.root(), b"")

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        handle = _handle(directory)
        for name, node in self._parts[handle.part].entries(handle.node):
            yield name, self._shown(handle, name, node)

    def finder(self, directory: Node) -> Callable[[bytes], Node | BadNode | None] | None:
        """How one name is looked up in a part whose folders cannot be listed; None in all others."""
        handle = _handle(directory)
        finder = getattr(self._parts[handle.part], "finder", None)
        if finder is None:
            return None
        look = finder(handle.node)

        def find(name: bytes) -> Node | BadNode | None:
            node = look(name)
            return None if node is None else self._shown(handle, name, node)

        return find

    def _shown(self, handle: _Handle, name: bytes, node: Node | BadNode) -> Node | BadNode:
        """An entry of a part, or what is mounted over it."""
        path = handle.path + b"/" + name
        graft = self.grafts.get(path)
        if graft is None:
            return node if isinstance(node, BadNode) else self._wrap(handle.part, node, path)
        if graft.fs is not None:
            return self._wrap(self._index[path], graft.fs.root(), path)
        return BadNode(0, f"{OUTSIDE}{graft.reason}" if graft.outside else graft.reason)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        handle = _handle(node)
        return self._parts[handle.part].chunks(handle.node)

    def read(self, node: Node, offset: int, length: int) -> bytes:
        handle = _handle(node)
        return self._parts[handle.part].read(handle.node, offset, length)

    def target(self, node: Node) -> bytes:
        handle = _handle(node)
        return self._parts[handle.part].target(handle.node)

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        handle = _handle(node)
        return self._parts[handle.part].xattrs(handle.node)

    def extents(self, node: Node) -> Iterator[Extent]:
        handle = _handle(node)
        if handle.part:
            yield Extent(0, node.size, None, node.size)
        else:
            yield from self.base.extents(handle.node)

    def regions(self) -> Iterator[Region]:
        return self.base.regions()

    def is_private(self, node: Node) -> bool:
        """Whether the file lies on what users write: its bytes, and what is derived from all of them, stay here."""
        return _handle(node).part > 0

    def _wrap(self, part: int, node: Node, path: bytes) -> Node:
        if part:
            number = (part << _NUMBER_BITS) + (node.number & ((1 << _NUMBER_BITS) - 1))
            return node._replace(number=number, handle=_Handle(part, node, path))
        return node._replace(handle=_Handle(0, node, path))


def _handle(node: Node) -> _Handle:
    assert isinstance(node.handle, _Handle)
    return node.handle


@dataclass(slots=True)
class WithheldFileSystem:
    """Stands for a protected root that must not be read: the top folders are there, and say why they are not read.

    `points` are names of top folders at which something else is mounted.
    """

    reason: str
    points: frozenset[bytes] = frozenset()
    kind: str = "withheld"
    label: str = ""
    uuid: str = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def root(self) -> Node:
        return _made_folder(1)

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        names = {name.encode() for name in TOP_NAMES.split()} | self.points if directory.number == 1 else frozenset()
        for number, name in enumerate(sorted(names), 2):
            yield name, _made_folder(number) if name in self.points else BadNode(number, self.reason)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:  # noqa: ARG002 - nothing is here
        return iter(())

    def read(self, node: Node, offset: int, length: int) -> bytes:  # noqa: ARG002 - nothing is here
        return b""

    def target(self, node: Node) -> bytes:  # noqa: ARG002 - nothing is here
        return b""

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:  # noqa: ARG002 - nothing is here
        return ()

    def extents(self, node: Node) -> Iterator[Extent]:  # noqa: ARG002 - nothing is here
        return iter(())

    def regions(self) -> Iterator[Region]:
        return iter(())


def _made_folder(number: int) -> Node:
    return Node(number, FileType.DIRECTORY, 0o755, 0, 0, 0, 0, 0, 2, None, 0, None)
