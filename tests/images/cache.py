"""What makes a built image the same as last time, and one builder at a time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.images.compile import versions
from tests.support import find_tool

HERE = Path(__file__).parent
ASSEMBLY = (
    "assemble.py",
    "disk.py",
    "boot.py",
    "pe.py",
    "filesystems.py",
    "stage.py",
    "plants.py",
    "release.py",
    "signing.py",
    "tree.py",
)
VERSION_QUESTIONS = (
    ("mkfs.ext4", "-V"),
    ("veritysetup", "--version"),
    ("sgdisk", "--version"),
    ("mkfs.erofs", "-V"),
    ("mkfs.vfat", "--help"),
    ("ldd", "--version"),
    ("ld", "--version"),
)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, so that parallel test workers build each image once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def forget_old(folder: Path, *, days: int = 3) -> None:
    """Remove images that nobody has asked for in so many days; a recipe that changes leaves its old ones behind."""
    for place in folder.iterdir():
        if place.is_dir() and place.stat().st_mtime < time.time() - days * 86400:
            shutil.rmtree(place, ignore_errors=True)


def digest(*inputs: object) -> str:
    """What decides the image's bytes: what the caller names, the code that assembles them and the tools' versions."""
    sha = hashlib.sha256(repr((inputs, tool_versions())).encode())
    for name in ASSEMBLY:
        sha.update((HERE / name).read_bytes())
    return sha.hexdigest()[:24]


@cache
def tool_versions() -> tuple[str, ...]:
    """What every tool that decides bytes calls itself, compilers and the C library included."""
    said = []
    for name, option in VERSION_QUESTIONS:
        result = subprocess.run([str(find_tool(name)), option], capture_output=True, text=True, check=False)
        said.append((result.stdout + result.stderr).splitlines()[0])
    return (*versions(), *said)
