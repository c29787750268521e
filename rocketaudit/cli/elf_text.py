"""What `rocketaudit elf` prints: a table, JSON, CSV, and the evidence of one file as an expert would lay it out."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import typer

from rocketaudit.cli.elf import report_gaps
from rocketaudit.cli.elf_kernels import foreign_modules, kernel_lines, kernel_row
from rocketaudit.cli.elf_targets import Found, Placed, Places
from rocketaudit.cli.output import print_bytes
from rocketaudit.model.binary import Binary, Confidence, Hardening, Language
from rocketaudit.model.codec import encode
from rocketaudit.model.evidence import Gap
from rocketaudit.report.escape import csv_cell, json_text, terminal

MAX_MISSING = 10
_COLUMNS = ("relro", "nx", "pie", "canary", "fortify")
_CSV = (
    "path", "scope", "sha256", "size", "machine", "kind", "language", "runtime", "contains", "confidence", "build_id",
    *_COLUMNS, "rpath", "runpath", "wx_segments", "textrel", "static", "stripped", "code_bytes", "error",
)  # fmt: skip
_CSV_PLACED = ("mode", "uid", "capabilities", "selinux", "libraries_not_found", "libraries_shadowing")


def print_json(found: Found) -> None:
    """One array; files that could not be read are in it, language unknown, with the reason in `error`."""
    rows = [_json_row(binary, found.places) for binary in found.binaries]
    rows += [kernel_row(kernel) for kernel in found.kernels]
    rows += [_unread_row(gap) for gap in found.gaps]
    print_bytes(b"[")
    for number, row in enumerate(rows):
        text = json_text(json.dumps(row, ensure_ascii=False, allow_nan=False))
        print_bytes(((",\n" if number else "\n") + text).encode())
    print_bytes(b"\n]\n" if rows else b"]\n")
    report_gaps(found.gaps)


def _json_row(binary: Binary, places: Places) -> dict[str, Any]:
    row: dict[str, Any] = encode(binary, full=True)
    placed = places.get((binary.scope, binary.path))
    row["file"] = None if placed is None else encode(placed, full=True)
    return row


def _unread_row(gap: Gap) -> dict[str, Any]:
    return {
        "scope": gap.scope,
        "path": gap.path,
        "sha256": None,
        "language": "unknown",
        "contains": [],
        "confidence": "low",
        "signals": [],
        "hardening": None,
        "file": None,
        "error": gap.reason,
    }


def print_csv(found: Found) -> None:
    """A header and a line per file; safe to open in a spreadsheet."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*_CSV, *_CSV_PLACED))
    own = {field.name for field in fields(Hardening)}
    for binary in found.binaries:
        values = [getattr(binary.hardening if name in own else binary, name) for name in _CSV]
        rows.writerow(
            [csv_cell(_cell(value)) for value in values + _placed_cells(found.places.get((binary.scope, binary.path)))]
        )
    print_bytes(text.getvalue().encode())
    report_gaps(found.gaps)


def _placed_cells(placed: Placed | None) -> list[object]:
    if placed is None:
        return [None] * len(_CSV_PLACED)
    missing = tuple(link.name for link in placed.libraries if link.path is None)
    shadowing = tuple(link.name for link in placed.libraries if link.shadows is not None)
    return [f"{placed.mode:04o}", placed.uid, placed.capabilities, placed.selinux, missing, shadowing]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def print_console(found: Found) -> None:
    """A line per file, then the counts per language, and what deserves a look: privileged files, libraries."""
    typer.echo(f"{'LANGUAGE':<14} {'SURE':<6} {'RELRO':<8} {'NX':<7} {'PIE':<10} {'CANARY':<8} {'FORTIFY':<8} PATH")
    binaries = found.binaries
    for binary in binaries:
        hard = binary.hardening
        cells = (_short(hard.relro), _short(hard.nx), _short(hard.pie), _short(hard.canary), _short(hard.fortify))
        row = f"{_language(binary):<14} {binary.confidence.value:<6} "
        row += "{:<8} {:<7} {:<10} {:<8} {:<8} ".format(*cells)
        typer.echo(row + terminal(binary.path))
    counts = Counter(binary.language.value for binary in binaries)
    total = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    typer.echo(f"\n{len(binaries)} files" + (f": {total}" if total else ""))
    rust = sum("rust" in binary.contains for binary in binaries)
    if rust != counts["rust"]:
        typer.echo(f"{rust} contain Rust")
    kernels = (line for kernel in found.kernels for line in kernel_lines(kernel))
    for line in (*_standing_out(binaries, found.places), *kernels, *foreign_modules(binaries, found.kernels)):
        typer.echo(terminal(line))
    report_gaps(found.gaps)


