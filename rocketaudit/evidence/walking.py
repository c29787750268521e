"""Walks every tree of a source to records, without reading the files' bytes."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rocketaudit.errors import FormatError
from rocketaudit.formats.xattr import decode_capability
from rocketaudit.model import bytepath
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Gap
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.source.tree import Entry, Tree, WalkGap

STEP = 200  # entries: about 3 ms
_SYMLINK = FileType.SYMLINK
_MOST_KNOWN = 1024  # different sets of attributes, of at most _SMALL bytes each
_SMALL = 1024


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
    record = _Recorder(tree, budget).record
    records, nodes = walked.records, walked.nodes
    try:
        for count, item in enumerate(tree.walk(budget), 1):
            if not count % STEP:
                yield
            path, node = item
            if type(node) is Node:
                records.append(record(path, node))
                nodes.append(node)
                continue
            budget.hold(len(path))
            reason = item.reason if isinstance(item, WalkGap) else _reason(item)
            walked.gaps.append(Gap(tree.scope, bytepath.encode(path), reason))
    except FormatError as error:
        walked.complete = False
        walked.gaps.append(Gap(tree.scope, "", str(error)))


def _reason(entry: Entry) -> str:
    assert isinstance(entry.node, BadNode)
    return f"inode {entry.node.number}: {entry.node.reason}" if entry.node.number else entry.node.reason


class _Attributes(NamedTuple):
    """Extended attributes as records have them; `held` is how many bytes they are."""

    xattrs: tuple[tuple[str, str], ...]
    selinux: str | None
    capability: FileCapability | None
    held: int


_NONE = _Attributes((), None, None, 0)


class _Recorder:
    """Makes records of one tree's entries; what many entries share is made once."""

    def __init__(self, tree: Tree, budget: Budget) -> None:
        self._scope, self._fs, self._hold = tree.scope, tree.fs, budget.hold
        self._is_folder = tree.fs.kind == "directory"  # whose inode numbers are the host's: a copy has others
        self._known: dict[tuple[tuple[bytes, bytes], ...], _Attributes] = {(): _NONE}

    def record(self, path: bytes, node: Node) -> FileRecord:
        unread: str | None = None
        target: str | None = None
        found = _NONE
        try:
            if node.type is _SYMLINK:
                target = bytepath.encode(self._fs.target(node))
            pairs = self._fs.xattrs(node)
            found = self._known.get(pairs) or self._make(pairs)
        except FormatError as error:
            unread = str(error)
        self._hold(len(path) + len(target or "") + found.held)
        number, kind, mode, uid, gid, size, mtime, _, nlink, rdev, _, _ = node
        if self._is_folder:
            number = 0
        return FileRecord(
            self._scope, bytepath.encode(path), kind, mode, uid, gid, size, mtime, nlink, number, target, rdev,
            found.xattrs, found.selinux, found.capability, None, None, "", None, unread,
        )  # fmt: skip

    def _make(self, pairs: tuple[tuple[bytes, bytes], ...]) -> _Attributes:
        held = sum([len(name) + len(value) for name, value in pairs])
        texts = tuple([(bytepath.encode(name), base64.b64encode(value).decode()) for name, value in pairs])
        made = _Attributes(texts, *_security(pairs), held)
        if len(self._known) < _MOST_KNOWN and held < _SMALL:
            self._known[pairs] = made
        return made


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
