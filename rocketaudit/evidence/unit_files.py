"""Which units a tree has, what pulls them in, and which drop-ins they have: before any of them is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.evidence.config_files import FACTORY, list_folder
from rocketaudit.model import bytepath
from rocketaudit.model.filesystem import BadNode, FileType
from rocketaudit.source.tree import Tree

FOLDERS = (
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    f"{FACTORY}/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)  # systemd.unit(5), without what exists on a running system only
_PULLS = (".wants", ".requires", ".upholds")
_SUFFIXES = (".service", ".socket", ".timer", ".mount", ".target", ".path", ".slice", ".automount", ".swap")


@dataclass(slots=True)
class Found:
    """Unit files and links of one tree, before they are read."""

    files: dict[str, str] = field(default_factory=dict)  # unit name -> folder
    aliases: dict[str, str] = field(default_factory=dict)  # unit name -> the unit that it means, "" for masked
    pulled: set[str] = field(default_factory=set)
    dropped: dict[str, list[str]] = field(default_factory=dict)  # unit name -> its .d folders
    problems: list[tuple[str, str]] = field(default_factory=list)
    tabled: set[str] = field(default_factory=set)  # mount points of /etc/fstab

    def pull(self, names: Iterable[str]) -> None:
        """Units that something starts; of a link that is named, also the unit that it means."""
        self.pulled.update(names)
        self.pulled.update([self.aliases[name] for name in self.pulled if self.aliases.get(name)])

    def drop_in_folders(self, name: str) -> tuple[str, ...]:
        """The .d folders that count for a unit, those of its own name first (systemd.unit(5)): then those of its
        template, of every beginning of its name that ends in a dash, and of all units of its type."""
        base, _, kind = name.rpartition(".")
        instance, at, _ = base.partition("@")
        names = [name, *([f"{instance}@.{kind}"] if at else [])]
        parts = instance.split("-")
        names += [f"{'-'.join(parts[:count])}-.{kind}" for count in range(len(parts) - 1, 0, -1)]
        return tuple(folder for one in dict.fromkeys((*names, kind)) for folder in self.dropped.get(one, ()))


def find_units(tree: Tree) -> Found:
    """The units of a tree; of two files with one name the one in the first folder counts."""
    found = Found()
    for folder in FOLDERS:
        try:
            entries = tree.list(folder)
        except EntryNotFoundError:
            continue
        except (SourceError, FormatError, OSError) as error:
            found.problems.append((folder, str(error)))
            continue
        for name, node in entries:
            path = f"{folder}/{name}"
            if isinstance(node, BadNode):
                found.problems.append((path, node.reason))
            elif node.type is FileType.DIRECTORY:
                _find_in_folder(tree, found, path, name)
            elif name.endswith(_SUFFIXES) and name not in found.files and name not in found.aliases:
                _place(tree, found, folder, name, is_link=node.type is FileType.SYMLINK, is_empty=not node.size)
    return found


def _find_in_folder(tree: Tree, found: Found, path: str, name: str) -> None:
    base, _, kind = name.rpartition(".")
    if f".{kind}" in _PULLS:
        listing = list_folder(tree, path)
        found.pulled.update(listing.names)
        if listing.reason:
            found.problems.append((path, listing.reason))
    elif kind == "d" and f".{base}".endswith(_SUFFIXES):
        found.dropped.setdefault(base, []).append(path)


def _place(tree: Tree, found: Found, folder: str, name: str, *, is_link: bool, is_empty: bool) -> None:
    if is_empty:
        found.aliases[name] = ""
        return
    if is_link:
        try:
            _, node = tree.lookup(f"{folder}/{name}", follow=False)
            target = bytepath.encode(tree.fs.target(node))
        except (SourceError, FormatError, OSError) as error:
            found.problems.append((f"{folder}/{name}", str(error)))
            return
        other = target.rpartition("/")[2]
        if target == "/dev/null" or other != name:
            found.aliases[name] = "" if target == "/dev/null" else other
            return
    found.files[name] = folder
