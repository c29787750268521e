"""Packages of the target's own inventory that came, went or changed their version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rocketaudit.analysis.drift.sides import Sides, difference, is_empty_bank, place, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.package import Package

AREA = "packages"


def compare_packages(sides: Sides) -> Iterator[Change]:
    """Packages by name; several of one name are compared as the set of their versions."""
    for label, before, after in sides.scopes:
        if before is None or after is None:
            continue
        if is_empty_bank(sides.before, before) or is_empty_bank(sides.after, after):
            continue
        old, new = _packages(sides.before, before), _packages(sides.after, after)
        where = (place(sides.before, before), place(sides.after, after))
        if bool(old) != bool(new):  # an inventory that is missing as a whole says nothing of single packages
            why = "one side has no package inventory"
            yield unreadable(AREA, f"{label}:inventory", "packages", len(old), len(new), where, why)
            continue
        for name in sorted(old.keys() | new.keys()):
            yield from _compare(f"{label}:{name}", old.get(name, []), new.get(name, []), where)


def _compare(subject: str, old: list[Package], new: list[Package], where: tuple[Locator, Locator]) -> Iterator[Change]:
    before, after = _one([version_text(p) for p in old]), _one([version_text(p) for p in new])
    if before != after:
        yield from difference(AREA, subject, "version", before, after, where)
        return
    for attribute in ("arch", "publisher", "package_sha256"):
        left = _one([getattr(p, attribute) or "" for p in old])
        right = _one([getattr(p, attribute) or "" for p in new])
        yield from difference(AREA, subject, attribute, left or None, right or None, where)


def _packages(evidence: Evidence, scope: str) -> dict[str, list[Package]]:
    found: defaultdict[str, list[Package]] = defaultdict(list)
    for package in evidence.packages:
        if package.scope == scope and not package.synthetic:
            found[package.name].append(package)
    return found


def _one(values: list[str]) -> JsonValue:
    distinct = sorted(set(values))
    return None if not distinct else distinct[0] if len(distinct) == 1 else tuple(distinct)


def version_text(package: Package) -> str:
    """epoch:version-release, without the parts that are not stated."""
    text = f"{package.epoch}:{package.version}" if package.epoch not in ("", "0") else package.version
    return f"{text}-{package.release}" if package.release else text
