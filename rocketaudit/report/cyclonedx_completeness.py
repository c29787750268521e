"""CycloneDX compositions: what the list may be relied on for, and what it may not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rocketaudit.model.component import Component
from rocketaudit.model.report import Report

MAX_UNREAD = 100
_WHY = {
    "files-of-the-root": "the root was walked to the end; every file that runs, boots or is trusted is listed",
    "files-of-packages": "the inventory lists no files; which package a file belongs to is inferred",
    "go-modules": "the build information of a Go program names every module",
    "crates-stated-by-the-build": "the section .dep-v0 of a Rust program names every crate",
    "crates-recovered-from-paths": "a crate that cannot panic and leaves no path leaves no trace in a stripped program",
    "python-node-and-java-packages": "only their files' names are known: they state nothing, or could not be read",
    "contents-of-other-programs": "what is linked statically into C and C++ leaves no list",
    "sha-512-not-collected": "these files have no SHA-512: it was not asked for, or the file could not be read",
}
_NOT_WALKED = "part of the target could not be read, so files may be missing"


def why(statement: Mapping[str, Any]) -> str:
    """The reason of one composition, in words."""
    name = name_of(statement)
    return _NOT_WALKED if name == "files-of-the-root" and statement["aggregate"] != "complete" else _WHY[name]


def unread_lines(report: Report) -> list[str]:
    """What could not be read, one place a line, and how many more there are."""
    lines = [f"{gap.scope}:{gap.path or '/'}: {gap.reason}" for gap in report.unread[:MAX_UNREAD]]
    more = len(report.unread) - len(lines)
    return [*lines, f"and {more} more places"] if more else lines


def name_of(statement: Mapping[str, Any]) -> str:
    """What a composition is about."""
    return str(statement["bom-ref"]).removeprefix("composition:")


def compositions(report: Report, root: Component, others: Sequence[Component]) -> Iterator[dict[str, Any]]:
    """One statement for each kind of knowledge; the name of a statement says what it is about."""
    evidence = report.evidence
    walked = evidence.judged in evidence.walked and not report.unread
    yield _statement("files-of-the-root", "complete" if walked else "incomplete", assemblies=[root.ref])
    packages = [c.ref for c in others if c.found_by == "inventory"]
    if packages:
        yield _statement("files-of-packages", "incomplete", assemblies=packages)
    by_method: dict[str, list[str]] = {"go": [], "dep-v0": [], "path": []}
    kinds = {c.ref: c.found_by for c in others}
    for component in others:
        if component.found_by != "elf":
            continue
        inside = {kinds.get(ref, "") for ref in component.depends_on}
        language = dict(component.properties).get("rocketaudit:language", "")
        if "go-buildinfo" in inside:
            by_method["go"].append(component.ref)
        elif "crate-dep-v0" in inside:
            by_method["dep-v0"].append(component.ref)
        elif "crate-path" in inside or language in ("rust", "go"):
            by_method["path"].append(component.ref)
    for name, aggregate, refs in (
        ("go-modules", "complete", by_method["go"]),
        ("crates-stated-by-the-build", "complete", by_method["dep-v0"]),
        ("crates-recovered-from-paths", "incomplete", by_method["path"]),
    ):
        if refs:
            yield _statement(name, aggregate, dependencies=refs)
    named = [c.ref for c in others if c.found_by in ("pypi-name", "npm-name", "maven-name")]
    if named:
        yield _statement("python-node-and-java-packages", "incomplete", assemblies=named)
    known = {ref for refs in by_method.values() for ref in refs}
    rest = [c.ref for c in others if c.found_by == "elf" and c.ref not in known]
    if rest:
        yield _statement("contents-of-other-programs", "unknown", dependencies=rest)
    files = [c for c in others if c.kind in ("file", "firmware") and c.hashes]
    without = [c.ref for c in files if "SHA-512" not in dict(c.hashes)]
    if without:
        yield _statement("sha-512-not-collected", "incomplete", assemblies=without)


def _statement(name: str, aggregate: str, **refs: list[str]) -> dict[str, Any]:
    return {"bom-ref": f"composition:{name}", "aggregate": aggregate, **refs}
