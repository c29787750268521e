"""CycloneDX compositions: what the list may be relied on for, and what it may not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rocketaudit.model.component import Component
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.report import Report

MAX_UNREAD = 100
_INVENTORY = Key("inventory", ("packages",))
_PROBLEMS = Key("inventory", ("problems",))
_WHY = {
    "files-of-the-root": "the root was walked to the end; every file that runs, boots or is trusted is listed",
    "packages-of-the-root": "the inventory was read to its end, and every row of it is listed",
    "packages-beside-the-system": "every row of the inventory is a dependency of the system; packages of Python, Node"
    " and texts that belong to no package are not, since readers take those for packages of the system",
    "files-of-packages": "the inventory lists no files; which package a file belongs to is inferred",
    "dependencies-of-packages": "the inventory states none; a package lists the files that are taken for its own",
    "dependencies-of-contents": "which crate, module or language package needs which other one is not in the image",
    "named-by-licence-texts": "their licence texts name crates or modules that no file is known to hold: what needs"
    " those is not known, and rocketaudit:carried-by names the package",
    "go-modules": "the build information of a Go program names every module",
    "go-modules-not-stated": "a Go program that was built without modules names its main package and no module",
    "go-modules-recovered-from-paths": "a Go program without build information names modules by source paths only",
    "crates-stated-by-the-build": "the section .dep-v0 of a Rust program names every crate",
    "crates-recovered-from-paths": "a crate that cannot panic and leaves no path leaves no trace in a stripped program",
    "python-node-and-java-packages": "only their files' names are known: they state nothing, or could not be read",
    "contents-of-other-programs": "what is linked statically into C and C++ leaves no list",
    "dependencies-of-other-files": "what scripts, firmware and data need stands in no list",
    "sha-512-not-collected": "these files have no SHA-512: it was not asked for, or the file could not be read",
}
_OTHERWISE = {
    ("files-of-the-root", "incomplete"): "part of the target could not be read, so files may be missing",
    ("packages-of-the-root", "incomplete"): "the inventory, or rows of it, could not be read",
    ("packages-of-the-root", "unknown"): "the target has no inventory",
}
_STATED = ("inventory", "attribution_problems", "vendor_sbom")  # lists that a target carries of itself


def why(statement: Mapping[str, Any]) -> str:
    """The reason of one composition, in words."""
    name = name_of(statement)
    return _OTHERWISE.get((name, statement["aggregate"])) or _WHY[name]


def unread_lines(report: Report) -> list[str]:
    """What could not be read, in the tree and of what the target states of itself: one a line, bounded."""
    found = [f"{gap.scope}:{gap.path or '/'}: {gap.reason}" for gap in report.unread]
    for namespace in _STATED:
        for fact in report.evidence.find(namespace, Plane.STATIC):
            if fact.state is State.UNREAD:
                found.append(f"{fact.scope}:{fact.where.path}: {fact.reason}")
    problems = report.evidence.get(_PROBLEMS, Plane.STATIC)
    if problems.state is State.PRESENT and isinstance(problems.value, tuple):
        found += [f"{problems.scope}:{problems.where.path}: {line}" for line in problems.value]
    more = len(found) - MAX_UNREAD
    return [*found[:MAX_UNREAD], f"and {more} more places"] if more > 0 else found


def _inventory(report: Report) -> str:
    """Whether every package that the target states is listed."""
    found = report.evidence.get(_INVENTORY, Plane.STATIC)
    if found.state is State.ABSENT:
        return "unknown"
    problems = report.evidence.get(_PROBLEMS, Plane.STATIC)
    is_whole = found.state is State.PRESENT and problems.state is State.PRESENT and not problems.value
    return "complete" if is_whole else "incomplete"


def name_of(statement: Mapping[str, Any]) -> str:
    """What a composition is about."""
    return str(statement["bom-ref"]).removeprefix("composition:")


def compositions(report: Report, root: Component, others: Sequence[Component]) -> Iterator[dict[str, Any]]:
    """One statement for each kind of knowledge; the name of a statement says what it is about."""
    evidence = report.evidence
    walked = evidence.judged in evidence.walked and not report.unread
    yield _statement("files-of-the-root", "complete" if walked else "incomplete", assemblies=[root.ref])
    rows = _inventory(report)
    if rows == "complete" and any(_beside(root, others)):
        yield _statement("packages-beside-the-system", "incomplete", dependencies=[root.ref])
    else:
        yield _statement("packages-of-the-root", rows, dependencies=[root.ref])
    packages = [c.ref for c in others if c.found_by == "inventory"]
    if packages:
        yield _statement("files-of-packages", "incomplete", assemblies=packages)
    sources = [c.ref for c in others if c.found_by == "source-package"]
    if packages or sources:
        yield _statement("dependencies-of-packages", "unknown", dependencies=[*packages, *sources])
    inner = [c.ref for c in others if c.kind == "library" and c.found_by != "source-package"]
    if inner:
        yield _statement("dependencies-of-contents", "unknown", dependencies=inner)
    carriers = {c.parent for c in others if c.found_by == "attribution"} - {root.ref}
    if carriers:
        yield _statement("named-by-licence-texts", "unknown", dependencies=sorted(carriers))
    by_method = _by_method(others)
    for name, aggregate, refs in (
        ("go-modules", "complete", by_method["go"]),
        ("go-modules-not-stated", "unknown", by_method["go-none"]),
        ("go-modules-recovered-from-paths", "incomplete", by_method["go-path"]),
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
    plain = [c.ref for c in others if c.kind in ("file", "firmware") and c.found_by != "elf"]
    if plain:
        yield _statement("dependencies-of-other-files", "unknown", dependencies=plain)
    files = [c for c in others if c.kind in ("file", "firmware") and c.hashes]
    without = [c.ref for c in files if "SHA-512" not in dict(c.hashes)]
    if without:
        yield _statement("sha-512-not-collected", "incomplete", assemblies=without)


def _beside(root: Component, others: Sequence[Component]) -> Iterator[str]:
    """What belongs to the system alone and stands in no dependency of anything."""
    needed = {ref for component in others for ref in component.depends_on}
    for one in others:
        is_inner = one.kind == "library" and one.found_by != "source-package"
        if is_inner and one.parent == root.ref and one.ref not in needed:
            yield one.ref


def _by_method(others: Sequence[Component]) -> dict[str, list[str]]:
    """Programs by how their crates or modules are known."""
    by_method: dict[str, list[str]] = {"go": [], "go-none": [], "go-path": [], "dep-v0": [], "path": []}
    kinds = {c.ref: c.found_by for c in others}
    for component in others:
        if component.found_by != "elf":
            continue
        inside = {kinds.get(ref, "") for ref in component.depends_on}
        properties = dict(component.properties)
        language, modules = (properties.get(f"rocketaudit:{name}", "") for name in ("language", "go-modules"))
        if modules:
            by_method["go" if modules == "stated" else "go-none"].append(component.ref)
        elif "go-path" in inside or language == "go":
            by_method["go-path"].append(component.ref)
        elif "crate-dep-v0" in inside:
            by_method["dep-v0"].append(component.ref)
        elif "crate-path" in inside or language == "rust":
            by_method["path"].append(component.ref)
    return by_method


def _statement(name: str, aggregate: str, **refs: list[str]) -> dict[str, Any]:
    return {"bom-ref": f"composition:{name}", "aggregate": aggregate, **refs}
