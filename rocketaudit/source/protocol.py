"""What every target looks like once it is open."""

from __future__ import annotations

from typing import Protocol

from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import DiskSummary
from rocketaudit.model.gap import Gap
from rocketaudit.model.target import Target
from rocketaudit.source.tree import Tree


class Source(Protocol):
    """An opened target. `judged` is the scope of the root tree that boots next ("bank-a", "root", "node").

    `disk` is None where there is no partition table at hand; `gaps` names the parts that did not open.
    """

    @property
    def target(self) -> Target: ...

    @property
    def judged(self) -> str: ...

    @property
    def trees(self) -> tuple[Tree, ...]: ...

    @property
    def disk(self) -> DiskSummary | None: ...

    @property
    def gaps(self) -> tuple[Gap, ...]: ...

    @property
    def budget(self) -> Budget: ...

    def close(self) -> None: ...


def find_tree(source: Source, scope: str) -> Tree | None:
    """The tree of a scope, or None."""
    return next((tree for tree in source.trees if tree.scope == scope), None)
