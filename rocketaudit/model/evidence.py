"""Evidence: everything that was seen of one target, as one immutable value."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import field
from fnmatch import fnmatchcase

from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.binary import Binary
from rocketaudit.model.disk import DiskSummary
from rocketaudit.model.fact import Assurance, Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import MAX_LINKS, FileType
from rocketaudit.model.gap import Gap as Gap
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target, Tool

RAW = "raw"  # facts: digests of bytes of a disk that no hash tree covers
NOT_COLLECTED = "not collected"
# starts the reason of a gap that is a layer which every boot lays over the system: what it lies over is read there,
# and what it adds is told by name
LAYER = "a layer of every boot: "
OUTSIDE = "outside the system: "  # starts the reason of a gap that hides no file of the operating system itself


@dataclass(frozen=True, slots=True)
class SignedBlob:
    """Bytes (base64) that a signature covers or makes, at most 1 MiB: grub.cfg and its .sig, root.json ..."""

    name: str
    data: str
    where: Locator
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at: keys like `pattern` (glob over the written key) that are not facts are absent."""

    plane: Plane
    scope: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Wants:
    """What the outputs and rules of this run ask of the collectors, known before the target is opened."""

    keys: tuple[Key, ...] = ()
    sha512: bool = False
    target_digest: bool = False
    binaries: bool = True
    search: bool = True
    digests: bool = True
    verity: bool = True
    signatures: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts, files, binaries, packages and verity checks of one target; analyses take it and read nothing else.

    `judged` is the scope of the root that boots next (bank-a, bank-b, root, node). `walked` names the scopes
    whose tree was walked to the end (but for `gaps`).
    """

    target: Target
    judged: str
    facts: tuple[Fact, ...] = ()
    files: tuple[FileRecord, ...] = ()
    binaries: tuple[Binary, ...] = ()
    packages: tuple[Package, ...] = ()
    disk: DiskSummary | None = None
    verity: tuple[BankVerity, ...] = ()
    blobs: tuple[SignedBlob, ...] = ()
    covered: tuple[Coverage, ...] = ()
    walked: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    collected_by: Tool = Tool("rocketaudit", "")
    when: str = ""
    host: str = ""
    assurance: Assurance = Assurance.DIRECT
    sha512: bool = False
    _facts: dict[tuple[Key, Plane, str], Fact] = field(default_factory=dict, repr=False, compare=False)
    _files: dict[tuple[str, str], FileRecord] = field(default_factory=dict, repr=False, compare=False)
    _children: dict[tuple[str, str], list[str]] = field(default_factory=dict, repr=False, compare=False)
    _surveys: dict[str, object] = field(default_factory=dict, repr=False, compare=False)  # of the benchmark

    def get(self, key: Key, plane: Plane, scope: str | None = None) -> Fact:
        """The fact under `key` in `scope` (default: the judged one); never None: what nobody looked at is unread."""
        where = self.judged if scope is None else scope
        if key.namespace == "file":
            return self._file_fact(key, plane, where)
        found = self._fact_index().get((key, plane, where))
        if found is not None:
            return found
        place = Locator(self.target.name, where)
        text = str(key)
        for cover in self.covered:
            if cover.plane is plane and cover.scope == where and fnmatchcase(text, cover.pattern):
                return Fact(key, plane, State.ABSENT, place, scope=where)
        return Fact(key, plane, State.UNREAD, place, reason=NOT_COLLECTED, scope=where)

    def find(self, namespace: str, plane: Plane | None = None, scope: str | None = None) -> Iterator[Fact]:
        """All facts of a namespace in `scope` (default: the judged one), in stored order."""
        where = self.judged if scope is None else scope
        for fact in self.facts:
            if fact.key.namespace == namespace and fact.scope == where and plane in (None, fact.plane):
                yield fact

    def scope_files(self, scope: str | None = None) -> Iterator[FileRecord]:
        """All files of `scope` (default: the judged one)."""
        where = self.judged if scope is None else scope
        return (record for record in self.files if record.scope == where)

    def file(self, path: str, scope: str | None = None, *, follow: bool = True) -> FileRecord | None:
        """The record at `path` with links resolved inside the tree, or None: ask `is_known_absent` what that means."""
        where = self.judged if scope is None else scope
        resolved = self.resolve(path, where, follow=follow)
        return None if resolved is None else self._file_index().get((where, resolved))

    def resolve(self, path: str, scope: str | None = None, *, follow: bool = True) -> str | None:
        """`path` without symbolic links, as far as the records know them; None for a loop of links."""
        where = self.judged if scope is None else scope
        parent, _, name = path.rpartition("/")
        if parent and name and name != "." and name != "..":
            folders = self._known_folders()  # most questions are about few folders
            folder = folders.get((where, parent), "")
            if folder == "":
                folder = folders[where, parent] = self._walk(parent, where, follow=True)
            if folder is None:
                return None
            place = f"/{name}" if folder == "/" else f"{folder}/{name}"
            record = self._file_index().get((where, place))
            if record is None or record.type is not FileType.SYMLINK or not follow:
                return place
        return self._walk(path, where, follow=follow)

    def _known_folders(self) -> dict[tuple[str, str], str | None]:
        """What `resolve` found of folders, for these files and no others."""
        kept = self._surveys.get("/folders")
        if not isinstance(kept, tuple) or kept[0] is not self.files:
            kept = self._surveys["/folders"] = (self.files, {})
        found: dict[tuple[str, str], str | None] = kept[1]
        return found

    def _walk(self, path: str, where: str, *, follow: bool) -> str | None:
        index = self._file_index()
        pending = [part for part in path.split("/") if part and part != "."][::-1]
        done = ""
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                done = posixpath.dirname(done) if done not in ("", "/") else ""
                done = "" if done == "/" else done
                continue
            candidate = f"{done}/{part}"
            record = index.get((where, candidate))
            if record is None or record.type is not FileType.SYMLINK or (not pending and not follow):
                done = candidate
                continue
            links += 1
            if links > MAX_LINKS or not record.target:
                return None
            if record.target.startswith("/"):
                done = ""
            pending.extend([p for p in record.target.split("/") if p and p != "."][::-1])
        return done or "/"

    def children(self, path: str, scope: str | None = None) -> tuple[FileRecord, ...]:
        """The entries of a directory (links in `path` resolved); empty when it has none or is unknown."""
        where = self.judged if scope is None else scope
        if not self._children:
            for record in self.files:
                if record.path != "/":
                    parent = record.path.rpartition("/")[0] or "/"
                    self._children.setdefault((record.scope, parent), []).append(record.path)
        resolved = self.resolve(path, where)
        index = self._file_index()
        return tuple(index[where, name] for name in self._children.get((where, resolved or ""), ()))

    def is_known_absent(self, path: str, scope: str | None = None) -> bool:
        """Whether the walk proves that nothing is at `path`: its tree was walked to the end and no gap hides it."""
        return self.gap_of(path, scope) is None and self.file(path, scope) is None

    def gap_of(self, path: str, scope: str | None = None) -> str | None:
        """Why nothing may be called absent at `path`; None when the tree around it was walked to the end."""
        where = self.judged if scope is None else scope
        if where not in self.walked:
            return NOT_COLLECTED
        resolved = self.resolve(path, where)
        if resolved is None:
            return "a loop of symbolic links"
        for gap in self.gaps:
            if gap.scope == where and (not gap.path or f"{resolved}/".startswith(f"{gap.path.rstrip('/')}/")):
                return gap.reason
        return None

    def _file_fact(self, key: Key, plane: Plane, scope: str) -> Fact:
        path = key.subject[0]
        where = Locator(self.target.name, scope, path)
        record = self.file(path, scope, follow=key.attribute not in ("target", "type"))
        if record is None:
            reason = self.gap_of(path, scope)
            if reason is None:
                return Fact(key, plane, State.ABSENT, where, scope=scope)
            return Fact(key, plane, State.UNREAD, where, reason=reason, scope=scope)
        where = Locator(self.target.name, scope, record.path)
        value = _file_value(record, key.attribute or "type")
        if value is None and record.unread is not None:
            return Fact(key, plane, State.UNREAD, where, reason=record.unread, scope=scope)
        if value is None:
            return Fact(key, plane, State.ABSENT, where, scope=scope)
        return Fact(key, plane, State.PRESENT, where, value, scope=scope)

    def _fact_index(self) -> dict[tuple[Key, Plane, str], Fact]:
        if not self._facts:
            self._facts.update({(fact.key, fact.plane, fact.scope): fact for fact in self.facts})
        return self._facts

    def _file_index(self) -> dict[tuple[str, str], FileRecord]:
        if not self._files:
            self._files.update({(record.scope, record.path): record for record in self.files})
        return self._files


def _file_value(record: FileRecord, attribute: str) -> JsonValue:
    match attribute:
        case "owner":
            return f"{record.uid}:{record.gid}"
        case "mode":
            return f"{record.mode:04o}"
        case "capability":
            return None if record.capability is None else record.capability.permitted
        case "type":
            return record.type.value
        case "size" | "uid" | "gid" | "sha256" | "sha512" | "selinux" | "target" | "interpreter" | "content":
            value: str | int | None = getattr(record, attribute)
            return value
        case _:
            pass
    raise ValueError(f"a file has no attribute {attribute!r}")
