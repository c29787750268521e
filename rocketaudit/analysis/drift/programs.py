"""Programs: language, hardening, contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from rocketaudit.analysis.drift.pairing import by_path
from rocketaudit.analysis.drift.sides import Sides, difference, is_empty_bank, place, unreadable
from rocketaudit.model import codec
from rocketaudit.model.binary import Binary, GoModule
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue

AREA = "binaries"


def compare_binaries(sides: Sides) -> Iterator[Change]:
    """Programs that came or went, and what changed inside those that both sides have."""
    for label, before, after in sides.scopes:
        if before is None or after is None:
            continue
        if is_empty_bank(sides.before, before) or is_empty_bank(sides.after, after):
            continue
        old, new = by_path(sides, _binaries(sides.before, before), _binaries(sides.after, after))
        uncounted = [e for e, s, f in ((sides.before, before, old), (sides.after, after, new))
                     if not f and _has_programs(e, s)]  # fmt: skip
        if uncounted or bool(old) != bool(new):  # that every program went is told by the files
            where = (place(sides.before, before), place(sides.after, after))
            yield unreadable(AREA, f"{label}:programs", "contents", len(old), len(new), where, "programs were not read")
            continue
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) is new.get(path):
                continue  # one record, of two files that both hold it
            one, two = old.get(path), new.get(path)
            places = [path if side is None else side.path for side in (one or two, two or one)]
            where = (place(sides.before, before, places[0]), place(sides.after, after, places[1]))
            for attribute, left, right, unread in _attributes(one, two):
                if unread is None:
                    yield from difference(AREA, f"{label}:{path}", attribute, left, right, where)
                else:
                    yield unreadable(AREA, f"{label}:{path}", attribute, left, right, where, unread)


def _binaries(evidence: Evidence, scope: str) -> Iterator[Binary]:
    return (binary for binary in evidence.binaries if binary.scope == scope)


def _has_programs(evidence: Evidence, scope: str) -> bool:
    return any(record.content == "elf" for record in evidence.scope_files(scope))


def _attributes(one: Binary | None, two: Binary | None) -> Iterator[tuple[str, JsonValue, JsonValue, str | None]]:
    if one is None or two is None:
        yield "program", _summary(one), _summary(two), None
        return
    if one == two:
        return
    if one.error is not None or two.error is not None:
        if one.error != two.error or one.sha256 != two.sha256:
            why = "; ".join(dict.fromkeys(error for error in (one.error, two.error) if error is not None))
            yield "contents", None, None, why or "not read"
        return
    for name in ("machine", "bits", "endian", "interpreter", "soname", "build_id", "go_version", "go_main"):
        yield name, getattr(one, name), getattr(two, name), None
    yield "kind", one.kind.value, two.kind.value, None
    yield "language", _language(one), _language(two), None
    yield "contains", one.contains, two.contains, None
    yield "needed", one.needed, two.needed, None
    yield "crates", _crates(one), _crates(two), None
    yield "go_modules", _modules(one), _modules(two), None
    yield "go_module", _record(one.go_module), _record(two.go_module), None
    yield "go_stated", _settings(one), _settings(two), None
    yield "module_info", _record(one.module_info), _record(two.module_info), None
    yield "package_note", _record(one.package_note), _record(two.package_note), None
    left, right = one.hardening, two.hardening
    for field in fields(left):
        yield f"hardening.{field.name}", _plain(getattr(left, field.name)), _plain(getattr(right, field.name)), None


def _summary(binary: Binary | None) -> JsonValue:
    if binary is None:
        return None
    hardening = binary.hardening
    return {
        "language": _language(binary),
        "kind": binary.kind.value,
        "machine": binary.machine,
        "pie": hardening.pie.value,
        "relro": hardening.relro.value,
        "nx": hardening.nx.value,
        "canary": hardening.canary.value,
    }


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | float):
        return value
    return tuple(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _record(value: object) -> JsonValue:
    if value is None:
        return None
    return {name: _plain_json(part) for name, part in codec.encode(value, full=True).items()}


def _plain_json(part: object) -> JsonValue:
    return tuple(str(one) for one in part) if isinstance(part, list) else _plain(part)


def _language(binary: Binary) -> str:
    return f"{binary.language.value} ({binary.runtime})" if binary.runtime else binary.language.value


def _crates(binary: Binary) -> JsonValue:
    return tuple(sorted(f"{crate.name}@{crate.version}" for crate in binary.crates)) or None


def _settings(binary: Binary) -> JsonValue:
    return tuple(f"{name}={value}" for name, value in binary.go_stated) or None


def _replacement(module: GoModule) -> str:
    return f"replaced by {module.replaced_by}" if module.replaced_by else ""


def _modules(binary: Binary) -> JsonValue:
    names = sorted(
        " ".join(filter(None, (f"{module.path}@{module.version}", _replacement(module), module.sum)))
        for module in binary.go_modules
    )
    return tuple(names) or None
