"""Make file systems from a Tree with the real tools, without root and with the same bytes every time."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.images.tree import EPOCH, Tree
from tests.support import find_tool

STAGE = Path(__file__).with_name("stage.py")
NAMESPACE = uuid.UUID("7a1c4c0e-9a0b-5d0f-8f5e-6d2b1f0c9e3a")
ENVIRONMENT = {
    "E2FSPROGS_FAKE_TIME": str(EPOCH),
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "TZ": "UTC",
    "LC_ALL": "C",
    "MTOOLS_SKIP_CHECK": "1",
}
EROFS_COMPRESSED = ("-z", "lz4hc,12", "-C", "262144")  # as Bottlerocket's image builder


def fixed_uuid(name: str) -> str:
    """A UUID that depends on the name only."""
    return str(uuid.uuid5(NAMESPACE, name))


def run(command: Sequence[str | Path], *, text: str | None = None) -> str:
    """Run a tool found also in sbin, with fixed times; its output, or CalledProcessError with what it said."""
    tool = find_tool(str(command[0]))
    if tool is None:
        raise FileNotFoundError(f"{command[0]} is not installed")
    result = subprocess.run(
        [tool, *map(str, command[1:])],
        input=text,
        capture_output=True,
        text=True,
        env=os.environ | ENVIRONMENT,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{command[0]} ended with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout


def _under_fakeroot(tree: Tree, folder: Path, commands: list[list[str]]) -> None:
    entries = [
        {
            "path": entry.path,
            "mode": entry.mode,
            "uid": entry.uid,
            "gid": entry.gid,
            "mtime": entry.mtime,
            "content": entry.content if isinstance(entry.content, bytes) else str(entry.content),
            "target": entry.target,
            "rdev": entry.rdev,
            "xattrs": entry.xattrs,
            "link_of": entry.link_of,
        }
        for entry in tree
    ]
    plan = folder.with_suffix(".plan")
    plan.write_bytes(pickle.dumps({"folder": str(folder), "entries": entries, "commands": commands}))
    run(["fakeroot", "--", sys.executable, "-S", STAGE, plan])


def make_erofs(tree: Tree, image: Path, *, name: str, arguments: Sequence[str] = EROFS_COMPRESSED) -> None:
    """An EROFS image of the tree, compressed unless `arguments` say otherwise."""
    mkfs = [str(find_tool("mkfs.erofs")), "--quiet", "-T", str(EPOCH), "-U", fixed_uuid(name), *arguments, str(image)]
    try:
        _staged(tree, image.parent, mkfs)
    except RuntimeError as error:  # seen once in hundreds of runs on a loaded machine: "No such file or directory"
        print(f"trying once more: {error}", file=sys.stderr)
        _staged(tree, image.parent, mkfs)


def _staged(tree: Tree, beside: Path, command: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=beside) as scratch:
        folder = Path(scratch, "tree")
        folder.mkdir()
        _under_fakeroot(tree, folder, [[*command, str(folder)]])


def make_ext4(
    tree: Tree, image: Path, *, name: str, mib: int, arguments: Sequence[str] = (), shrink: bool = False
) -> None:
    """An ext4 image of `mib` MiB without journal; with `shrink` as small as resize2fs can make it."""
    identity = fixed_uuid(name)
    with tempfile.TemporaryDirectory(dir=image.parent) as scratch:
        folder = Path(scratch, "tree")
        folder.mkdir()
        image.unlink(missing_ok=True)
        extended = f"lazy_itable_init=0,hash_seed={identity}"
        mkfs = [str(find_tool("mkfs.ext4")), "-q", "-b", "4096", "-O", "^has_journal", "-U", identity]
        command = [*mkfs, "-E", extended, *arguments, "-d", str(folder), str(image), f"{mib}M"]
        _under_fakeroot(tree, folder, [command])
    _fix_times(image)
    if shrink:
        run(["resize2fs", "-M", image])
        _fix_superblock_times(image)


def _fix_times(image: Path) -> None:
    """mkfs -d copies the change and access times of the staged files: set every inode's to EPOCH."""
    used = _used_inodes(image)
    fields = ("atime", "ctime", "crtime")
    lines = [
        f"sif <{number}> {name} {value}"
        for number in used
        for field in fields
        for name, value in ((field, f"@{EPOCH:#x}"), (f"{field}_extra", "0"))
    ]
    run(["debugfs", "-w", "-f", "-", image], text="\n".join(lines) + "\n")
    _fix_superblock_times(image)


def _used_inodes(image: Path) -> list[int]:
    """Inodes that hold something: the root, lost+found and all files (reserved ones stay as mkfs wrote them)."""
    total = free = 0
    for line in run(["dumpe2fs", "-h", image]).splitlines():
        name, _, value = line.partition(":")
        if name == "Inode count":
            total = int(value)
        elif name == "Free inodes":
            free = int(value)
    return [2, *range(11, total - free + 1)]


def _fix_superblock_times(image: Path) -> None:
    fields = ("mkfs_time", "lastcheck", "mtime", "wtime")
    run(["debugfs", "-w", "-f", "-", image], text="".join(f"ssv {field} @{EPOCH:#x}\n" for field in fields))


def make_fat(files: dict[str, bytes], image: Path, *, mib: int, serial: str = "0b0770c4") -> None:
    """A FAT image of `mib` MiB (FAT12 below 16 MiB, as mkfs.vfat chooses) with files by path."""
    with image.open("wb") as file:
        file.truncate(mib << 20)
    run(["mkfs.vfat", "--invariant", "-i", serial, "-n", "EFI", image])
    made: set[str] = set()
    with tempfile.TemporaryDirectory(dir=image.parent) as scratch:
        for path, content in sorted(files.items()):
            parts = path.strip("/").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in made:
                    run(["mmd", "-i", image, f"::/{folder}"])
                    made.add(folder)
            host = Path(scratch, "file")
            host.write_bytes(content)
            os.utime(host, (EPOCH, EPOCH))
            run(["mcopy", "-m", "-i", image, host, f"::{path}"])


def make_squashfs(tree: Tree, image: Path) -> None:
    """A squashfs image, zstd, as Bottlerocket's licenses.squashfs."""
    with tempfile.TemporaryDirectory(dir=image.parent) as scratch:
        folder = Path(scratch, "tree")
        folder.mkdir()
        times = ["-mkfs-time", str(EPOCH), "-all-time", str(EPOCH)]
        command = [str(find_tool("mksquashfs")), str(folder), str(image), "-comp", "zstd", "-noappend", "-all-root"]
        # SOURCE_DATE_EPOCH and -mkfs-time exclude each other, so the variable is taken away
        _under_fakeroot(tree, folder, [["env", "-u", "SOURCE_DATE_EPOCH", *command, "-quiet", "-no-progress", *times]])
