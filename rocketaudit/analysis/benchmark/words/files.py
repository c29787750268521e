"""`file`, `file_mode`, `file_owner` and `no_files`: what the tree holds, and with which rights."""

from __future__ import annotations

import re

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.errors import UsageError
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

_MODE = re.compile(r"0[0-7]{3,4}\Z")
_OWNER = re.compile(r"[0-9]+:[0-9]+\Z")
_SYS_ROOT = re.compile(r"/[^/]+-bottlerocket-linux-gnu/sys-root(?=/|\Z)")
FACTORY = "/usr/share/factory"


def short_path(path: str) -> str:
    """A path as it is known on the running system: without Bottlerocket's sysroot in front."""
    return _SYS_ROOT.sub("", path, count=1) or "/"


@dataclass(frozen=True, slots=True)
class FileIs:
    """`file`: a path that is there or not; `is` may name the type that it must have."""

    path: str
    state: str

    @classmethod
    def of(cls, raw: object) -> FileIs:
        arguments = Arguments("file", raw)
        choices = ("present", "absent", "regular", "directory", "symlink", "socket")
        word = cls(arguments.text("path"), arguments.choice("is", choices))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("file", (self.path,), "type"),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        fact = evidence.get(self.needs()[0], Plane.STATIC, scope)
        if fact.state is State.UNREAD:
            return Outcome(Verdict.UNKNOWN, f"{self.path}: {fact.reason}", (fact,))
        if fact.state is State.ABSENT:
            verdict = Verdict.PASS if self.state == "absent" else Verdict.FAIL
            return Outcome(verdict, f"{self.path} does not exist", (fact,))
        good = self.state == "present" or fact.value == self.state
        why = f"{self.path} is a {fact.value}" + ("" if good else f", expected {self.state}")
        return Outcome(Verdict.PASS if good else Verdict.FAIL, f"{why} ({fact.where})", (fact,))


@dataclass(frozen=True, slots=True)
class FileMode:
    """The permission bits of a file, links followed: no bit beyond `at_most`."""

    path: str
    at_most: int
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> FileMode:
        arguments = Arguments("file_mode", raw)
        path, mode = arguments.text("path"), arguments.text("at_most")
        if not _MODE.match(mode):
            raise UsageError(f'file_mode: at_most must be octal in quotes such as "0644", found {mode!r}')
        word = cls(path, int(mode, 8), arguments.verdict("if_absent"))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("file", (self.path,), "mode"), Key("made_file", (self.path,), "mode"))

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        fact = _on_node_or_factory(evidence, self.needs()[0], planes, scope)
        planned = evidence.get(self.needs()[1], Plane.STATIC, scope)
        if fact.state is State.ABSENT and planes == (Plane.STATIC,) and _MODE.match(str(planned.value)):
            fact = planned  # made on the node with this mode
        if fact.state is not State.PRESENT:
            return _not_there(fact, self.path, self.if_absent)
        extra = int(str(fact.value), 8) & ~self.at_most
        why = f"{self.path} has mode {fact.value}, expected {self.at_most:04o} or tighter ({fact.where})"
        return Outcome(Verdict.FAIL if extra else Verdict.PASS, why, (fact,))


@dataclass(frozen=True, slots=True)
class FileOwner:
    """The numeric owner and group of a file, links followed."""

    path: str
    owner: str
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> FileOwner:
        arguments = Arguments("file_owner", raw)
        path, owner = arguments.text("path"), arguments.text("owner")
        if not _OWNER.match(owner):
            raise UsageError(f'file_owner: owner must be numbers in quotes such as "0:0", found {owner!r}')
        word = cls(path, owner, arguments.verdict("if_absent"))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("file", (self.path,), "owner"),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        fact = _on_node_or_factory(evidence, self.needs()[0], planes, scope)
        if fact.state is not State.PRESENT:
            return _not_there(fact, self.path, self.if_absent)
        good = fact.value == self.owner
        why = f"{self.path} belongs to {fact.value}, expected {self.owner} ({fact.where})"
        return Outcome(Verdict.PASS if good else Verdict.FAIL, why, (fact,))


def _on_node_or_factory(evidence: Evidence, key: Key, planes: tuple[Plane, ...], scope: str) -> Fact:
    """The fact of a path; in an image also of the copy below /usr/share/factory that systemd-tmpfiles puts there."""
    fact = evidence.get(key, Plane.STATIC, scope)
    if fact.state is not State.ABSENT or planes != (Plane.STATIC,) or not key.subject[0].startswith("/etc/"):
        return fact
    copied = evidence.get(Key("file", (FACTORY + key.subject[0],), key.attribute), Plane.STATIC, scope)
    return fact if copied.state is State.ABSENT else copied


def _not_there(fact: Fact, path: str, if_absent: Verdict | None) -> Outcome:
    if fact.state is State.UNREAD:
        return Outcome(Verdict.UNKNOWN, f"{path}: {fact.reason}", (fact,))
    if if_absent is None:
        return Outcome(Verdict.UNKNOWN, f"{path} is not here; if it is made on the node, that needs a node", (fact,))
    return Outcome(if_absent, f"{path} does not exist", (fact,))
