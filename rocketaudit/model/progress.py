"""How long work tells that it is alive; the library never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of phases and of how much of each is done."""

    def phase(self, name: str, total: int) -> None:
        """A phase of `total` steps (0: unknown) begins."""
        ...

    def advance(self, done: int) -> None:
        """`done` steps of the phase are done."""
        ...


class NoProgress:
    """Nobody is told."""

    def phase(self, name: str, total: int) -> None:
        del name, total

    def advance(self, done: int) -> None:
        del done
