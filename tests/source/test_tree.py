"""A walk keeps what is there, names what is wrong, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.source.memory import MemoryFileSystem, file
from rocketaudit.source.tree import Entry, Tree, WalkGap


class Listed(MemoryFileSystem):
    """A file system whose directories hold what a test says: by inode number, names with nodes or errors."""

    def __init__(self, folders: dict[int, Any]) -> None:
        super().__init__({})
        self.folders = folders

    def root(self) -> Node:
        return folder(1)

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        for item in self.folders.get(directory.number, ()):
            if isinstance(item, Exception):
                raise item
            yield item


def folder(number: int) -> Node:
    return Node(number, FileType.DIRECTORY, 0o755, 0, 0, 0, 0, 0, 2, None, 0, None)


def plain(number: int) -> Node:
    return folder(number)._replace(type=FileType.REGULAR)


def walked(folders: dict[int, Any], budget: Budget | None = None) -> list[tuple[bytes, str]]:
    """(path, "" or what is wrong) of every step below the root."""
    steps = Tree("root", "root", Listed(folders)).walk(budget or Budget())
    return [(step.path, "" if isinstance(step, Entry) else step.reason) for step in steps][1:]


def test_a_walk_meets_every_entry_parents_first() -> None:
    tree = Tree("root", "root", MemoryFileSystem({"/a/b/c": file("x"), "/d": file("y")}))
    steps = [step.path for step in tree.walk(Budget()) if isinstance(step, Entry)]
    assert sorted(steps) == [b"/", b"/a", b"/a/b", b"/a/b/c", b"/d"]
    assert steps.index(b"/a") < steps.index(b"/a/b") < steps.index(b"/a/b/c")


@pytest.mark.parametrize("before", [0, 1, 511, 512, 513, 1024])
def test_entries_before_an_error_are_kept_however_many_there_are(before: int) -> None:
    names = [(b"%d" % number, plain(10 + number)) for number in range(before)]
    found = walked({1: [*names, FormatError("a hole")]})
    assert found == [(name, "") for name in (b"/" + n for n, _ in names)] + [(b"/", "a hole")]


@pytest.mark.parametrize("between", [0, 600])
def test_a_name_that_is_there_twice_is_a_gap_also_when_it_is_far_away(between: int) -> None:
    names = [(b"%d" % number, plain(10 + number)) for number in range(between)]
    found = dict(walked({1: [(b"x", plain(2)), *names, (b"x", plain(3)), (b"y", plain(4))]}))
    assert found[b"/x"] == "two entries with the same name"
    assert found[b"/y"] == ""
    assert len(found) == between + 2


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b", b"/"])
def test_an_impossible_name_is_a_gap_and_the_others_are_kept(name: bytes) -> None:
    found = walked({1: [(b"a", plain(2)), (name, plain(3)), (b"z", folder(4))], 4: [(b"in", plain(5))]})
    assert found == [(b"/a", ""), (b"/", f"an entry with the impossible name {name!r}"), (b"/z", ""), (b"/z/in", "")]


def test_a_folder_within_itself_is_a_gap() -> None:
    found = walked({1: [(b"a", folder(2))], 2: [(b"up", folder(1)), (b"b", folder(3))], 3: [(b"again", folder(2))]})
    loops = [path for path, reason in found if "(loop)" in reason]
    assert loops == [b"/a/up", b"/a/b/again"]


def test_folders_without_end_stop_at_the_depth_of_the_budget() -> None:
    class Endless(Listed):
        def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
            yield b"d", folder(directory.number + 1)

    steps = list(Tree("root", "root", Endless({})).walk(Budget(max_depth=9)))
    assert isinstance(steps[-1], WalkGap)
    assert steps[-1].reason == "nested deeper than 9 levels"
    assert len(steps) == 12


def test_a_folder_without_end_stops_the_walk_at_the_entries_of_the_budget() -> None:
    class Endless(Listed):
        def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
            for number in count(2):
                yield b"%d" % number, folder(directory.number * 100_000 + number)

    steps: list[Entry | WalkGap] = []
    with pytest.raises(BudgetError, match="5000 entries"):
        steps.extend(Tree("root", "root", Endless({})).walk(Budget(max_entries=5000)))
    assert steps[-1] == WalkGap(b"/", "more than 5000 entries in this scan")
    assert len(steps) < 6000


def test_what_one_folder_may_not_hold_does_not_end_the_walk() -> None:
    found = walked({1: [(b"a", folder(2)), (b"b", folder(3))], 2: [BudgetError("too large")], 3: [(b"c", plain(4))]})
    assert (b"/a", "too large") in found
    assert (b"/b/c", "") in found


def test_long_names_of_folders_are_not_piled_up_without_end() -> None:
    """A path of n levels is n names long, though an image holds each name once."""

    class Wide(Listed):
        def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
            for number in range(10):
                yield b"%d" % number + b"x" * 250, folder(directory.number * 10 + number)

    steps: list[Entry | WalkGap] = []
    with pytest.raises(BudgetError, match="bytes of names"):
        steps.extend(Tree("root", "root", Wide({})).walk(Budget(max_held=100_000)))
    assert sum(len(step.path) for step in steps) < 300_000
