"""Files that came, went or changed: content, mode, owner, labels, links, capabilities."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.drift.areas import is_below_run_time_folder, is_layer
from rocketaudit.analysis.drift.pairing import by_path
from rocketaudit.analysis.drift.sides import Sides, difference, is_empty_bank, not_comparable, place, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import LAYER, OUTSIDE, Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.target import TargetKind

AREA = "files"
_NAMED = frozenset({"security.selinux", "security.capability"})


def compare_files(sides: Sides) -> Iterator[Change]:
    """One change per attribute of a file; a path under a gap of either side is unreadable, never absent."""
    for label, scope_before, scope_after in sides.scopes:
        if scope_before is None or scope_after is None:
            continue
        if is_empty_bank(sides.before, scope_before) or is_empty_bank(sides.after, scope_after):
            continue  # that a bank was filled or emptied is told once, of the bank
        yield from _gaps(sides, label, scope_before, scope_after)
        records = sides.before.scope_files(scope_before), sides.after.scope_files(scope_after)
        before, after = by_path(sides, *records)
        labels_count = sides.same_kind or _is_labelled(before) == _is_labelled(after)
        if not labels_count:  # a folder that was unpacked without its labels
            where = (place(sides.before, scope_before), place(sides.after, scope_after))
            yield unreadable(AREA, f"{label}:labels", "selinux", None, None, where, "one side has no labels at all")
        hidden = _Hidden(sides.before, scope_before), _Hidden(sides.after, scope_after)
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            if old is not None and new is not None:
                if old is not new and not _same(old, new):
                    changes = _changed(sides, f"{label}:{path}", old, new)
                    yield from (change for change in changes if labels_count or change.attribute != "selinux")
            elif (one := old or new) and not hidden[0 if old is None else 1].hides(one.path):  # a gap tells of itself
                where = (place(sides.before, scope_before, one.path), place(sides.after, scope_after, one.path))
                yield from difference(AREA, f"{label}:{path}", "file", summary(old), summary(new), where)


def _gaps(sides: Sides, label: str, before: str, after: str) -> Iterator[Change]:
    old = {gap.path: gap.reason for gap in sides.before.gaps if gap.scope == before}
    new = {gap.path: gap.reason for gap in sides.after.gaps if gap.scope == after}
    if before not in sides.before.walked and "" not in old:
        old[""] = "not walked"
    if after not in sides.after.walked and "" not in new:
        new[""] = "not walked"
    for path in sorted(old.keys() | new.keys()):
        where = (place(sides.before, before, path or None), place(sides.after, after, path or None))
        why = "; ".join(dict.fromkeys(reason for reason in (old.get(path), new.get(path)) if reason))
        subject = f"{label}:{path or '/'}"
        if _is_outside(sides.before, path, old.get(path)) and _is_outside(sides.after, path, new.get(path)):
            yield not_comparable(AREA, subject, "tree", where, why)
        else:
            yield unreadable(AREA, subject, "tree", None, None, where, why)


def _is_outside(evidence: Evidence, path: str, reason: str | None) -> bool:
    """Whether a gap hides nothing of the system itself: only a node has such, in folders that it fills as it runs."""
    if reason is None:
        return True
    if evidence.target.kind is not TargetKind.NODE:
        return False
    is_run_time = reason.startswith(OUTSIDE) and is_below_run_time_folder(path)
    return is_run_time or (reason.startswith(LAYER) and is_layer(path))


def _is_labelled(records: dict[str, FileRecord]) -> bool:
    return any(record.selinux is not None for record in records.values())


class _Hidden:
    """What of a scope nobody saw; asked once per path that one side lacks."""

    def __init__(self, evidence: Evidence, scope: str) -> None:
        self._all = scope not in evidence.walked
        self._gaps = {gap.path.rstrip("/") for gap in evidence.gaps if gap.scope == scope}

    def hides(self, path: str) -> bool:
        if self._all or "" in self._gaps:
            return True
        while path and path not in self._gaps:
            path = path.rpartition("/")[0]
        return bool(path)


def summary(record: FileRecord | None) -> JsonValue:
    """What a reader wants to know of a file that came or went."""
    if record is None:
        return None
    found: dict[str, JsonValue] = {
        "type": record.type.value,
        "mode": f"{record.mode:04o}",
        "owner": f"{record.uid}:{record.gid}",
    }
    if record.type is FileType.REGULAR:
        found |= {"size": record.size, "sha256": record.sha256}
    for name, value in (("target", record.target), ("content", record.content), ("selinux", record.selinux)):
        if value:
            found[name] = value
    if record.capability is not None:
        found["capability"] = _capability(record)
    return found


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
        and old.selinux == new.selinux
        and old.capability == new.capability
        and old.nlink == new.nlink
        and old.rdev == new.rdev
        and old.unread is None
        and new.unread is None
    )


def _changed(sides: Sides, subject: str, old: FileRecord, new: FileRecord) -> Iterator[Change]:
    where = (place(sides.before, old.scope, old.path), place(sides.after, new.scope, new.path))
    if old.type is not new.type:
        yield from difference(AREA, subject, "type", old.type.value, new.type.value, where)
        return
    unread = "; ".join(dict.fromkeys(reason for reason in (old.unread, new.unread) if reason is not None))
    if old.unread is not None or new.unread is not None:
        yield unreadable(AREA, subject, "content", old.sha256, new.sha256, where, unread)
    elif old.type is FileType.REGULAR:
        yield from _content(subject, old, new, where)
    pairs: list[tuple[str, JsonValue, JsonValue]] = [
        ("mode", f"{old.mode:04o}", f"{new.mode:04o}"),
        ("owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"),
        ("target", old.target, new.target),
        ("device", old.rdev, new.rdev),
    ]
    if not any(record.unread is not None and not record.xattrs for record in (old, new)):
        pairs.append(("selinux", old.selinux, new.selinux))
        pairs.append(("capability", _capability(old), _capability(new)))
        pairs.append(("xattrs", _others(old), _others(new)))
    if old.type is FileType.REGULAR:  # of a folder it counts what is in it, which is told by itself
        pairs.append(("hard_links", old.nlink, new.nlink))
    for attribute, before, after in pairs:
        yield from difference(AREA, subject, attribute, before, after, where)


def _content(subject: str, old: FileRecord, new: FileRecord, where: tuple[Locator, Locator]) -> Iterator[Change]:
    if (old.sha256 is None or new.sha256 is None) and old.size == new.size:
        if old.sha256 != new.sha256:
            yield unreadable(AREA, subject, "content", old.sha256, new.sha256, where, "no digest on one side")
        return
    before: dict[str, JsonValue] = {"sha256": old.sha256, "size": old.size}
    after: dict[str, JsonValue] = {"sha256": new.sha256, "size": new.size}
    yield from difference(AREA, subject, "content", before, after, where)


def _capability(record: FileRecord) -> JsonValue:
    if record.capability is None:
        return None
    held = record.capability
    flags = ("effective",) if held.effective else ()
    owner = () if held.root_id is None else (f"root id {held.root_id}",)
    return (*held.permitted, *(f"inheritable {name}" for name in held.inheritable), *flags, *owner)


def _others(record: FileRecord) -> JsonValue:
    """Attributes that are not shown decoded already."""
    known = {"security.selinux"} if record.selinux is not None else set()
    known |= {"security.capability"} if record.capability is not None else set()
    rest = {name: value for name, value in record.xattrs if name not in known & _NAMED}
    return rest or None
