"""`rocketaudit ls`: what lies in a file system of an image, down to xattrs and digests."""

from __future__ import annotations

import base64
import json
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.image_argument import (
    Form,
    ImageArgument,
    choose_tree,
    opened_image,
    path_of,
    refuse_form,
    split_argument,
)
from rocketaudit.cli.options import Limits, TempDir
from rocketaudit.errors import FormatError
from rocketaudit.model import bytepath
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.source.tree import Entry, Tree

if TYPE_CHECKING:
    from rocketaudit.model.budget import Budget


def ls(
    image: ImageArgument,
    path: Annotated[str, typer.Argument(help="A path as this command prints it; links are followed.")] = "/",
    recursive: Annotated[bool, typer.Option("-R", "--recursive", help="Everything below the path.")] = False,
    digest: Annotated[bool, typer.Option("--digest", help="Add the SHA-256 of every regular file.")] = False,
    output: Form = "console",
    tmp_dir: TempDir = None,
    limits: Limits = None,
) -> int:
    """List files in an image: type, mode, owner, size, time, links, device, xattrs. Safe for terminals."""
    refuse_form(output)
    file, partition = split_argument(image)
    with opened_image(file, tmp_dir=tmp_dir, limits=limits) as source:
        tree = choose_tree(source, partition)
        rows = (
            _row(tree, name, node, digest=digest)
            for name, node in _found(tree, path_of(path), source.budget, recursive=recursive)
        )
        unread = _print_json(rows) if output == "json" else _print_console(rows)
    return ExitCode.UNREAD if unread else ExitCode.MEETS_POLICY


def _found(tree: Tree, path: str, budget: Budget, *, recursive: bool) -> Iterator[tuple[str, Node | BadNode | str]]:
    """(path, node), or (path, why the directory there could not be listed)."""
    resolved, node = tree.lookup(path)
    if node.type is not FileType.DIRECTORY:
        yield tree.lookup(path, follow=False)
        return
    base = bytepath.decode(resolved).rstrip(b"/")
    if recursive:
        try:
            for step in tree.walk(budget, start=(base, node)):
                yield bytepath.encode(step.path), step.node if isinstance(step, Entry) else step.reason
        except FormatError as error:  # a bound of the whole listing
            yield resolved, str(error)
        return
    for name, child in tree.list(resolved):
        yield bytepath.encode(base) + "/" + name, child


def _row(tree: Tree, path: str, node: Node | BadNode | str, *, digest: bool) -> dict[str, Any]:
    if isinstance(node, str):
        return {"path": path, "type": "unknown", "unread": node}
    if isinstance(node, BadNode):
        return {"path": path, "type": "unknown", "inode": node.number, "unread": node.reason}
    row: dict[str, Any] = {
        "path": path,
        "type": node.type.value,
        "mode": f"{node.mode:04o}",
        "uid": node.uid,
        "gid": node.gid,
        "size": node.size,
        "mtime": node.mtime,
        "nlink": node.nlink,
        "target": None,
        "rdev": None if node.rdev is None else list(node.rdev),
        "xattrs": {},
    }
    try:
        if node.type is FileType.SYMLINK:
            row["target"] = bytepath.encode(tree.fs.target(node))
        row["xattrs"] = {
            bytepath.encode(name): base64.b64encode(value).decode() for name, value in tree.fs.xattrs(node)
        }
        if digest:
            row["sha256"] = _sha256(tree, node) if node.type is FileType.REGULAR else None
    except FormatError as error:
        row["unread"] = str(error)
    return row


def _sha256(tree: Tree, node: Node) -> str:
    import hashlib

    hashed = hashlib.sha256()
    for piece in tree.fs.chunks(node):
        hashed.update(piece)
    return hashed.hexdigest()


def _print_json(rows: Iterator[dict[str, Any]]) -> int:
    """One array, one entry a line, written as it is found; how many could not be read."""
    unread = 0
    before = "["
    write = sys.stdout.write  # the whole list costs half of one flush a line
    for row in rows:
        unread += "unread" in row
        write(f"{before}\n{json.dumps(row)}")
        before = ","
    write("\n]\n" if before == "," else "[]\n")
    sys.stdout.flush()
    return unread


_LETTERS = {
    "directory": "d",
    "symlink": "l",
    "character": "c",
    "block": "b",
    "fifo": "p",
    "socket": "s",
    "regular": "-",
}


def _print_console(rows: Iterator[dict[str, Any]]) -> int:
    from rocketaudit.report.escape import terminal

    unread = 0
    write = sys.stdout.write
    for row in rows:
        if "unread" in row:
            unread += 1
            typer.echo(f"{terminal(row['path'])}: unread: {terminal(row['unread'])}", err=True)
            if "mode" not in row:
                continue
        size = ",".join(map(str, row["rdev"])) if row["rdev"] else str(row["size"])
        text = f"{_mode(row)} {row['nlink']:>3} {row['uid']:>5} {row['gid']:>5} {size:>10} {_time(row['mtime'])} "
        if "sha256" in row:
            text += f"{row['sha256'] or '-':<64} "
        text += terminal(row["path"])
        if row["target"] is not None:
            text += f" -> {terminal(row['target'])}"
        write(f"{text}\n")
    sys.stdout.flush()
    return unread


def _mode(row: dict[str, Any]) -> str:
    """As ls -l shows it."""
    return _LETTERS.get(row["type"], "?") + stat.filemode(int(row["mode"], 8))[1:]


@lru_cache(maxsize=1024)  # most files of an image have one of a few times
def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:>20}"
