"""Files that came, went or changed: content, mode, owner, labels, links, capabilities."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.drift.sides import Sides, difference, place, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType

AREA = "files"


def compare_files(sides: Sides) -> Iterator[Change]:
    """One change per attribute of a file; a path under a gap of either side is unreadable, never absent."""
    for label, scope_before, scope_after in sides.scopes:
        if scope_before is None or scope_after is None:
            continue
        yield from _gaps(sides, label, scope_before, scope_after)
        before = {record.path: record for record in sides.before.scope_files(scope_before)}
        after = {record.path: record for record in sides.after.scope_files(scope_after)}
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            if old is not None and new is not None:
                if not _same(old, new):
                    yield from _changed(sides, label, old, new)
            else:
                yield from _one_sided(sides, label, path, old, new, (scope_before, scope_after))


def _gaps(sides: Sides, label: str, before: str, after: str) -> Iterator[Change]:
    old = {gap.path: gap.reason for gap in sides.before.gaps if gap.scope == before}
    new = {gap.path: gap.reason for gap in sides.after.gaps if gap.scope == after}
    if before not in sides.before.walked and not old:
        old[""] = "not walked"
    if after not in sides.after.walked and not new:
        new[""] = "not walked"
    for path in sorted(old.keys() | new.keys()):
        where = (place(sides.before, before, path or None), place(sides.after, after, path or None))
        why = "; ".join(dict.fromkeys(reason for reason in (old.get(path), new.get(path)) if reason))
        yield unreadable(AREA, f"{label}:{path or '/'}", "tree", None, None, where, why)


def _one_sided(
    sides: Sides, label: str, path: str, old: FileRecord | None, new: FileRecord | None, scopes: tuple[str, str]
) -> Iterator[Change]:
    where = (place(sides.before, scopes[0], path), place(sides.after, scopes[1], path))
    lacking, scope = (sides.before, scopes[0]) if old is None else (sides.after, scopes[1])
    reason = _hidden(lacking, scope, path)
    if reason is not None:  # the gap itself is reported once
        return
    yield from difference(AREA, f"{label}:{path}", "file", _summary(old), _summary(new), where)


def _hidden(evidence: Evidence, scope: str, path: str) -> str | None:
    if scope not in evidence.walked:
        return "not walked"
    for gap in evidence.gaps:
        if gap.scope == scope and (not gap.path or f"{path}/".startswith(f"{gap.path.rstrip('/')}/")):
            return gap.reason
    return None


def _summary(record: FileRecord | None) -> JsonValue:
    if record is None:
        return None
    summary: dict[str, JsonValue] = {
        "type": record.type.value,
        "mode": f"{record.mode:04o}",
        "owner": f"{record.uid}:{record.gid}",
    }
    if record.type is FileType.REGULAR:
        summary |= {"size": record.size, "sha256": record.sha256}
    if record.target is not None:
        summary["target"] = record.target
    if record.content:
        summary["content"] = record.content
    return summary


def _same(old: FileRecord, new: FileRecord) -> bool:
    return (
        old.sha256 == new.sha256
        and old.mode == new.mode
        and old.size == new.size
        and old.type is new.type
        and old.uid == new.uid
        and old.gid == new.gid
        and old.target == new.target
        and old.xattrs == new.xattrs
        and old.rdev == new.rdev
        and old.unread is None
        and new.unread is None
    )


def _changed(sides: Sides, label: str, old: FileRecord, new: FileRecord) -> Iterator[Change]:
    subject = f"{label}:{old.path}"
    where = (place(sides.before, old.scope, old.path), place(sides.after, new.scope, new.path))
    if old.type is not new.type:
        yield from difference(AREA, subject, "type", old.type.value, new.type.value, where)
        return
    unread = old.unread or new.unread
    if unread is not None:
        yield unreadable(AREA, subject, "content", old.sha256, new.sha256, where, unread)
    elif old.type is FileType.REGULAR:
        yield from _content(subject, old, new, where)
    pairs: tuple[tuple[str, JsonValue, JsonValue], ...] = (
        ("mode", f"{old.mode:04o}", f"{new.mode:04o}"),
        ("owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"),
        ("target", old.target, new.target),
        ("device", old.rdev, new.rdev),
        ("selinux", old.selinux, new.selinux),
        ("capability", _capability(old), _capability(new)),
        ("xattrs", _others(old), _others(new)),
    )
    for attribute, before, after in pairs:
        yield from difference(AREA, subject, attribute, before, after, where)


def _content(subject: str, old: FileRecord, new: FileRecord, where: tuple[Locator, Locator]) -> Iterator[Change]:
    if old.sha256 is None or new.sha256 is None:
        if old.size != new.size:
            yield from difference(AREA, subject, "content", f"{old.size} bytes", f"{new.size} bytes", where)
        elif (old.sha256 is None) != (new.sha256 is None):
            yield unreadable(AREA, subject, "content", old.sha256, new.sha256, where, "no digest on one side")
        return
    if old.sha256 != new.sha256 or old.size != new.size:
        before: dict[str, JsonValue] = {"sha256": old.sha256, "size": old.size}
        after: dict[str, JsonValue] = {"sha256": new.sha256, "size": new.size}
        yield from difference(AREA, subject, "content", before, after, where)


def _capability(record: FileRecord) -> JsonValue:
    if record.capability is None:
        return None
    held = record.capability
    flags = ("effective",) if held.effective else ()
    return (*held.permitted, *(f"inheritable:{name}" for name in held.inheritable), *flags, str(held.root_id or ""))


def _others(record: FileRecord) -> JsonValue:
    named = {"security.selinux", "security.capability"}
    rest = {name: value for name, value in record.xattrs if name not in named}
    return rest or None
