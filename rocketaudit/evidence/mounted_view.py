"""Whether the mounted root shows what is on the disk: a kernel that was tampered with hides files from its users.

Only names are compared, and only after the running bank's tree was found to be whole in this same scan: listing a
folder of the mounted root reads it through the verity device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane
from rocketaudit.model.filesystem import BadNode, FileSystem, FileType, Node
from rocketaudit.source.node_tree import NodeFileSystem
from rocketaudit.source.protocol import Source, find_tree

HIDDEN, ADDED = (Key("mounted_view", (name,)) for name in ("hidden", "added"))
MAX_NAMES = 200
MAX_FOLDERS = 50_000
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Difference:
    hidden: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    folders: int = 0


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    tree = find_tree(source, source.judged)
    places = node.node.places
    reason = _why_not(node)
    if reason or tree is None or places.rootfs is None or not isinstance(tree.fs, NodeFileSystem):
        where = node.locate(places.rootfs or places.base)
        yield from (node.unread(key, where, reason or "the mounted root cannot be seen") for key in (HIDDEN, ADDED))
        return
    where = node.locate(places.rootfs)
    try:
        found = _compare(tree.fs.base, os.fsencode(places.rootfs))
    except (FormatError, OSError) as error:
        yield from (node.unread(key, where, str(error)) for key in (HIDDEN, ADDED))
        return
    yield node.present(HIDDEN, tuple(found.hidden[:MAX_NAMES]), where)
    yield node.present(ADDED, tuple(found.added[:MAX_NAMES]), where)
    yield node.present(Key("mounted_view", ("folders",)), found.folders, where)


def _why_not(node: Running) -> str:
    if node.node.image is None or node.node.places.rootfs is None:
        return "it takes the raw disk and the mounted root to compare them"
    if not node.node.proven:
        return "the tree of the running bank is not proven, so the mounted root is not read"
    return ""


def _compare(raw: FileSystem, rootfs: bytes) -> _Difference:
    """Folder by folder of the disk; where something else is mounted there is nothing to compare."""
    found = _Difference()
    device = os.stat(rootfs).st_dev
    pending: list[tuple[bytes, Node]] = [(b"", raw.root())]
    while pending:
        path, folder = pending.pop()
        stored = dict(raw.entries(folder))
        shown = _shown(rootfs + path, device)
        if shown is None:
            continue
        found.folders += 1
        if found.folders > MAX_FOLDERS:
            raise FormatError(f"more than {MAX_FOLDERS} folders")
        found.hidden += [_text(path, name) for name in sorted(stored.keys() - shown)]
        found.added += [_text(path, name) for name in sorted(shown - stored.keys())]
        for name, node in stored.items():
            if name in shown and not isinstance(node, BadNode) and node.type is FileType.DIRECTORY:
                pending.append((path + b"/" + name, node))
    return found


def _shown(path: bytes, device: int) -> set[bytes] | None:
    """The names that the kernel shows; None where another file system, or no folder, is."""
    try:
        handle = os.open(path or b"/", _OPEN)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if os.fstat(handle).st_dev != device:
            return None
        return {os.fsencode(name) for name in os.listdir(handle)}
    finally:
        os.close(handle)


def _text(path: bytes, name: bytes) -> str:
    return bytepath.encode(path + b"/" + name)


RUNTIME = Collector("mounted_view", Plane.RUNTIME, ("mounted_view:*",), _collect)
