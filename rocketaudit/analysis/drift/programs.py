"""Programs and packages: language, hardening, contents, versions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields

from rocketaudit.analysis.drift.sides import Sides, difference, place, unreadable
from rocketaudit.model.binary import Binary
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue
from rocketaudit.model.package import Package


def compare_binaries(sides: Sides) -> Iterator[Change]:
    """What changed inside programs that both sides have; their coming and going is told by their files."""
    for label, before, after in sides.scopes:
        if before is None or after is None:
            continue
        old = {binary.path: binary for binary in sides.before.binaries if binary.scope == before}
        new = {binary.path: binary for binary in sides.after.binaries if binary.scope == after}
        for path in sorted(old.keys() & new.keys()):
            one, two = old[path], new[path]
            where = (place(sides.before, before, path), place(sides.after, after, path))
            if one.error or two.error:
                if one.error != two.error:
                    why = one.error or two.error or ""
                    yield unreadable("binaries", f"{label}:{path}", "contents", None, None, where, why)
                continue
            for attribute, left, right in _attributes(one, two):
                yield from difference("binaries", f"{label}:{path}", attribute, left, right, where)


def _attributes(one: Binary, two: Binary) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    for name in ("machine", "bits", "endian", "interpreter", "soname", "build_id", "go_version", "go_main"):
        yield name, getattr(one, name), getattr(two, name)
    yield "kind", one.kind.value, two.kind.value
    yield "language", _language(one), _language(two)
    yield "contains", one.contains, two.contains
    yield "needed", one.needed, two.needed
    yield "crates", _crates(one), _crates(two)
    yield "go_modules", _modules(one), _modules(two)
    yield "module_info", _text(one.module_info), _text(two.module_info)
    yield "package_note", _text(one.package_note), _text(two.package_note)
    left, right = one.hardening, two.hardening
    for field in fields(left):
        before, after = getattr(left, field.name), getattr(right, field.name)
        if before != after:
            yield f"hardening.{field.name}", _plain(before), _plain(after)


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, tuple):
        return tuple(str(part) for part in value)
    return str(value)


def _text(value: object) -> JsonValue:
    return None if value is None else repr(value)


def _language(binary: Binary) -> str:
    return f"{binary.language.value} ({binary.runtime})" if binary.runtime else binary.language.value


def _crates(binary: Binary) -> JsonValue:
    return tuple(sorted(f"{crate.name}@{crate.version}" for crate in binary.crates)) or None


def _modules(binary: Binary) -> JsonValue:
    names = sorted(f"{module.path}@{module.replaced_by or module.version}" for module in binary.go_modules)
    return tuple(names) or None


def compare_packages(sides: Sides) -> Iterator[Change]:
    """Packages by name; several of one name are compared as the set of their versions."""
    for label, before, after in sides.scopes:
        if before is None or after is None:
            continue
        old, new = _packages(sides.before, before), _packages(sides.after, after)
        if not old or not new:  # an inventory that is missing as a whole is told by its file
            if bool(old) != bool(new):
                where = (place(sides.before, before), place(sides.after, after))
                why = "one side has no package inventory"
                yield unreadable("packages", f"{label}:inventory", "packages", len(old), len(new), where, why)
            continue
        for name in sorted(old.keys() | new.keys()):
            where = (place(sides.before, before), place(sides.after, after))
            one, two = old.get(name), new.get(name)
            yield from difference("packages", f"{label}:{name}", "version", one, two, where)


def _packages(evidence: Evidence, scope: str) -> dict[str, JsonValue]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for package in evidence.packages:
        if package.scope == scope and not package.synthetic:
            found[package.name].add(version_text(package))
    return {name: (next(iter(v)) if len(v) == 1 else tuple(sorted(v))) for name, v in found.items()}


def version_text(package: Package) -> str:
    """epoch:version-release, without the parts that are not stated."""
    text = f"{package.epoch}:{package.version}" if package.epoch not in ("", "0") else package.version
    return f"{text}-{package.release}" if package.release else text
