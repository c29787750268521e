"""Where a node's files, processes, devices and API are seen from, so that tests can put them anywhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rocketaudit.errors import SourceError
from rocketaudit.model.records import dataclass
from rocketaudit.source.kernel_files import is_genuine

MAX_TEXT = 1 << 20
NODE = "node"  # the scope of what runs here
ROOTFS = ".bottlerocket/rootfs"  # where host containers with superpowers see the host's root
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class Places:
    """`base` is this process's own root; `rootfs` the host's root, None where it cannot be seen.

    `proc` and `sys` are this process's own mounts, which show the one kernel that everybody shares.
    """

    base: Path
    rootfs: Path | None
    proc: Path
    sys: Path
    api: Path

    @property
    def is_real(self) -> bool:
        """Whether this is the machine itself, not a folder that looks like one."""
        return self.base == Path("/")

    @property
    def host_proc(self) -> Path | None:
        """The host's own /proc, with the host's process numbers; None where it cannot be seen."""
        return None if self.rootfs is None else self.rootfs / "proc"

    def below_sys(self, relative: str) -> tuple[Path, ...]:
        """Where a file below /sys may be seen: our own mount, then the host's (ours may lack what is mounted in it)."""
        own = self.sys / relative
        return (own,) if self.rootfs in (None, self.base) else (own, self.rootfs_path("sys") / relative)

    def rootfs_path(self, relative: str) -> Path:
        """A path below the host's root; SourceError where that cannot be seen."""
        if self.rootfs is None:
            raise SourceError("the host's root cannot be seen from here")
        return self.rootfs / relative


def read_bytes(path: Path, limit: int = MAX_TEXT) -> bytes:
    """A file of /proc or /sys, up to `limit` bytes; OSError when it cannot be read, SourceError when it has more.

    Only regular files are opened: a fifo would hang, a device would act. A file that somebody mounted over one of the
    kernel's is refused.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise SourceError(f"{path} is no regular file")
    descriptor = os.open(path, _OPEN)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError(f"{path} was replaced while it was opened")
        if not is_genuine(descriptor, str(path)):
            raise SourceError(f"{path} is not the kernel's own: something else is mounted over it")
        parts: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := os.read(descriptor, min(left, 1 << 16))):
            parts.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    if left <= 0:
        raise SourceError(f"{path} has more than {limit} bytes")
    return b"".join(parts)


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """As `read_bytes`, as text without blanks and NUL bytes at its ends."""
    return read_bytes(path, limit).decode("utf-8", "replace").strip("\0\n\t ")


def quiet_text(path: Path, limit: int = MAX_TEXT) -> str | None:
    """As `read_text`; None when it cannot be read, for what only helps to find our way."""
    try:
        return read_text(path, limit)
    except (OSError, SourceError):
        return None


def names_in(path: Path, limit: int = 100_000) -> tuple[str, ...]:
    """Names in a folder, sorted; empty when it cannot be listed."""
    try:
        with os.scandir(path) as entries:
            return tuple(sorted(entry.name for _, entry in zip(range(limit), entries, strict=False)))
    except OSError:
        return ()


def error_text(error: BaseException) -> str:
    """What went wrong, without the path that the place already names."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
