"""Bills of materials against each other: what a side that is only an SBOM or a report can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rocketaudit.analysis.drift.sides import difference, not_comparable, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.component import Component
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.target import Target

LABEL = "sbom"
# what no bill of materials holds, and no report in full
NOT_HELD = ("banks", "boot", "partitions", "signed-texts", "sysctls", "units", "mounts", "users", "settings", "selinux")
_SHA256 = ("SHA-256", "sha256")


def compare_components(
    before: Iterable[Component], after: Iterable[Component], where: tuple[Locator, Locator], *, could_list: bool = False
) -> Iterator[Change]:
    """Packages by name and kind, as sets of versions; files by path, as digests where both sides state one.

    Of a whole kind that the current side does not list nobody can say anything; that weighs where it could list one
    (`could_list`: it is no bill of materials, or the other side is one too), or lists nothing at all.
    """
    old, new = _named(before), _named(after)
    kinds_before, kinds_after = {kind for kind, _ in old}, {kind for kind, _ in new}
    for kind, name in sorted(old.keys() | new.keys()):
        left, right = old.get((kind, name), []), new.get((kind, name), [])
        area = "files" if kind == "file" else "packages"
        if (not left and kind not in kinds_before) or (not right and kind not in kinds_after):
            continue  # a side that lists none of a kind does not deny it; said once below
        subject = f"{LABEL}:{name}"
        if kind == "file":
            yield from difference(area, subject, "content", _digests(left), _digests(right), where)
        else:
            yield from difference(area, subject, "version", _versions(left), _versions(right), where)
    for kind in sorted(kinds_before ^ kinds_after):
        why = f"a bill of materials without any {kind} does not hold it"
        area, subject = "files" if kind == "file" else "packages", f"{LABEL}:{kind}"
        if kind in kinds_before and (could_list or not kinds_after):
            yield unreadable(area, subject, "kind", None, None, where, why)
        else:
            yield not_comparable(area, subject, "kind", where, why)


def compare_releases(
    before: Target, after: Target, where: tuple[Locator, Locator], *, tell: tuple[bool, bool] = (False, False)
) -> Iterator[Change]:
    """What both say of the release that they are of; `tell` is whether a side would say it if there were one."""
    for name in ("os_id", "variant", "version", "build", "arch"):
        one, two = getattr(before, name) or None, getattr(after, name) or None
        if (one or tell[0]) and (two or tell[1]):
            yield from difference("identity", "release", name, one, two, where)


def not_held(
    kinds: tuple[str, str], where: tuple[Locator, Locator], areas: Iterable[str] = NOT_HELD
) -> Iterator[Change]:
    """One word per area that one of the sides cannot tell, so that silence is not taken for sameness."""
    short = " and ".join(sorted({kind for kind in kinds if kind in ("sbom", "report")}))
    for area in areas:
        yield not_comparable(area, LABEL, "all", where, f"a side that is {short} does not hold it")


def _named(components: Iterable[Component]) -> dict[tuple[str, str], list[Component]]:
    found: defaultdict[tuple[str, str], list[Component]] = defaultdict(list)
    for component in components:
        found[_kind(component), component.name].append(component)
    return found


def _kind(component: Component) -> str:
    """Package URLs tell kinds better than CycloneDX types: an rpm and a crate may have one name."""
    if component.purl.startswith("pkg:"):
        return component.purl[4:].partition("/")[0].partition("@")[0]
    return component.kind


def _versions(components: list[Component]) -> JsonValue:
    distinct = sorted({component.version for component in components})
    return None if not distinct else distinct[0] if len(distinct) == 1 else tuple(distinct)


def _digests(components: list[Component]) -> JsonValue:
    found = {value.lower() for one in components for name, value in one.hashes if name in _SHA256}
    return None if not components else tuple(sorted(found))