def _standing_out(binaries: Sequence[Binary], places: Places) -> Iterator[str]:
    """Who runs with more rights than its caller, and whose libraries are not there or not the system's."""
    placed = [(one, place) for one in binaries if (place := places.get((one.scope, one.path))) is not None]
    for binary, place in placed:
        if reason := _privileges(place):
            yield f"{reason}: {binary.path} ({_language(binary)})"
    missing: Counter[str] = Counter()
    for binary, place in placed:
        for link in place.libraries:
            if link.path is None:
                missing[link.name] += 1
            elif link.shadows is not None:
                yield f"{binary.path} takes {link.path}, not {link.shadows}"
    if missing:
        named = ", ".join(f"{name} ({count})" for name, count in missing.most_common(MAX_MISSING))
        more = f" and {len(missing) - MAX_MISSING} more" if len(missing) > MAX_MISSING else ""
        yield f"needed and in no folder of the loader: {named}{more}"


def _privileges(place: Placed) -> str:
    found = [f"setuid {place.uid}"] if place.setuid else []
    found += [f"setgid {place.gid}"] if place.setgid else []
    return ", ".join([*found, *place.capabilities])


def _short(value: str) -> str:
    return "n/a" if value == "not_applicable" else str(value)


def _language(binary: Binary) -> str:
    first = binary.runtime or binary.language.value
    others = [name for name in binary.contains if name != first]
    return f"{first}+{'+'.join(others)}" if others else first


def print_explained(binaries: Iterable[Binary], found: Found) -> None:
    """Verdict, each signal with its byte, shares, hardening, contents and tables of every file."""
    for binary in binaries:
        key = binary.scope, binary.path
        for line in (*explained(binary, found.places.get(key)), *found.structures.get(key, ())):
            typer.echo(terminal(line))


def explained(binary: Binary, placed: Placed | None = None) -> list[str]:
    """The lines of `print_explained`, not yet safe for a terminal."""
    lines = [
        binary.path,
        f"  {binary.size} bytes, {binary.machine} {binary.bits} bit {binary.endian} endian, {binary.kind.value}",
        f"  sha256 {binary.sha256}",
        f"  build id {binary.build_id or 'none'}",
        f"  interpreter {binary.interpreter or 'none'}; needs {', '.join(binary.needed) or 'nothing'}",
        f"Language: {_language(binary)}, confidence {binary.confidence.value} (rules {binary.classifier})",
    ]
    for signal in binary.signals:
        place = "" if signal.offset is None else f" at byte {signal.offset} (0x{signal.offset:x})"
        lines.append(f"  {signal.kind}: {signal.value}{place}")
    if not binary.signals:
        lines.append("  no evidence of any language")
    if binary.language is Language.C and binary.confidence is Confidence.LOW:
        lines.append("  C only because nothing else shows: C++ without its library and Rust without std leave no more")
    for language, share, method in binary.shares:
        bound = "" if method == "symbols" else "at least "
        lines.append(f"  {language}: {bound}{share:.1%} of the code, by {method}")
    lines.append("Hardening:")
    lines += [f"  {field.name}: {_cell(getattr(binary.hardening, field.name)) or '-'}" for field in fields(Hardening)]
    lines += _contents(binary)
    if placed is not None:
        lines += _surroundings(placed)
    if binary.error:
        lines.append(f"Could not be read: {binary.error}")
    return lines


def _surroundings(placed: Placed) -> Iterator[str]:
    yield "In its file system:"
    yield f"  mode {placed.mode:04o}, owner {placed.uid}:{placed.gid}, {_privileges(placed) or 'no rights of its own'}"
    yield f"  SELinux label {placed.selinux or 'none'}"
    for link in placed.libraries:
        aside = f", which hides {link.shadows}" if link.shadows is not None else ""
        yield f"  needs {link.name}: {link.path or 'in no folder of the loader'}{aside}"


def _contents(binary: Binary) -> list[str]:
    lines: list[str] = []
    if binary.crates:
        how = "stated by .dep-v0" if binary.crates[0].evidence == "dep-v0" else "by panic locations, incomplete"
        lines.append(f"Crates ({len(binary.crates)}, {how}):")
        lines += [f"  {crate.name} {crate.version} ({crate.source})" for crate in binary.crates]
    if binary.go_version or binary.go_modules:
        lines.append(f"Go: {binary.go_version or 'version removed'}, main {binary.go_main or 'unknown'}")
        main = binary.go_module
        lines += [] if main is None else [f"  main module {main.path} {main.version}".rstrip()]
        lines += [f"  {name}={value}" for name, value in binary.go_stated]
        lines += [f"  {module.path} {module.version}" for module in binary.go_modules]
    note, module_info = binary.package_note, binary.module_info
    if note is not None:
        lines.append(f"Package note: {note.type} {note.name} {note.version}")
    if module_info is not None:
        signed = module_info.signature
        signer = "no signature" if signed is None else f"signature by {signed.signer or signed.key_id or 'unknown'}"
        lines.append(
            f"Kernel module: {module_info.name} {module_info.version or ''} license {module_info.license}, "
            f"{module_info.vermagic}, {signer}"
        )
    return lines
