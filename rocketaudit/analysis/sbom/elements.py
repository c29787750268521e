"""Which elements of the usual standards a bill of materials has, which it lacks, and why.

NTIA, The Minimum Elements For a Software Bill of Materials (2021); CISA, 2025 Minimum Elements (draft);
BSI TR-03183-2 v2.1. What neither the image nor the policy states stays missing: nothing is invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report

NTIA, CISA, BSI = "NTIA 2021", "CISA 2025 draft", "BSI TR-03183-2 v2.1"
_NO_PACKAGE = "a file that no package explains has no supplier, version or licence of its own"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of one standard: how many of the components that need it have it; `why` explains the rest."""

    standard: str
    name: str
    met: int
    total: int
    why: str = ""

    @property
    def is_met(self) -> bool:
        return self.met == self.total


def elements(report: Report) -> tuple[Element, ...]:
    """Every element, standard by standard."""
    order = (NTIA, CISA, BSI)
    return tuple(sorted((*_document(report), *_components(report)), key=lambda element: order.index(element.standard)))


def _document(report: Report) -> Iterator[Element]:
    extra = report.extra or {}
    has_author = bool(extra.get("sbom:author-name") or extra.get("sbom:author-email"))
    has_contact = bool(extra.get("sbom:author-email") or extra.get("sbom:manufacturer-url"))
    state_it = "nobody stated it: [sbom] in the policy file"
    for standard in (NTIA, CISA):
        yield _one(standard, "author of the SBOM data", has_author, state_it)
        yield _one(standard, "timestamp", bool(report.created), "no time was given")
    yield _one(CISA, "tool name", bool(report.tool.name), "")
    yield _one(CISA, "generation context", True, "")
    yield _one(BSI, "creator of the SBOM: e-mail or URL", has_contact, state_it)
    yield _one(BSI, "timestamp", bool(report.created), "no time was given")


def _components(report: Report) -> Iterator[Element]:
    parts = report.components
    files = tuple(part for part in parts if part.kind in ("file", "firmware"))
    packaged = tuple(part for part in parts if part.kind not in ("file", "firmware"))

    def count(
        standard: str, name: str, parts: tuple[Component, ...], has: Callable[[Component], bool], why: str
    ) -> Element:
        return Element(standard, name, sum(1 for part in parts if has(part)), len(parts), why)

    def supplier(part: Component) -> bool:
        return bool(part.supplier)

    def identified(part: Component) -> bool:
        return bool(part.purl or part.cpe or part.hashes)

    refs = {part.ref for part in parts}
    needed = {ref for part in parts for ref in part.depends_on}

    def related(part: Component) -> bool:
        return part.kind == "operating-system" or part.parent in refs or part.ref in needed

    for standard in (NTIA, CISA):
        yield count(standard, "supplier or producer", parts, supplier, f"{_NO_PACKAGE}; crates and modules name none")
        yield count(standard, "name", parts, lambda part: bool(part.name), "")
        yield count(
            standard, "version", packaged, lambda part: bool(part.version), "Go import paths of licence texts have none"
        )
        yield count(standard, "other unique identifiers", parts, identified, "source packages and local code have none")
        yield count(standard, "dependency relationship", parts, related, "nothing holds it and nothing needs it")
    yield count(CISA, "hash", files, lambda part: bool(part.hashes), "the file could not be read")
    yield count(CISA, "licence", packaged, lambda part: bool(part.licences), "the image has no licence text for it")
    has_512 = "collected without SHA-512; `rocketaudit sbom` collects it"
    yield count(BSI, "SHA-512 of each file", files, lambda part: "SHA-512" in dict(part.hashes), has_512)
    yield count(BSI, "file name, executable, archive and structured properties", files, lambda _: True, "")
    yield count(
        BSI, "distribution licences", packaged, lambda part: bool(part.licences), "the image has no licence text for it"
    )
    yield count(BSI, "creator of the component", parts, supplier, _NO_PACKAGE)
    yield count(BSI, "version", packaged, lambda part: bool(part.version), "Go import paths of licence texts have none")


def _one(standard: str, name: str, holds: bool, why: str) -> Element:
    return Element(standard, name, int(holds), 1, why)
