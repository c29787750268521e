"""The mounted root of a node, as far as the kernel has already verified it: for where reading on could stop the node.

Folders are never listed, since that may read blocks. What is looked up by name is found where the kernel has it, and
what processes run is listed; everything else is said to be unread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.source.directory import node_of
from rocketaudit.source.resident import knows_link, look_up, open_file, read_held

PIECE = 1 << 20
NOT_PROVEN = "not read: the kernel has not verified it yet, and a bad block could restart the node"
_ATTRIBUTES = "attributes are not read: they may lie on blocks that the kernel has not verified yet"


class ProvenFileSystem:
    """A FileSystem over what the kernel holds of the mount at `path`; `top` are the names that every root has.

    `used` maps paths of files that processes use (without a slash in front) to their inode numbers: these are listed.
    """

    kind = "proven"
    label = ""
    uuid = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __init__(self, path: str, reason: str, top: frozenset[bytes], used: Mapping[bytes, int]) -> None:
        try:
            self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        self._reason = reason
        self._used = used
        self._listed: dict[bytes, set[bytes]] = {b"": set(top)}
        for name in used:
            parent, _, last = name.rpartition(b"/")
            self._listed.setdefault(parent, set()).add(last)
            while parent:
                parent, _, last = parent.rpartition(b"/")
                self._listed.setdefault(parent, set()).add(last)

    def close(self) -> None:
        os.close(self._root)

    def root(self) -> Node:
        return node_of(os.fstat(self._root), b"")

    def finder(self, directory: Node) -> Callable[[bytes], Node | BadNode | None]:
        """How one name of a directory is looked up; None means that the kernel knows that there is none."""
        return lambda name: self._find(_path(directory), name)

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """What is in use; then FormatError, since there may be more. Of the root: the names that every root has."""
        base = _path(directory)
        for name in sorted(self._listed.get(base, ())):
            node = self._find(base, name)
            path = _join(base, name)
            if isinstance(node, Node) and self._used.get(path, node.number) != node.number:
                continue  # of a container that has other files under the same names
            if node is not None:
                yield name, node
        if base:
            raise FormatError(self._reason)

    def _find(self, base: bytes, name: bytes) -> Node | BadNode | None:
        path = _join(base, name)
        try:
            handle = look_up(self._root, path)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return BadNode(0, NOT_PROVEN)
        except OSError as error:
            return BadNode(0, f"{error.strerror}")
        try:
            return node_of(os.fstat(handle), path)
        finally:
            os.close(handle)

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        with self._file(node) as handle:
            done = 0
            while done < node.size:
                piece = read_held(handle, done, min(PIECE, node.size - done))
                if not piece:
                    raise FormatError(f"{NOT_PROVEN} (the first {done} of {node.size} bytes are in memory)")
                done += len(piece)
                yield piece

    def read(self, node: Node, offset: int, length: int) -> bytes:
        wanted = max(0, min(length, node.size - offset))
        with self._file(node) as handle:
            parts: list[bytes] = []
            while wanted:
                piece = read_held(handle, offset, min(wanted, PIECE))
                if not piece:
                    raise FormatError(NOT_PROVEN)
                parts.append(piece)
                offset += len(piece)
                wanted -= len(piece)
        return b"".join(parts)

    def target(self, node: Node) -> bytes:
        """Asked of the kernel only right after it followed the link without the disk."""
        if not knows_link(self._root, _path(node)):
            raise FormatError(NOT_PROVEN)
        try:
            handle = look_up(self._root, _path(node))
        except OSError as error:
            raise FormatError(f"{error.strerror}") from error
        try:
            return os.readlink(b"", dir_fd=handle)
        except OSError as error:
            raise FormatError(f"{error.strerror}") from error
        finally:
            os.close(handle)

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:  # noqa: ARG002 - of no node
        raise FormatError(_ATTRIBUTES)

    def extents(self, node: Node) -> Iterator[Extent]:
        yield Extent(0, node.size, None, node.size)

    def regions(self) -> Iterator[Region]:
        return iter(())

    @contextmanager
    def _file(self, node: Node) -> Iterator[int]:
        if node.type is not FileType.REGULAR:
            raise FormatError(f"a {node.type}: not opened")
        try:
            handle = open_file(self._root, _path(node))
        except BlockingIOError as error:
            raise FormatError(NOT_PROVEN) from error
        except OSError as error:
            raise FormatError(f"{error.strerror}") from error
        try:
            if os.fstat(handle).st_ino != node.number:
                raise FormatError("was replaced while it was read")
            yield handle
        finally:
            os.close(handle)


def _join(base: bytes, name: bytes) -> bytes:
    return base + b"/" + name if base else name


def _path(node: Node) -> bytes:
    assert isinstance(node.handle, bytes)
    return node.handle
