"""What collectors of a running node share: facts of the runtime plane, and files of /proc and /sys as facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.errors import RocketauditError
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Coverage
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import TargetKind
from rocketaudit.source.places import MAX_TEXT, NODE, error_text, read_text
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.source.live import LiveSource


@dataclass(frozen=True, slots=True)
class Seen:
    """One file of /proc or /sys: its text, or why there is none."""

    state: State
    where: Locator
    text: str = ""
    reason: str = ""


class RuntimeFacts:
    """Makes facts of the runtime plane, whoever saw them."""

    __slots__ = ()

    @property
    def scope(self) -> str:
        return NODE

    def present(self, key: Key, value: JsonValue, where: Locator) -> Fact:
        return Fact(key, Plane.RUNTIME, State.PRESENT, where, value, scope=self.scope)

    def absent(self, key: Key, where: Locator) -> Fact:
        return Fact(key, Plane.RUNTIME, State.ABSENT, where, scope=self.scope)

    def unread(self, key: Key, where: Locator, reason: str) -> Fact:
        return Fact(key, Plane.RUNTIME, State.UNREAD, where, reason=reason, scope=self.scope)

    def covers(self, pattern: str) -> Coverage:
        return Coverage(Plane.RUNTIME, self.scope, pattern)


@dataclass(frozen=True, slots=True)
class Running(RuntimeFacts):
    """Makes the runtime facts of the node on which we run."""

    node: LiveSource

    @property
    def scope(self) -> str:
        return self.node.judged

    def of(self, key: Key, seen: Seen, value: JsonValue) -> Fact:
        """The fact of a file: `value` when it is there, else absent or unread as the file."""
        match seen.state:
            case State.PRESENT:
                return self.present(key, value, seen.where)
            case State.ABSENT:
                return self.absent(key, seen.where)
            case State.UNREAD:
                return self.unread(key, seen.where, seen.reason)

    def locate(self, path: Path) -> Locator:
        """The place of a file as this process sees it."""
        base = self.node.places.base
        shown = f"/{path.relative_to(base)}" if path.is_relative_to(base) else str(path)
        return Locator(self.node.target.name, "", bytepath.encode(shown.encode("utf-8", "surrogateescape")))

    def read(self, *paths: Path, missing: str = "", limit: int = MAX_TEXT) -> Seen:
        """The first of several places that can be read.

        A place that is not there is absent only when `missing` is ""; otherwise unread for that reason: a file
        that a container's /sys lacks says nothing about the node.
        """
        found = Seen(State.UNREAD, Locator(self.node.target.name), reason="nowhere to look")
        for number, path in enumerate(paths):
            where = self.locate(path)
            try:
                return Seen(State.PRESENT, where, read_text(path, limit))
            except FileNotFoundError:
                gone = Seen(State.UNREAD if missing else State.ABSENT, where, reason=missing)
                found = gone if number == 0 else found
            except (RocketauditError, OSError, ValueError) as error:
                found = Seen(State.UNREAD, where, reason=error_text(error))
        return found


def running_node(source: Source) -> Running | None:
    """The node to ask, None for an image or a folder."""
    if source.target.kind is not TargetKind.NODE:
        return None
    from rocketaudit.source.live import LiveSource  # and all that looks at a node, which an image does not need

    return Running(source) if isinstance(source, LiveSource) else None
