"""A folder as a target: a mounted root, an unpacked root, the root file system of a node."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import TYPE_OF_MODE, BadNode, Extent, FileType, Node, Region
from rocketaudit.model.gap import Gap
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.source.tree import Tree

PIECE = 1 << 20
MAX_NAMES = 500_000  # in one folder: whoever fills a live one must not fill our memory
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOATIME
_FILE_ATIME = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryFileSystem:
    """The live tree below one folder, as a FileSystem: walked by descriptor, no link ever followed.

    A folder on another device is not entered unless `cross_devices`: it is listed with a BadNode that says so.
    `inside` is a folder below `path` to begin at, to which no link may lead.
    """

    kind = "directory"
    label = ""
    uuid = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __init__(self, path: str, *, cross_devices: bool = False, inside: str = "") -> None:
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        if inside:
            self._go_inside(path, inside)
        self._device = os.fstat(self._root).st_dev
        self._cross_devices = cross_devices
        self._left: frozenset[bytes] = frozenset()

    def leave_alone(self, paths: frozenset[bytes]) -> None:
        """Never touch these again (absolute below the root): they are listed as BadNodes."""
        self._left = paths

    def _go_inside(self, path: str, inside: str) -> None:
        try:
            if ".." in inside.split("/"):
                raise SourceError(f"{path}/{inside} leads out of {path}")
            with self._directory(os.fsencode(inside)) as handle:
                deeper = os.dup(handle)
        except OSError as error:
            raise SourceError(f"{path}/{inside} is no folder, or a link leads there: {error.strerror}") from error
        finally:
            os.close(self._root)
        self._root = deeper

    def close(self) -> None:
        os.close(self._root)

    def root(self) -> Node:
        return node_of(os.fstat(self._root), b"")

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        with self._guard(directory), self._directory(_path(directory)) as handle:
            for name in _names(handle):
                if _path(directory) + b"/" + name in self._left:
                    yield name, BadNode(0, "left alone")
                    continue
                try:
                    status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                except OSError as error:
                    yield name, BadNode(0, f"{error.strerror}")
                    continue
                if stat.S_ISDIR(status.st_mode) and status.st_dev != self._device and not self._cross_devices:
                    yield name, BadNode(status.st_ino, "another file system is mounted here; not entered")
                    continue
                yield name, node_of(status, _path(directory) + b"/" + name)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        with self._guard(node), self._file(node) as handle:
            left = node.size
            while left:
                piece = os.read(handle, min(left, PIECE))
                if not piece:
                    raise FormatError(f"the file shrank by {left} bytes while it was read")
                left -= len(piece)
                yield piece

    def read(self, node: Node, offset: int, length: int) -> bytes:
        with self._guard(node), self._file(node) as handle:
            return os.pread(handle, max(0, min(length, node.size - offset)), offset)

    def target(self, node: Node) -> bytes:
        parent, _, name = _path(node).rpartition(b"/")
        with self._guard(node), self._directory(parent) as handle:
            return os.readlink(name, dir_fd=handle)

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        parent, _, name = _path(node).rpartition(b"/")
        with self._guard(node), self._directory(parent) as handle:
            place = b"/proc/self/fd/%d/%s" % (handle, name or b".")
            names = os.listxattr(place, follow_symlinks=False)
            return tuple(sorted((os.fsencode(n), os.getxattr(place, n, follow_symlinks=False)) for n in names))

    def extents(self, node: Node) -> Iterator[Extent]:
        yield Extent(0, node.size, None, node.size)

    def regions(self) -> Iterator[Region]:
        return iter(())

    @contextmanager
    def _guard(self, node: Node) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FormatError(f"{os.fsdecode(_path(node)) or '/'}: {error.strerror}") from error

    @contextmanager
    def _directory(self, path: bytes) -> Iterator[int]:
        handle = os.dup(self._root)
        try:
            for part in path.split(b"/"):
                if part:
                    deeper = os.open(part, _DIRECTORY, dir_fd=handle)
                    os.close(handle)
                    handle = deeper
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _file(self, node: Node) -> Iterator[int]:
        parent, _, name = _path(node).rpartition(b"/")
        if node.type is not FileType.REGULAR:
            raise FormatError(f"{os.fsdecode(_path(node))} is a {node.type}: not opened")
        with self._directory(parent) as directory:
            handle = _open_quietly(name, directory)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_ino != node.number:
                raise FormatError(f"{os.fsdecode(_path(node))} was replaced while it was read")
            yield handle
        finally:
            os.close(handle)


def _names(handle: int) -> list[bytes]:
    with os.scandir(handle) as listing:
        names = [os.fsencode(entry.name) for entry in islice(listing, MAX_NAMES + 1)]
    if len(names) > MAX_NAMES:
        raise FormatError(f"a folder of more than {MAX_NAMES} entries")
    return sorted(names)


def _open_quietly(name: bytes, directory: int) -> int:
    try:
        return os.open(name, _FILE, dir_fd=directory)
    except PermissionError:  # O_NOATIME is only for the owner
        return os.open(name, _FILE_ATIME, dir_fd=directory)


def _path(node: Node) -> bytes:
    assert isinstance(node.handle, bytes)
    return node.handle


def node_of(status: os.stat_result, path: bytes) -> Node:
    """What the kernel says of a file, with its path below the tree's root as the handle."""
    kind = TYPE_OF_MODE.get(stat.S_IFMT(status.st_mode), FileType.UNKNOWN)
    seconds, nanoseconds = divmod(status.st_mtime_ns, 1_000_000_000)
    device = kind in (FileType.CHARACTER, FileType.BLOCK)
    return Node(
        number=status.st_ino,
        type=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind in (FileType.REGULAR, FileType.SYMLINK) else 0,
        mtime=seconds,
        mtime_ns=nanoseconds,
        nlink=status.st_nlink,
        rdev=(os.major(status.st_rdev), os.minor(status.st_rdev)) if device else None,
        order=status.st_ino,
        handle=path,
    )


class DirectorySource:
    """A folder, opened as a Source with one tree of scope "root"."""

    judged = "root"
    disk = None
    gaps: tuple[Gap, ...] = ()

    def __init__(self, path: str, budget: Budget, *, cross_devices: bool = False) -> None:
        self._fs = DirectoryFileSystem(path, cross_devices=cross_devices)
        self.budget = budget
        self.target = Target(name=Path(path).name or "/", kind=TargetKind.DIRECTORY, container="directory")
        self.trees = (Tree("root", "root", self._fs, self.target.name),)

    def close(self) -> None:
        self._fs.close()
