"""What is mounted where on a node, as proc(5) writes mountinfo, and what that hides."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.model.records import dataclass
from rocketaudit.source.places import Places, read_bytes

MAX_MOUNTINFO = 8 << 20
MAX_MOUNTS = 20_000
_ESCAPE = re.compile(r"\\([0-7]{3})")
# options that carry no name, address or secret of a user
_SHOWN = frozenset({"size", "mode", "lowerdir", "upperdir", "workdir", "context", "fscontext", "rootcontext", "gid"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One line: `root` is the path within its file system that is mounted at `point`; `options` as they take effect."""

    number: int
    parent: int
    device: str
    root: str
    point: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def is_read_only(self) -> bool:
        return "ro" in self.options

    def super_option(self, name: str) -> str:
        """The value of an option such as upperdir, "" when it has none."""
        return next((o.partition("=")[2] for o in self.super_options if o.startswith(f"{name}=")), "")


def parse_mountinfo(data: bytes) -> tuple[Mount, ...]:
    """All mounts in order; FormatError for a line that is none, or for more than MAX_MOUNTS."""
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_MOUNTS:
        raise FormatError(f"{len(lines)} mounts; at most {MAX_MOUNTS} are read")
    return tuple(_parse_line(number, line) for number, line in enumerate(lines, 1) if line.strip())


def _parse_line(number: int, line: str) -> Mount:
    head, dash, tail = line.partition(" - ")
    words, rest = head.split(), tail.split()
    if not dash or len(words) < 6 or len(rest) < 2 or not words[0].isdigit() or not words[1].isdigit():
        raise FormatError(f"line {number} of mountinfo is none: {line[:80]!r}")
    super_options = tuple(rest[2].split(",")) if len(rest) > 2 else ()
    plain = [option for option in words[5].split(",") if option not in ("ro", "rw")]
    read_only = "ro" in words[5].split(",") or "ro" in super_options
    shown = [o for o in super_options if "=" in o and o.partition("=")[0] in _SHOWN]
    flags = [o for o in super_options if "=" not in o and o not in ("ro", "rw")]
    options = dict.fromkeys(["ro" if read_only else "rw", *plain, *flags, *shown])
    return Mount(
        number=int(words[0]),
        parent=int(words[1]),
        device=words[2],
        root=_plain(words[3]),
        point=_plain(words[4]),
        options=tuple(options),
        fstype=rest[0],
        source=_plain(rest[1]),
        super_options=tuple(_plain(option) for option in super_options),
    )


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def host_mounts(places: Places, *, host_pids: bool) -> tuple[tuple[Mount, ...], Path]:
    """(the mounts of the host's first process, the file that says so); SourceError or OSError where nobody tells us.

    `host_pids`: this process sees the host's process numbers, so that /proc/1 is the host's first process.
    """
    if host_pids:
        path = places.proc / "1/mountinfo"
    elif places.host_proc is not None:
        path = places.host_proc / "1/mountinfo"
    else:
        raise SourceError("only the mounts of this container can be seen")
    return parse_mountinfo(read_bytes(path, MAX_MOUNTINFO)), path


def visible(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Of several mounts at one point the last, which hides the others; sorted by point."""
    last = {mount.point: mount for mount in mounts}
    return tuple(last[point] for point in sorted(last))


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return folder == "/" or path == folder or path.startswith(f"{folder}/")


def parent_of(path: str) -> str:
    return posixpath.dirname(path) or "/"
