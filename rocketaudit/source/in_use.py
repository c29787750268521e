"""Which files processes run and have loaded, by /proc: whoever may look at a process sees its maps."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.errors import SourceError
from rocketaudit.source.places import Places, names_in, read_bytes

MAX_PROCESSES = 4096
MAX_MAPS = 4 << 20
MAX_FILES = 20_000


def files_in_use(places: Places, device: str, *, host_pids: bool) -> dict[bytes, int]:
    """{path without the first slash: inode} of mapped files on the device "major:minor"; what is hidden is left out."""
    folder = places.proc if host_pids else places.host_proc
    found: dict[bytes, int] = {}
    if folder is None:
        return found
    major, _, minor = device.partition(":")
    mark = f" {int(major):02x}:{int(minor):02x} ".encode()
    numbers = [name for name in names_in(folder) if name.isdigit()]
    for number in numbers[:MAX_PROCESSES]:
        for path, inode in _mapped(folder / number / "maps", mark):
            if len(found) >= MAX_FILES:
                return found
            found.setdefault(path, inode)
    return found


def _mapped(maps: Path, mark: bytes) -> list[tuple[bytes, int]]:
    """proc(5): address, permissions, offset, device in hexadecimal (`mark`), inode, path."""
    try:
        lines = read_bytes(maps, MAX_MAPS).splitlines()
    except (OSError, SourceError):
        return []
    found = []
    for line in lines:
        if mark not in line:  # most are those of containers
            continue
        fields = line.split(None, 5)
        if len(fields) < 6 or fields[3] != mark.strip() or not fields[4].isdigit():
            continue
        path = fields[5]
        if path.startswith(b"/") and not path.endswith(b" (deleted)") and b"/../" not in path:
            found.append((path.strip(b"/"), int(fields[4])))
    return list(dict.fromkeys(found))
