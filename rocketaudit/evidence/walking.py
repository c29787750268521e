"""Walks every tree of a source to records, without reading the files' bytes."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from rocketaudit.errors import FormatError
from rocketaudit.formats.xattr import decode_capability
from rocketaudit.model import bytepath
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Gap
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.source.tree import Tree, WalkGap

STEP = 200  # entries: about 5 ms


@dataclass(slots=True)
class Walked:
    """One tree, walked: `records` and `nodes` run in parallel; `complete` is false when the walk was cut off."""

    tree: Tree
    records: list[FileRecord] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    complete: bool = True


def walk_tree(tree: Tree, budget: Budget) -> Walked:
    """All entries of one tree; what could not be read is a gap, and a budget that ends cuts the walk off."""
    walked = Walked(tree)
    deque(walk_in_steps(walked, budget), maxlen=0)
    return walked


def walk_in_steps(walked: Walked, budget: Budget) -> Iterator[None]:
    """As `walk_tree`, but giving way after some entries each, so that the caller can do something else between."""
    tree = walked.tree
    try:
        for count, item in enumerate(tree.walk(budget), 1):
            if not count % STEP:
                yield
            budget.hold(len(item.path))
            if isinstance(item, WalkGap):
                walked.gaps.append(Gap(tree.scope, bytepath.encode(item.path), item.reason))
            elif isinstance(item.node, BadNode):
                path = bytepath.encode(item.path)
                number = f"inode {item.node.number}: " if item.node.number else ""
                walked.gaps.append(Gap(tree.scope, path, f"{number}{item.node.reason}"))
            else:
                walked.records.append(_record(tree, item.path, item.node, budget))
                walked.nodes.append(item.node)
    except FormatError as error:
        walked.complete = False
        walked.gaps.append(Gap(tree.scope, "", str(error)))


def _record(tree: Tree, path: bytes, node: Node, budget: Budget) -> FileRecord:
    unread: str | None = None
    target: str | None = None
    pairs: tuple[tuple[bytes, bytes], ...] = ()
    try:
        if node.type is FileType.SYMLINK:
            target = bytepath.encode(tree.fs.target(node))
        pairs = tree.fs.xattrs(node)
    except FormatError as error:
        unread = str(error)
    budget.hold(len(target or "") + sum([len(name) + len(value) for name, value in pairs]))
    selinux, capability = _security(pairs)
    return FileRecord(
        scope=tree.scope,
        path=bytepath.encode(path),
        type=node.type,
        mode=node.mode,
        uid=node.uid,
        gid=node.gid,
        size=node.size,
        mtime=node.mtime,
        nlink=node.nlink,
        inode=node.number,
        target=target,
        rdev=node.rdev,
        xattrs=tuple((bytepath.encode(name), base64.b64encode(value).decode()) for name, value in pairs),
        selinux=selinux,
        capability=capability,
        unread=unread,
    )


def _security(pairs: tuple[tuple[bytes, bytes], ...]) -> tuple[str | None, FileCapability | None]:
    selinux: str | None = None
    capability: FileCapability | None = None
    for name, value in pairs:
        if name == b"security.selinux":
            selinux = bytepath.encode(value.rstrip(b"\0"))
        elif name == b"security.capability":
            try:
                capability = decode_capability(value)
            except FormatError:
                capability = FileCapability(("undecodable",), (), effective=True)
    return selinux, capability
