"""Which elements of the usual standards a bill of materials has, which it lacks, and why.

NTIA, The Minimum Elements For a Software Bill of Materials (2021); CISA, 2025 Minimum Elements (draft);
BSI TR-03183-2 v2.1. What neither the image nor the policy states stays missing: nothing is invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report

NTIA, CISA, BSI = "NTIA 2021", "CISA 2025 draft", "BSI TR-03183-2 v2.1"
_NO_PACKAGE = "a file that no package explains has no supplier, version or licence of its own"
_NO_VERSION = "import paths of licence texts, and archives that state nothing, have none"
_NO_LICENCE = "the image has no licence text for it"


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
    has_contact = bool(extra.get("sbom:author-email") or _is_reachable(extra))
    state_it = "nobody stated it: [sbom] in the policy file"
    for standard in (NTIA, CISA):
        yield _one(standard, "author of the SBOM data", has_author, state_it)
        yield _one(standard, "timestamp", bool(report.created), "no time was given")
    yield _one(CISA, "tool name", bool(report.tool.name), "")
    yield _one(CISA, "generation context", True, "")
    yield _one(BSI, "creator of the SBOM: e-mail or URL", has_contact, state_it)
    yield _one(BSI, "timestamp", bool(report.created), "no time was given")
    yield _one(BSI, "SBOM-URI (serial number)", True, "")


def _is_reachable(extra: Mapping[str, str]) -> bool:
    """Whether the policy says how to reach the manufacturer."""
    has_way = extra.get("sbom:manufacturer-url") or extra.get("sbom:contact-email")
    return bool(extra.get("sbom:manufacturer") and has_way)


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
        yield count(standard, "version", parts, lambda part: bool(part.version), _NO_VERSION)
        yield count(standard, "other unique identifiers", parts, identified, "source packages and local code have none")
        yield count(standard, "dependency relationship", parts, related, "nothing holds it and nothing needs it")
    why = "only files, images and RPMs whose digest the inventory states; a crate inside a program has none"
    yield count(CISA, "hash", parts, lambda part: bool(part.hashes), why)
    yield count(CISA, "licence", packaged, lambda part: bool(part.licences), _NO_LICENCE)
    yield from _bsi(report, files, packaged)


def _bsi(report: Report, files: tuple[Component, ...], packaged: tuple[Component, ...]) -> Iterator[Element]:
    """What TR-03183-2 v2.1 asks of components: required, and required if it exists (5.2.2 to 5.2.4)."""

    def count(name: str, parts: tuple[Component, ...], has: Callable[[Component], bool], why: str) -> Element:
        return Element(BSI, name, sum(1 for part in parts if has(part)), len(parts), why)

    parts = (*packaged, *files)
    reachable = _is_reachable(report.extra or {})

    def is_ours(part: Component) -> bool:
        return reachable and part.kind == "operating-system"

    refs = {part.ref for part in parts}
    has_512 = "collected without SHA-512; `rocketaudit sbom` collects it"
    creators = "the image names publishers without e-mail or URL, and files and crates name nobody"
    yield count("creator of the component: e-mail or URL", parts, is_ours, creators)
    yield count("name", parts, lambda part: bool(part.name), "")
    yield count("version", parts, lambda part: bool(part.version), _NO_VERSION)
    yield count("file name", files, lambda part: bool(part.name), "")
    dependent = "a list that is not known to be whole says so (compositions)"
    yield count("dependencies", parts, lambda part: set(part.depends_on) <= refs, dependent)
    yield count("SHA-512 of each file", files, lambda part: "SHA-512" in dict(part.hashes), has_512)
    yield count("executable, archive and structured properties", files, lambda _: True, "")
    yield count("original licences", packaged, lambda part: bool(part.licences), _NO_LICENCE)
    concluded = "what the image states is declared by its build; nobody concluded more, and we do not either"
    yield count("distribution licences", packaged, lambda _: False, concluded)
    identified = "files have digests; source packages and local code have no identifier"
    yield count("other unique identifiers", packaged, lambda part: bool(part.purl or part.cpe), identified)
    nowhere = "if they exist; the image states none"
    yield count("URI of source code and of the deployable form", packaged, lambda _: False, nowhere)


def _one(standard: str, name: str, holds: bool, why: str) -> Element:
    return Element(standard, name, int(holds), 1, why)
