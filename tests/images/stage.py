"""Runs under fakeroot: lay a tree out in a folder with its owners, modes, devices and xattrs, then run mkfs on it.

Standard library only and no imports of ours, so that it starts fast: the plan is a pickle of plain tuples.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys


def lay_out(folder: bytes, entries: list[dict]) -> None:
    """Make every entry; directories get their mode and time last, when nothing is written into them any more."""
    for entry in sorted(entries, key=lambda entry: entry["link_of"] is not None):  # hard links need their file
        make(folder, entry)
    for entry in reversed(entries):
        dress(folder, entry)


def make(folder: bytes, entry: dict) -> None:
    path, mode = folder + entry["path"].rstrip(b"/"), entry["mode"]
    kind = stat.S_IFMT(mode)
    if entry["link_of"] is not None:
        os.link(folder + entry["link_of"], path)
    elif kind == stat.S_IFDIR:
        os.makedirs(path, exist_ok=True)
    elif kind == stat.S_IFLNK:
        os.symlink(entry["target"], path)
    elif kind == stat.S_IFREG:
        if isinstance(entry["content"], bytes):
            with open(path, "wb") as file:
                file.write(entry["content"])
        else:
            shutil.copyfile(entry["content"], path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        os.mknod(path, mode, os.makedev(*entry["rdev"]))
    else:
        os.mknod(path, mode)


def dress(folder: bytes, entry: dict) -> None:
    path = folder + entry["path"].rstrip(b"/")
    for name, value in entry["xattrs"]:
        os.setxattr(path, name, value, follow_symlinks=False)
    os.lchown(path, entry["uid"], entry["gid"])
    if not stat.S_ISLNK(entry["mode"]):
        os.chmod(path, stat.S_IMODE(entry["mode"]))
    os.utime(path, (entry["mtime"], entry["mtime"]), follow_symlinks=False)


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        plan = pickle.load(file)
    lay_out(os.fsencode(plan["folder"]), plan["entries"])
    for command in plan["commands"]:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


main()
