"""One entry of a file tree, as its file system states it."""

from __future__ import annotations

from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class FileCapability:
    """security.capability, decoded (include/uapi/linux/capability.h)."""

    permitted: tuple[str, ...]
    inheritable: tuple[str, ...]
    effective: bool
    root_id: int | None = None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """`path` is absolute BytePath text within `scope`; `mode` the permission bits (0o7777).

    `sha256` is None for what is not a regular file, and where reading failed: then `unread` says why.
    `content` is "elf", "script", "" (nothing that we name) or "image" (a disk image inside the tree).
    `interpreter` is the program of a `#!` line. `xattrs` maps names to base64 text of the value. `inode` is
    the number in the image's file system, 0 in a folder of the host.
    """

    scope: str
    path: str
    type: FileType
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    nlink: int = 1
    inode: int = 0
    target: str | None = None
    rdev: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, str], ...] = ()
    selinux: str | None = None
    capability: FileCapability | None = None
    sha256: str | None = None
    sha512: str | None = None
    content: str = ""
    interpreter: str | None = None
    unread: str | None = None

    @property
    def is_setuid(self) -> bool:
        return self.type is FileType.REGULAR and bool(self.mode & 0o4000)

    @property
    def is_setgid(self) -> bool:
        return self.type is FileType.REGULAR and bool(self.mode & 0o2000)

    @property
    def is_executable(self) -> bool:
        return self.type is FileType.REGULAR and bool(self.mode & 0o111)
