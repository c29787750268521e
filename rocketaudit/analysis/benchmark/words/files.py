"""`file`, `file_mode`, `file_owner` and `no_files`: what the tree holds, and with which rights."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.survey import survey_of
from rocketaudit.errors import UsageError
from rocketaudit.model.evidence import OUTSIDE, Evidence, Gap
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

_MODE = re.compile(r"0[0-7]{3,4}\Z")
_OWNER = re.compile(r"[0-9]+:[0-9]+\Z")
_SYS_ROOT = re.compile(r"/[^/]+-bottlerocket-linux-gnu/sys-root(?=/|\Z)")
FACTORY = "/usr/share/factory"
MAX_NAMED = 10
MAX_FACTS = 50


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


def _is_writable_by_all(record: FileRecord) -> bool:
    if record.type is FileType.DIRECTORY:
        return bool(record.mode & 0o002) and not record.mode & 0o1000
    return record.type is not FileType.SYMLINK and bool(record.mode & 0o002)


def _is_program(record: FileRecord) -> bool:
    return record.is_executable or record.type is FileType.SYMLINK


def _is_readable_secret(record: FileRecord) -> bool:
    return record.type is FileType.REGULAR and bool(record.mode & 0o077)


# property -> (test, attribute that the report shows)
PROPERTIES: dict[str, tuple[Callable[[FileRecord], bool], str]] = {
    "setuid": (lambda record: record.is_setuid, "mode"),
    "setgid": (lambda record: record.is_setgid, "mode"),
    "capability": (lambda record: record.capability is not None, "capability"),
    "world_writable": (_is_writable_by_all, "mode"),
    "device": (lambda record: record.type in (FileType.CHARACTER, FileType.BLOCK), "type"),
    "script": (lambda record: record.content == "script" and record.is_executable, "interpreter"),
    "program": (_is_program, "type"),
    "not_owned_by_root": (lambda record: record.uid != 0, "owner"),
    "not_private": (_is_readable_secret, "mode"),
    "unlabelled": (lambda record: not record.selinux, "type"),
    "access_list": (lambda record: any(name.startswith("system.posix_acl_") for name, _ in record.xattrs), "mode"),
    "disk_image": (lambda record: record.content == "image", "content"),
    "any": (lambda record: bool(record.path), "type"),
}
# what a survey notes beforehand; the others hold of many files
RARE = frozenset(PROPERTIES) - {"program", "not_private", "any"}
NAMES = {
    "any": "file of such a name",
    "program": "program of such a name",
    "script": "executable script",
    "capability": "file with capabilities",
    "not_owned_by_root": "file that does not belong to root",
    "disk_image": "disk image",
    "device": "device node",
    "access_list": "file with an access control list",
}


@dataclass(frozen=True, slots=True)
class NoFiles:
    """`no_files`: nothing below `under` that is `that_are`, is `named` so, and is not excepted (globs, for capabilities
    with those that the file may have: `/usr/bin/newuidmap=cap_setuid`)."""

    that_are: str
    under: tuple[str, ...]
    named: tuple[str, ...]
    excepted: tuple[str, ...]

    @classmethod
    def of(cls, raw: object) -> NoFiles:
        arguments = Arguments("no_files", raw)
        word = cls(
            arguments.choice("that_are", tuple(PROPERTIES)),
            arguments.texts("under", ("/",)),
            arguments.texts("named", ()),
            arguments.texts("except", ()),
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("file", ("*",), PROPERTIES[self.that_are][1]),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        attribute = PROPERTIES[self.that_are][1]
        found, unread = self._look(evidence, scope)
        what = NAMES.get(self.that_are, f"{self.that_are.replace('_', ' ')} file")
        if found:
            facts = tuple(_fact_of(evidence, record, attribute) for record in found[:MAX_FACTS])
            names = ", ".join(short_path(record.path) for record in found[:MAX_NAMED])
            more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
            return Outcome(Verdict.FAIL, f"found {len(found)}: {what}: {names}{more}", facts)
        gap = self._gap(evidence, scope, unread)
        if gap:
            return Outcome(Verdict.UNKNOWN, f"no {what} was found, but {gap}")
        count = len(survey_of(evidence, scope).records)
        key = Key("files", (scope,), "walked")
        seen = Fact(key, Plane.STATIC, State.PRESENT, Locator(evidence.target.name, scope), count, scope=scope)
        return Outcome(Verdict.PASS, f"no {what} among {count} entries", (seen,))

    def _look(self, evidence: Evidence, scope: str) -> tuple[list[FileRecord], list[FileRecord]]:
        """(files that are so, files of which that cannot be said)."""
        test = PROPERTIES[self.that_are][0]
        roots = tuple(root.rstrip("/") + "/" for root in self.under)
        survey = survey_of(evidence, scope)
        asked, unread = survey.noted if self.that_are in RARE else survey.records, survey.unread
        if self.named:
            asked = survey.named(*_names(self.named))
            unread = [record for record in asked if record.unread is not None]
        if self.that_are not in ("script", "disk_image"):
            unread = []
        found = [record for record in asked if test(record) and self._counts(record, roots)]
        return found, [record for record in unread if not record.content]

    def _counts(self, record: FileRecord, roots: tuple[str, ...]) -> bool:
        path = short_path(record.path)
        # only what lies below /usr is known by its place in the sysroot: /dev and its like are those of the root
        known = path if path.startswith("/usr/") else record.path
        return f"{path}/".startswith(roots) and not any(_is_excepted(record, known, one) for one in self.excepted)

    def _gap(self, evidence: Evidence, scope: str, unread: list[FileRecord]) -> str:
        if scope not in evidence.walked:
            return "the tree was not walked to its end"
        for gap in evidence.gaps:
            if gap.scope == scope and self._counts_gap(gap):
                return f"{gap.path or 'a part of it'} could not be read: {gap.reason}"
        return f"{unread[0].path} could not be read: {unread[0].unread}" if unread else ""

    def _counts_gap(self, gap: Gap) -> bool:
        """Whether a gap may hide such a file; one outside of the system does only if a rule looks right there."""
        path = short_path(gap.path) if gap.path else ""
        if gap.reason.startswith(OUTSIDE):
            return any(f"{root.rstrip('/')}/".startswith(f"{path}/") for root in self.under if path)
        return self._touches(path)

    def _touches(self, path: str) -> bool:
        return not path or any(
            f"{path}/".startswith(f"{root.rstrip('/')}/") or f"{root.rstrip('/')}/".startswith(f"{path}/")
            for root in self.under
        )


def _is_excepted(record: FileRecord, known: str, pattern: str) -> bool:
    """Whether a file is excepted; `glob=cap_setuid` excepts it only with these capabilities and no others."""
    glob, _, capabilities = pattern.partition("=")
    if not capabilities:
        return fnmatchcase(known, pattern)
    held = record.capability
    given = {*held.permitted, *held.inheritable} if held is not None else set()
    return fnmatchcase(known, glob) and given <= set(capabilities.split(","))


@cache
def _names(named: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names without wildcards, and the others."""
    globs = tuple(name for name in named if any(char in name for char in "*?["))
    return tuple(name for name in named if name not in globs), globs


def _fact_of(evidence: Evidence, record: FileRecord, attribute: str) -> Fact:
    key = Key("file", (record.path,), attribute)
    fact = evidence.get(key, Plane.STATIC, record.scope)
    if fact.state is State.PRESENT:
        return fact
    where = Locator(evidence.target.name, record.scope, record.path)
    return Fact(
        Key("file", (record.path,), "type"), Plane.STATIC, State.PRESENT, where, record.type.value, "", record.scope
    )
