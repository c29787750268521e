"""ELF files as components, with the crates and Go modules that are inside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rocketaudit.analysis.linking import resolve_needed
from rocketaudit.analysis.ownership import Owner
from rocketaudit.analysis.sbom.files import changed_at
from rocketaudit.analysis.sbom.go_modules import CERTAINTY, go_components, names_every_module
from rocketaudit.analysis.sbom.purl import crate_purl
from rocketaudit.analysis.sbom.system import OS_REF, file_ref
from rocketaudit.model.binary import Binary, BinaryKind, Crate
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator

ONLY_BUILT = ("rocketaudit:crate-kind", "build")  # of a crate that ran at build time: a macro, a build script


def binary_components(
    evidence: Evidence, owner_of: Mapping[str, Owner], parents: Mapping[str, Component]
) -> Iterator[Component]:
    """Files first, then what they contain; libraries are resolved as the loader would.

    `parents` maps paths to package components; a file has the supplier of its package, and none without one.
    """
    inside: dict[str, Component] = {}
    places: dict[str, dict[Locator, None]] = {}  # of each ref, in order; one crate may be in every file
    mine = [binary for binary in evidence.binaries if binary.scope == evidence.judged]
    known = {binary.path for binary in mine}
    for binary in mine:
        contents = list(_contents(evidence, binary))
        for component in contents:
            surest = inside.setdefault(component.ref, component)
            if _weight(component) > _weight(surest):
                inside[component.ref] = component
            places.setdefault(component.ref, {}).update(dict.fromkeys(component.where))
        libraries = (file_ref(path) for path in resolve_needed(evidence, binary) if path in known)
        depends = tuple(sorted({*libraries, *(component.ref for component in contents)}))
        yield _file(evidence, binary, owner_of.get(binary.path), parents.get(binary.path), depends)
    for ref, component in inside.items():
        yield replace(component, where=tuple(places[ref]))


def _weight(component: Component) -> tuple[float, bool]:
    """Which of two statements about one thing counts: the surer, and what runs before what only built."""
    return component.confidence, ONLY_BUILT not in component.properties


def _file(
    evidence: Evidence, binary: Binary, owner: Owner | None, parent: Component | None, depends: tuple[str, ...]
) -> Component:
    hashes = [("SHA-256", binary.sha256)] if binary.sha256 else []
    if binary.sha512:
        hashes.append(("SHA-512", binary.sha512))
    note = binary.package_note
    return Component(
        ref=file_ref(binary.path),
        kind="file",
        name=binary.path,
        version=(note.version if note is not None else None) or changed_at(evidence.file(binary.path, binary.scope)),
        hashes=tuple(hashes),
        where=(Locator(evidence.target.name, binary.scope, binary.path),),
        found_by="elf",
        parent=OS_REF if parent is None else parent.ref,
        supplier="" if parent is None else parent.supplier,
        depends_on=depends,
        properties=tuple(sorted(_properties(binary, owner))),
        description="Linux kernel module" if binary.kind is BinaryKind.KERNEL_MODULE else "",
    )


def _properties(binary: Binary, owner: Owner | None) -> Iterator[tuple[str, str]]:
    hardening = binary.hardening
    yield "rocketaudit:language", binary.runtime or binary.language.value
    yield "rocketaudit:language-confidence", binary.confidence.value
    yield "rocketaudit:kind", binary.kind.value
    yield "rocketaudit:machine", binary.machine
    yield "rocketaudit:size", str(binary.size)
    yield "rocketaudit:code-bytes", str(binary.code_bytes)
    for name in ("relro", "pie", "nx", "canary", "fortify"):
        yield f"rocketaudit:hardening:{name}", str(getattr(hardening, name))
    for name in ("ibt", "shstk", "bti", "pac", "stripped", "static"):
        seen = getattr(hardening, name)
        if seen is not None:
            yield f"rocketaudit:hardening:{name}", "yes" if seen else "no"
    for name, text in (
        ("build-id", binary.build_id),
        ("soname", binary.soname),
        ("go-version", binary.go_version),
        ("go-main", binary.go_main),
        ("contains", ",".join(binary.contains)),
        ("runpath", hardening.runpath or hardening.rpath),
        ("unread", binary.error),
        ("module-version", binary.module_info.version if binary.module_info else None),
        ("module-license", binary.module_info.license if binary.module_info else None),
    ):
        if text:
            yield f"rocketaudit:{name}", text
    if binary.go_version is not None:
        yield "rocketaudit:go-modules", "stated" if names_every_module(binary) else "not stated"
    if owner is not None:
        yield "rocketaudit:owner-method", owner.method
        yield "rocketaudit:owner-confidence", f"{owner.confidence:g}"


def _contents(evidence: Evidence, binary: Binary) -> Iterator[Component]:
    where = (Locator(evidence.target.name, binary.scope, binary.path),)
    for crate in binary.crates:
        if crate.source != "std":  # part of Rust's library, which has no list of its own
            yield _crate(crate, where)
    yield from go_components(binary, where)


def _crate(crate: Crate, where: tuple[Locator, ...]) -> Component:
    """A crate; one of no registry is another thing than a public one of its name."""
    own = f"#{crate.source}" if crate.source in ("local", "git") else ""
    return Component(
        ref=f"crate:{crate.name}@{crate.version}{own}",
        kind="library",
        name=crate.name,
        version=crate.version,
        purl=crate_purl(crate.name, crate.version, crate.source),
        where=where,
        found_by=f"crate-{crate.evidence}",
        confidence=CERTAINTY[crate.confidence],
        properties=(
            ("rocketaudit:crate-kind", crate.kind),
            ("rocketaudit:crate-source", crate.source),
            *((("rocketaudit:crate-root", "true"),) if crate.root else ()),
        ),
    )
