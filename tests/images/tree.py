"""A file tree as a value: what an image shall hold, and at the same time the manifest it is compared with."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

EPOCH = 1_790_000_000  # 2026-09-21: every file, file system and partition table carries this time


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree. `content` is bytes at hand or the host file that holds them; only regular files have it."""

    path: bytes  # absolute, "/" is the root
    mode: int  # with the S_IFMT bits
    uid: int = 0
    gid: int = 0
    mtime: int = EPOCH
    content: bytes | Path = b""
    target: bytes = b""
    rdev: tuple[int, int] | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    link_of: bytes | None = None  # a hard link to that path

    @property
    def size(self) -> int:
        if stat.S_ISLNK(self.mode):
            return len(self.target)
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    @property
    def sha256(self) -> str | None:
        """The digest of a regular file, None for everything else."""
        if not stat.S_ISREG(self.mode):
            return None
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        with self.content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def bytes(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass(slots=True)
class Tree:
    """Entries by path, parents first when iterated; parents that are missing are made on the way."""

    entries: dict[bytes, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.entries.setdefault(b"/", Entry(b"/", stat.S_IFDIR | 0o755))

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self.entries.values(), key=lambda entry: entry.path.split(b"/")))

    def __contains__(self, path: str) -> bool:
        return os.fsencode(path) in self.entries

    def __getitem__(self, path: str) -> Entry:
        return self.entries[os.fsencode(path)]

    def put(self, entry: Entry) -> None:
        """Add or replace one entry."""
        parent = entry.path.rpartition(b"/")[0] or b"/"
        if parent not in self.entries:
            self.directory(os.fsdecode(parent))
        self.entries[entry.path] = entry

    def directory(self, *paths: str, mode: int = 0o755) -> None:
        for path in paths:
            self.put(Entry(os.fsencode(path), stat.S_IFDIR | mode))

    def file(self, path: str, content: bytes | str | Path, *, mode: int = 0o644) -> None:
        if isinstance(content, str):
            content = content.encode()
        self.put(Entry(os.fsencode(path), stat.S_IFREG | mode, content=content))

    def link(self, path: str, target: str) -> None:
        self.put(Entry(os.fsencode(path), stat.S_IFLNK | 0o777, target=os.fsencode(target)))

    def hard_link(self, path: str, existing: str) -> None:
        first = self[existing]
        self.put(
            Entry(
                os.fsencode(path),
                first.mode,
                first.uid,
                first.gid,
                first.mtime,
                first.content,
                xattrs=first.xattrs,
                link_of=first.path,
            )
        )

    def remove(self, path: str) -> None:
        """Remove a path and all below it."""
        key = os.fsencode(path)
        for each in [name for name in self.entries if name == key or name.startswith(key + b"/")]:
            del self.entries[each]

    def add_folder(self, folder: Path, into: str = "") -> None:
        """Copy a host folder's files and links (not owners or times) below `into`."""
        for path in sorted(folder.rglob("*")):
            name = f"{into}/{path.relative_to(folder)}"
            if path.is_symlink():
                self.link(name, os.readlink(path))
            elif path.is_dir():
                self.directory(name)
            elif path.is_file():
                self.file(name, path, mode=0o755 if path.stat().st_mode & 0o111 else 0o644)

    def total_bytes(self) -> int:
        return sum(entry.size for entry in self if stat.S_ISREG(entry.mode) and entry.link_of is None)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a reader must report of one path; `mode` holds the permission bits only."""

    path: bytes
    type: str  # values of rocketaudit.model.filesystem.FileType
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    sha256: str | None
    target: bytes
    rdev: tuple[int, int] | None
    xattrs: tuple[tuple[bytes, bytes], ...]
    link_of: bytes | None

    @classmethod
    def of(cls, entry: Entry) -> Expected:
        return cls(
            entry.path,
            TYPE_NAMES[stat.S_IFMT(entry.mode)],
            stat.S_IMODE(entry.mode),
            entry.uid,
            entry.gid,
            0 if stat.S_ISDIR(entry.mode) else entry.size,
            entry.mtime,
            entry.sha256,
            entry.target,
            entry.rdev,
            tuple(sorted(entry.xattrs)),
            entry.link_of,
        )


TYPE_NAMES: Mapping[int, str] = {
    stat.S_IFREG: "regular",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def manifest_of(tree: Tree) -> tuple[Expected, ...]:
    """One record per path, parents first. The size of a directory is its file system's own business: 0 here."""
    return tuple(Expected.of(entry) for entry in tree)
