"""Walks and comparisons that the tests of every small file-system reader share."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import TYPE_OF_MODE, BadNode, FileSystem, FileType, Node
from rocketaudit.model.reader import BytesReader, Reader

Opener = Callable[[Reader, Budget], FileSystem]


@dataclass(frozen=True)
class PreadReader:
    """Gives bytes, not views, and refuses nothing that a file would not refuse."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(BytesReader(self.data).read(offset, length))


def walk(fs: FileSystem) -> Iterator[tuple[bytes, Node]]:
    """Every path (b"" is the root) and node; fails on anything that cannot be read."""
    pending = [(b"", fs.root())]
    while pending:
        path, node = pending.pop()
        yield path, node
        if node.type is FileType.DIRECTORY:
            for name, child in fs.entries(node):
                assert isinstance(child, Node), child
                pending.append((path + b"/" + name if path else name, child))


def content(fs: FileSystem, node: Node) -> bytes:
    """The file's bytes, read in three ways that must agree, and with extents that cover them."""
    pieces = list(fs.chunks(node))
    assert all(isinstance(piece, bytes | memoryview) for piece in pieces)
    whole = b"".join(pieces)
    assert len(whole) == node.size
    assert fs.read(node, 0, node.size + 10) == whole
    for offset in (1, node.size // 3, max(0, node.size - 7), node.size, node.size + 5):
        assert fs.read(node, offset, 4099) == whole[offset : offset + 4099]
    logical = 0
    for extent in fs.extents(node):
        assert extent.logical == logical
        assert extent.length > 0
        logical += extent.length
    assert logical == node.size
    return whole


def manifest_differences(
    fs: FileSystem, manifest: Mapping[str, Mapping[str, Any]], *, owners: bool = True, xattrs: bool = True
) -> list[str]:
    """What of the tree is not as the manifest says; paths that the manifest lacks are given as "extra"."""
    wrong: list[str] = []
    missing = set(manifest)
    for path, node in walk(fs):
        name = os.fsdecode(path)
        if not path:
            continue
        want = manifest.get(name)
        if want is None:
            wrong.append(f"extra {name}")
            continue
        missing.discard(name)
        mode = int(want["mode"], 8)
        checks: dict[str, bool] = {
            "type": TYPE_OF_MODE[stat.S_IFMT(mode)] is node.type,
            "mode": stat.S_IMODE(mode) == node.mode,
            "owner": not owners or (node.uid, node.gid) == (want["uid"], want["gid"]),
            "links": want["nlink"] is None or node.nlink == want["nlink"],
            "rdev": tuple(want.get("rdev", ())) == (node.rdev or ()),
            "xattrs": not xattrs
            or {os.fsdecode(key): value.hex() for key, value in fs.xattrs(node)} == want.get("xattrs", {}),
        }
        if node.type is FileType.REGULAR:
            data = content(fs, node)
            checks["size"] = want["size"] == len(data)
            checks["data"] = want["sha256"] == hashlib.sha256(data).hexdigest()
        if node.type is FileType.SYMLINK:
            checks["target"] = os.fsencode(want["target"]) == fs.target(node)
        wrong.extend(f"{what} of {name}" for what, holds in checks.items() if not holds)
    return wrong + [f"missing {name}" for name in sorted(missing)]


def folder_differences(fs: FileSystem, folder: Path, *, owners: bool = True) -> list[str]:
    """What of the tree is not as in a folder of this machine: names, modes, owners, links, data, attributes."""
    root = os.fsencode(folder)
    wrong: list[str] = []
    seen = 0
    for path, node in walk(fs):
        real = os.path.join(root, path) if path else root
        status = os.lstat(real)
        seen += 1
        name = os.fsdecode(path)
        checks: dict[str, bool] = {
            "type": TYPE_OF_MODE[stat.S_IFMT(status.st_mode)] is node.type,
            "mode": not path or stat.S_IMODE(status.st_mode) == node.mode,
            "owner": not owners or not path or (status.st_uid, status.st_gid) == (node.uid, node.gid),
            "links": node.type is FileType.DIRECTORY or status.st_nlink == node.nlink,
            "xattrs": dict(fs.xattrs(node))
            == {
                os.fsencode(key): os.getxattr(real, key, follow_symlinks=False)
                for key in os.listxattr(real, follow_symlinks=False)
            },
        }
        if node.type is FileType.REGULAR:
            checks["data"] = Path(os.fsdecode(real)).read_bytes() == content(fs, node)
        if node.type is FileType.SYMLINK:
            checks["target"] = os.readlink(real) == fs.target(node)
        if node.rdev is not None:
            checks["rdev"] = node.rdev == (os.major(status.st_rdev), os.minor(status.st_rdev))
        wrong.extend(f"{what} of {name}" for what, holds in checks.items() if not holds)
    there = 1 + sum(len(folders) + len(files) for _, folders, files in os.walk(folder))
    return [*wrong, f"{there} entries expected, {seen} found"] if there != seen else wrong


@dataclass
class Outcome:
    """What `exercise` met: nodes reached, and the places that raised FormatError."""

    refused: str = ""
    nodes: int = 0
    gaps: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def exercise(image: bytes | bytearray, opener: Opener, *, max_bytes: int = 1 << 28) -> Outcome:
    """Do everything that a scan does to a possibly damaged image; only FormatError may come out."""
    outcome = Outcome()
    budget = Budget(max_bytes=max_bytes, max_entries=50_000, max_seconds=30)
    try:
        fs = opener(BytesReader(memoryview(image)), budget)
        pending = [fs.root()]
    except FormatError as error:
        outcome.refused = str(error)
        return outcome
    outcome.warnings = fs.warnings
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if node.number in seen:
            continue
        seen.add(node.number)
        for step in (_children, _attributes, _data, _parts, _extents, _target):
            try:
                pending.extend(step(fs, node, outcome))
            except FormatError as error:
                outcome.gaps.append(str(error))
    try:
        assert all(region.start >= 0 and region.length >= 0 for region in islice(fs.regions(), 100_000))
    except FormatError as error:
        outcome.gaps.append(str(error))
    outcome.nodes = len(seen)
    return outcome


def _children(fs: FileSystem, node: Node, outcome: Outcome) -> Iterator[Node]:
    if node.type is FileType.DIRECTORY:
        for _name, child in fs.entries(node):
            if isinstance(child, BadNode):
                outcome.gaps.append(child.reason)
            else:
                yield child


def _attributes(fs: FileSystem, node: Node, outcome: Outcome) -> tuple[Node, ...]:
    fs.xattrs(node)
    return ()


def _data(fs: FileSystem, node: Node, outcome: Outcome) -> tuple[Node, ...]:
    if node.type is FileType.REGULAR:
        assert sum(len(chunk) for chunk in fs.chunks(node)) == node.size
    return ()


def _parts(fs: FileSystem, node: Node, outcome: Outcome) -> tuple[Node, ...]:
    if node.type is FileType.REGULAR:
        fs.read(node, node.size // 2, 64)
    return ()


def _extents(fs: FileSystem, node: Node, outcome: Outcome) -> tuple[Node, ...]:
    if node.type is FileType.REGULAR:
        for _extent in islice(fs.extents(node), 10_000):
            pass
    return ()


def _target(fs: FileSystem, node: Node, outcome: Outcome) -> tuple[Node, ...]:
    if node.type is FileType.SYMLINK:
        fs.target(node)
    return ()


def make_tree(root: Path) -> None:
    """A small tree with everything that a file can have; as an ordinary user without devices and owners."""
    (root / "etc" / "deep" / "deeper").mkdir(parents=True)
    (root / "etc" / "os-release").write_text("ID=bottlerocket\n")
    (root / "etc" / "empty").write_bytes(b"")
    (root / "etc" / "text").write_bytes(b"".join(b"line %d of a text\n" % n for n in range(40_000)))
    (root / "etc" / "noise").write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(9000)))
    (root / "etc" / "zeros").write_bytes(bytes(300_001))
    for size in (1, 100, 4095, 4096, 4097, 131072, 131073):
        (root / "etc" / "deep" / f"size-{size}").write_bytes((b"%d " % size * size)[:size])
    os.link(root / "etc" / "text", root / "hard")
    (root / "short").symlink_to("etc/text")
    (root / "long").symlink_to("x/" * 400)
    os.mkfifo(root / "fifo")
    (root / "names").mkdir()
    for name in (b"\xff\xfe", "ünï".encode(), b"%41", b"new\nline", b"n" * 200):
        (root / "names" / os.fsdecode(name)).write_bytes(name)
    for number in range(400):
        (root / "names" / f"entry-with-a-long-name-{number:04}").write_bytes(b"%d" % number)
    (root / "etc" / "os-release").chmod(0o4755)
    try:
        os.setxattr(root / "etc" / "os-release", "security.selinux", b"system_u:object_r:os_t:s0\0")
        os.setxattr(root / "etc" / "empty", "user.large", b"v" * 2000)
        os.chown(root / "etc" / "noise", 70_000, 4_000_000_000)
        os.mknod(root / "device", 0o020600, os.makedev(259, 70_000))
    except PermissionError:
        pass
