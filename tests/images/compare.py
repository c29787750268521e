"""A reader's view of a file system against the manifest of the tree that it was made from."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence

from rocketaudit.formats.erofs import open_erofs
from rocketaudit.formats.ext4 import open_ext4
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import FileSystem, FileType, Node
from rocketaudit.model.reader import BytesReader, Window
from tests.images.spec import Built
from tests.images.tree import Expected


def root_of(built: Built, bank: str = "A") -> FileSystem:
    """The root file system of one bank, read by our own readers through a map of the image."""
    part = built.partitions[f"ROOT-{bank}"]
    opener = open_erofs if built.spec.root_fs == "erofs" else open_ext4
    with built.path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return opener(Window(BytesReader(memoryview(whole)), part.start, part.length), Budget())


def differences(fs: FileSystem, manifest: Sequence[Expected]) -> list[str]:
    """Every path and field in which the file system differs from the manifest; empty when it is the same tree."""
    wanted = {entry.path: entry for entry in manifest}
    wrong: list[str] = []
    numbers: dict[bytes, int] = {}
    for path, node in walk(fs):
        numbers[path] = node.number
        entry = wanted.pop(path, None)
        if entry is None:
            wrong.append(f"extra {os.fsdecode(path)}")
        else:
            wrong += [f"{field} of {os.fsdecode(path)}" for field in differing_fields(fs, node, entry)]
    links = [entry for entry in manifest if entry.link_of is not None]
    wrong += [f"link {os.fsdecode(e.path)}" for e in links if numbers.get(e.path) != numbers.get(e.link_of or b"")]
    return wrong + [f"missing {os.fsdecode(path)}" for path in wanted]


def walk(fs: FileSystem) -> Iterator[tuple[bytes, Node]]:
    pending = [(b"/", fs.root())]
    while pending:
        path, node = pending.pop()
        yield path, node
        if node.type is FileType.DIRECTORY:
            for name, child in fs.entries(node):
                assert isinstance(child, Node), child
                pending.append((path.rstrip(b"/") + b"/" + name, child))


def differing_fields(fs: FileSystem, node: Node, entry: Expected) -> Iterator[str]:
    found = {
        "type": node.type.value,
        "mode": entry.mode if entry.type == "symlink" else node.mode,
        "uid": node.uid,
        "gid": node.gid,
        "mtime": node.mtime,
        "rdev": node.rdev,
        "xattrs": fs.xattrs(node),
        "target": fs.target(node) if node.type is FileType.SYMLINK else b"",
        "size": 0 if node.type is FileType.DIRECTORY else node.size,
        "sha256": None,
    }
    if node.type is FileType.REGULAR:
        digest = hashlib.sha256()
        for chunk in fs.chunks(node):
            digest.update(chunk)
        found["sha256"] = digest.hexdigest()
    return (name for name, value in found.items() if value != getattr(entry, name))
