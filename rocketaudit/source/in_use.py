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
    numbers = [name for name in names_in(folder) if name.isdigit()]
    for number in numbers[:MAX_PROCESSES]:
        for path, inode in _mapped(folder / number / "maps", device):
            if len(found) >= MAX_FILES:
                return found
            found.setdefault(path, inode)
    return found


def _mapped(maps: Path, device: str) -> list[tuple[bytes, int]]:
    """proc(5): address, permissions, offset, device in hexadecimal, inode, path."""
    try:
        lines = read_bytes(maps, MAX_MAPS).splitlines()
    except (OSError, SourceError):
        return []
    found = []
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) < 6 or not fields[5].startswith(b"/") or fields[5].endswith(b" (deleted)"):
            continue
        if _number(fields[3]) == device and fields[4].isdigit() and b"/../" not in fields[5]:
            found.append((fields[5].strip(b"/"), int(fields[4])))
    return list(dict.fromkeys(found))


def _number(text: bytes) -> str:
    major, _, minor = text.partition(b":")
    try:
        return f"{int(major, 16)}:{int(minor, 16)}"
    except ValueError:
        return ""
