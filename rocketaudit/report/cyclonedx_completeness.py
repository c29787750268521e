"""CycloneDX compositions: what the list may be relied on for, and what it may not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rocketaudit.model.component import Component
from rocketaudit.model.report import Report


def compositions(report: Report, root: Component, others: Sequence[Component]) -> Iterator[dict[str, Any]]:
    """One statement for each kind of knowledge; the name of a statement says what it is about."""
    evidence = report.evidence
    walked = evidence.judged in evidence.walked and not report.unread
    yield _statement("files-of-the-root", "complete" if walked else "incomplete", assemblies=[root.ref])
    packages = [c.ref for c in others if c.found_by == "inventory"]
    if packages:  # the inventory lists no files, so what a package consists of is inferred
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
    if named:  # found by the names of their files; what else lies inside was not read
        yield _statement("python-node-and-java-packages", "incomplete", assemblies=named)
    known = {ref for refs in by_method.values() for ref in refs}
    rest = [c.ref for c in others if c.found_by == "elf" and c.ref not in known]
    if rest:  # what is linked statically into C and C++ is not known
        yield _statement("contents-of-other-programs", "unknown", dependencies=rest)
    files = [c for c in others if c.kind in ("file", "firmware") and c.hashes]
    without = [c.ref for c in files if "SHA-512" not in dict(c.hashes)]
    if without:
        yield _statement("sha-512-not-collected", "incomplete", assemblies=without)


def _statement(name: str, aggregate: str, **refs: list[str]) -> dict[str, Any]:
    return {"bom-ref": f"composition:{name}", "aggregate": aggregate, **refs}
