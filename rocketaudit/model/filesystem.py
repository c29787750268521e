"""What every file-system reader gives: nodes, their bytes, and where those bytes lie on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol

from rocketaudit.model.records import dataclass

MAX_LINKS = 40  # as the kernel: include/linux/namei.h MAXSYMLINKS


class FileType(StrEnum):
    REGULAR = "regular"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER = "character"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"
    UNKNOWN = "unknown"


# S_IFMT values of include/uapi/linux/stat.h
TYPE_OF_MODE = {
    0o100000: FileType.REGULAR,
    0o040000: FileType.DIRECTORY,
    0o120000: FileType.SYMLINK,
    0o020000: FileType.CHARACTER,
    0o060000: FileType.BLOCK,
    0o010000: FileType.FIFO,
    0o140000: FileType.SOCKET,
}


class Node(NamedTuple):
    """One inode as its file system states it; `number` is unique within the file system.

    A named tuple, since a listing consists of making them, and `tuple.__new__` makes one in half the time.
    `mode` holds the permission bits only (0o7777); `mtime` is seconds since 1970 and may be negative.
    `order` sorts files by where their first data byte lies; `handle` is the reader's own.
    """

    number: int
    type: FileType
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    mtime_ns: int
    nlink: int
    rdev: tuple[int, int] | None
    order: int
    handle: object


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes of a file from `logical` on lie at `physical` (None: a hole, or inside metadata).

    `stored` is the number of bytes they take there; it differs from `length` when they are compressed.
    """

    logical: int
    length: int
    physical: int | None
    stored: int


@dataclass(frozen=True, slots=True)
class Region:
    """A byte range that holds no file data: `what` names it ("inode table", "directory /usr")."""

    start: int
    length: int
    what: str


@dataclass(frozen=True, slots=True)
class BadNode:
    """A directory entry whose inode could not be read; `reason` says why."""

    number: int
    reason: str


class FileSystem(Protocol):
    """A read-only file system over a Reader; for hostile bytes every method raises FormatError only."""

    kind: str  # "ext4", "erofs", "fat", "squashfs"
    label: str
    uuid: str
    features: tuple[str, ...]
    warnings: tuple[str, ...]  # what was odd but survivable ("needs_recovery", "bad superblock checksum")

    def root(self) -> Node: ...

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """Names (bytes, without "." and "..") and nodes of one directory, in on-disk order."""
        ...

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        """The file's bytes in order, holes as zeros in pieces of at most 4 MiB; exactly `node.size` bytes."""
        ...

    def read(self, node: Node, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` (fewer only at the end of the file)."""
        ...

    def target(self, node: Node) -> bytes:
        """The target of a symbolic link."""
        ...

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        """(full name such as b"security.selinux", value), sorted by name."""
        ...

    def extents(self, node: Node) -> Iterator[Extent]:
        """Where the file's bytes lie, in logical order, holes included."""
        ...

    def regions(self) -> Iterator[Region]:
        """Ranges of metadata, for naming what a bad block held; not necessarily complete."""
        ...
