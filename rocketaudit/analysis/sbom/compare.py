"""What changed between two bills of materials: packages, files, crates and modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass

GROUPS = ("system", "package", "crate", "go module", "language package", "file")


@dataclass(frozen=True, slots=True)
class SbomChange:
    """`change` is added, removed or changed; `before` and `after` are versions or digests, "" where there is none."""

    group: str
    change: str
    name: str
    before: str = ""
    after: str = ""


def compare(before: Iterable[Component], after: Iterable[Component]) -> tuple[SbomChange, ...]:
    """All changes by group and name; a name in several versions is compared as the set of them."""
    old, new = _index(before), _index(after)
    found = []
    for group, name in old.keys() | new.keys():
        was, now = old.get((group, name), set()), new.get((group, name), set())
        if was == now:
            continue
        change = "added" if not was else "removed" if not now else "changed"
        gone, come = was - now, now - was
        found.append(SbomChange(group, change, name, ", ".join(sorted(gone)), ", ".join(sorted(come))))
    return tuple(sorted(found, key=lambda c: (GROUPS.index(c.group), c.name, c.change)))


def _index(components: Iterable[Component]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for component in components:
        found[_group(component), component.name].add(_state(component))
    return found


def _group(component: Component) -> str:
    if component.ref.startswith("crate:"):
        return "crate"
    if component.ref.startswith("go:"):
        return "go module"
    if component.kind == "operating-system":
        return "system"
    if component.ref.startswith(("pypi:", "npm:", "maven:")):
        return "language package"
    return "file" if component.kind in ("file", "firmware") else "package"


def _state(component: Component) -> str:
    if component.kind in ("file", "firmware"):
        return dict(component.hashes).get("SHA-256", "unread")
    return component.version
