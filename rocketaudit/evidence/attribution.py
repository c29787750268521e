"""Licences and copyright as the image states them: the tree of licence texts, plain or as licenses.squashfs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import MAX_FACTS, Facts, read_config, root_trees
from rocketaudit.formats.attribution import FILE_NAME, HEAD, parse_attribution
from rocketaudit.formats.copyright_notice import MAX_STATEMENTS, MAX_TEXT, parse_copyright
from rocketaudit.model import bytepath
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.filesystem import BadNode, FileSystem, FileType, Node
from rocketaudit.model.reader import BytesReader
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

PLAIN = "/usr/share/licenses"
PACKED = "/usr/share/bottlerocket/licenses.squashfs"
LIMIT = 64 << 20
MAX_TEXTS = 50_000
MAX_NOTICES = 16 << 20  # characters of all notices of one tree
MAX_DEPTH = 24  # a Go import path has many parts
PROBLEMS = Key("attribution_problems", ("tree",))


@dataclass(slots=True)
class _Found:
    """Licences and copyright notices by package and folder below it, and what could not be read.

    `wants_notices`: whether the texts themselves are read for notices; only a bill of materials asks for them.
    """

    wants_notices: bool
    licences: dict[str, dict[str, str]] = field(default_factory=dict)
    notices: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    texts: int = 0
    characters: int = 0  # of all notices


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    for tree in root_trees(source):
        yield from _of_tree(tree, source.budget, _Found(wants_notices=wants.sha512))


def _of_tree(tree: Tree, budget: Budget, found: _Found) -> Iterator[Seen]:
    facts = Facts(tree)
    where = tree.locate(PLAIN)
    try:
        _, node = tree.lookup(PLAIN)
        _walk(tree.fs, node, budget, found)
    except EntryNotFoundError:
        where = tree.locate(PACKED)
        packed = read_config(tree, PACKED, LIMIT)
        if packed.state is State.ABSENT:
            yield facts.covers("attribution:*")
            return
        try:
            if packed.state is State.UNREAD:
                raise SourceError(packed.reason)
            from rocketaudit.formats.squashfs import open_squashfs

            fs = open_squashfs(BytesReader(packed.data), budget)
            _walk(fs, fs.root(), budget, found)
        except (SourceError, FormatError) as error:
            found.problems.append(str(error))
    except (SourceError, FormatError, OSError) as error:
        found.problems.append(str(error))
    yield from _facts(facts, found, where)


def _facts(facts: Facts, found: _Found, where: Locator) -> Iterator[Seen]:
    for package in sorted(found.licences)[:MAX_FACTS]:
        yield facts.present(Key("attribution", (package,)), dict(sorted(found.licences[package].items())), where)
    for package in sorted(found.notices)[:MAX_FACTS]:
        yield facts.present(Key("copyright", (package,)), dict(sorted(found.notices[package].items())), where)
    if found.problems:
        yield facts.unread(PROBLEMS, where, "; ".join(found.problems[:10]))
    else:
        yield facts.covers("attribution:*")
        yield facts.covers("attribution_problems:*")
        if found.wants_notices:
            yield facts.covers("copyright:*")


def _walk(fs: FileSystem, top: Node, budget: Budget, found: _Found) -> None:
    """Every attribution.txt below `top`; a damaged folder is a problem and the walk goes on."""
    if top.type is not FileType.DIRECTORY:
        found.problems.append("the licence tree is no folder")
        return
    pending: list[tuple[tuple[str, ...], Node]] = [((), top)]
    seen = {top.number}
    while pending:
        parts, directory = pending.pop()
        try:
            for raw, node in fs.entries(directory):
                budget.enter()
                _entry(fs, (*parts, bytepath.encode(raw)), node, found, pending, seen)
        except (FormatError, OSError) as error:
            found.problems.append(f"{'/'.join(parts)}: {error}")


def _entry(
    fs: FileSystem,
    parts: tuple[str, ...],
    node: Node | BadNode,
    found: _Found,
    pending: list[tuple[tuple[str, ...], Node]],
    seen: set[int],
) -> None:
    if isinstance(node, BadNode):
        found.problems.append(f"{'/'.join(parts)}: {node.reason}")
    elif node.type is FileType.DIRECTORY and node.number not in seen and len(parts) < MAX_DEPTH:
        seen.add(node.number)
        pending.append((parts, node))
    elif len(parts) > 1 and node.type is FileType.REGULAR and (found.wants_notices or parts[-1] == FILE_NAME):
        found.texts += 1
        if found.texts > MAX_TEXTS:
            raise FormatError(f"more than {MAX_TEXTS} licence texts")
        _text(fs, parts, node, found)


def _text(fs: FileSystem, parts: tuple[str, ...], node: Node, found: _Found) -> None:
    """The licence that an attribution.txt states, and the notices of any text."""
    package, folder = parts[0], "/".join(parts[1:-1])
    data = fs.read(node, 0, min(MAX_TEXT if found.wants_notices else HEAD, node.size))
    if parts[-1] == FILE_NAME:
        found.licences.setdefault(package, {})[folder] = parse_attribution(data[:HEAD]) or ""
    if found.wants_notices:
        stated = parse_copyright(data)
        found.characters += sum(map(len, stated))
        if found.characters > MAX_NOTICES:
            raise FormatError(f"more than {MAX_NOTICES} characters of copyright notices")
        known = dict.fromkeys((*found.notices.get(package, {}).get(folder, ()), *stated))
        if known:
            found.notices.setdefault(package, {})[folder] = tuple(known)[:MAX_STATEMENTS]


STATIC = Collector("attribution", Plane.STATIC, ("attribution:*", "attribution_problems:*", "copyright:*"), _collect)
