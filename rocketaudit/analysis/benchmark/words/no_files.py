"""`no_files`: what a tree must not hold, by its rights, its name or what it acts as."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.survey import Survey, survey_of
from rocketaudit.analysis.benchmark.words.files import short_path
from rocketaudit.model.binary import ACTS_AS
from rocketaudit.model.evidence import OUTSIDE, Evidence, Gap
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

MAX_NAMED = 10
MAX_FACTS = 50


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
# told by extended attributes, which may be what could not be read of a file
_OF_ATTRIBUTES = frozenset({"capability", "unlabelled", "access_list"})
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
    with those that the file may have: `/usr/bin/newuidmap=cap_setuid`); nor a program that acts so under any name."""

    that_are: str
    under: tuple[str, ...]
    named: tuple[str, ...]
    excepted: tuple[str, ...]
    acting_as: str = ""

    @classmethod
    def of(cls, raw: object) -> NoFiles:
        arguments = Arguments("no_files", raw)
        word = cls(
            arguments.choice("that_are", tuple(PROPERTIES)),
            arguments.texts("under", ("/",)),
            arguments.texts("named", ()),
            arguments.texts("except", ()),
            arguments.choice("or_acting_as", ("shell", "interpreter")) if arguments.has("or_acting_as") else "",
        )
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (Key("file", ("*",), PROPERTIES[self.that_are][1]),)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        attribute = PROPERTIES[self.that_are][1]
        found, unread = self._look(evidence, scope)
        acting = self._acting(evidence, scope, found)
        what = NAMES.get(self.that_are, f"{self.that_are.replace('_', ' ')} file")
        if found:
            facts = tuple(_fact_of(evidence, record, attribute) for record in found[:MAX_FACTS])
            names = _listed([short_path(record.path) for record in found])
            more = f"; by its content: {_listed(list(acting))}" if acting else ""
            return Outcome(Verdict.FAIL, f"found {len(found)}: {what}: {names}{more}", (*facts, *acting.values()))
        if acting:
            why = f"found {len(acting)}: {self.acting_as} under another name: {_listed(list(acting))}"
            return Outcome(Verdict.FAIL, why, tuple(acting.values()))
        gap = self._gap(evidence, scope, unread)
        if gap:
            return Outcome(Verdict.UNKNOWN, f"no {what} was found, but {gap}")
        count = len(survey_of(evidence, scope).records)
        key = Key("files", (scope,), "walked")
        seen = Fact(key, Plane.STATIC, State.PRESENT, Locator(evidence.target.name, scope), count, scope=scope)
        return Outcome(Verdict.PASS, f"no {what} among {count} entries", (seen,))

    def _acting(self, evidence: Evidence, scope: str, named: list[FileRecord]) -> dict[str, Fact]:
        """Programs that were not found by name, and by which byte they are known."""
        if not self.acting_as:
            return {}
        known = {record.path for record in named}
        found: dict[str, Fact] = {}
        for binary in evidence.binaries:
            if binary.scope != scope or binary.path in known or len(found) >= MAX_FACTS:
                continue
            for signal in binary.signals:
                if signal.kind != ACTS_AS:
                    continue
                group, _, name = signal.value.partition(": ")
                if group == self.acting_as and not self._is_elsewhere(binary.path):
                    where = Locator(evidence.target.name, scope, binary.path, signal.offset)
                    key = Key("binary", (binary.path,), ACTS_AS)
                    fact = Fact(key, Plane.STATIC, State.PRESENT, where, signal.value, scope=scope)
                    found.setdefault(f"{short_path(binary.path)} ({name})", fact)
        return found

    def _is_elsewhere(self, path: str) -> bool:
        roots = tuple(root.rstrip("/") + "/" for root in self.under)
        shown = short_path(path)
        return not f"{shown}/".startswith(roots) or any(fnmatchcase(shown, one) for one in self.excepted)

    def _look(self, evidence: Evidence, scope: str) -> tuple[list[FileRecord], list[FileRecord]]:
        """(files that are so, files of which that cannot be said)."""
        test = PROPERTIES[self.that_are][0]
        roots = tuple(root.rstrip("/") + "/" for root in self.under)
        survey = survey_of(evidence, scope)
        asked, unread = survey.noted if self.that_are in RARE else survey.records, survey.unread
        if self.named:
            asked = survey.named(*_names(self.named))
            unread = [record for record in asked if record.unread is not None]
        if self.acting_as:  # what a program acts as is not known before it is read
            return [one for one in asked if test(one) and self._counts(one, roots)], _unread_programs(survey)
        if self.that_are in _OF_ATTRIBUTES:
            hidden = [record for record in unread if not record.xattrs and self._counts(record, roots)]
            paths = {record.path for record in hidden}
            return [one for one in asked if test(one) and one.path not in paths and self._counts(one, roots)], hidden
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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _unread_programs(survey: Survey) -> list[FileRecord]:
    return [one for one in survey.unread if one.content == "elf" and one.is_executable]


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
