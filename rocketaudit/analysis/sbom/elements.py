"""Which elements of the usual standards a bill of materials has, which it lacks, and why.

NTIA, The Minimum Elements For a Software Bill of Materials (2021); CISA, 2025 Minimum Elements (draft) and what
replaced both, 2026 Minimum Elements (July 2026); BSI TR-03183-2 v2.1. What neither the image nor the policy states
stays missing: nothing is invented. docs/sbom.md says how each standard is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rocketaudit.analysis.sbom.stated import UNKNOWN
from rocketaudit.formats.spdx_expression import is_expression
from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report

NTIA, CISA_DRAFT, CISA, BSI = "NTIA 2021", "CISA 2025 draft", "CISA 2026", "BSI TR-03183-2 v2.1"
_ORDER = (NTIA, CISA_DRAFT, CISA, BSI)
MAX_EXAMPLES = 3
_STATE_IT = "nobody stated it: [sbom] in the policy file"
_STATE_OF_IT = "[[sbom.component]] in the policy file can state it"
_NO_VERSION = "import paths of licence texts, archives that state nothing, and Go modules of a checkout have none"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of one standard: how many of the components that it applies to have it.

    `unknown`: how many say that it is not known, which CISA allows. `why` and `lacking` (examples) explain the rest.
    """

    standard: str
    name: str
    met: int
    total: int
    why: str = ""
    unknown: int = 0
    lacking: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        return self.met + self.unknown == self.total


def elements(report: Report) -> tuple[Element, ...]:
    """Every element, standard by standard."""
    found = (*_document(report), *_components(report.components), *_bsi(report.components, report.extra or {}))
    return tuple(sorted(found, key=lambda element: _ORDER.index(element.standard)))


def _document(report: Report) -> Iterator[Element]:
    extra = report.extra or {}
    has_author = bool(extra.get("sbom:author-name") or extra.get("sbom:author-email"))
    for standard in (NTIA, CISA_DRAFT, CISA):
        yield _one(standard, "author of the SBOM data", has_author, _STATE_IT)
        yield _one(standard, "timestamp", bool(report.created), "no time was given")
    for standard in (CISA_DRAFT, CISA):
        yield _one(standard, "tool name", bool(report.tool.name), "")
        yield _one(standard, "generation context", True, "")
    yield _one(CISA, "tool version", bool(report.tool.version), "")
    yield _one(CISA, "format, its version, and the version of the SBOM", True, "")
    yield _one(CISA, "signature of the author", False, "the last step: `rocketaudit sbom sign SBOM.json --key KEY.pem`")
    reachable = bool(extra.get("sbom:author-email")) or _is_reachable(extra)
    yield _one(BSI, "creator of the SBOM: e-mail or URL", reachable, _STATE_IT)
    yield _one(BSI, "timestamp", bool(report.created), "no time was given")
    yield _one(BSI, "if it exists: SBOM-URI (serial number)", True, "")
    yield _one(BSI, "no vulnerabilities in the document", True, "")


def _is_reachable(extra: Mapping[str, str]) -> bool:
    """Whether the policy says how to reach the manufacturer."""
    has_way = extra.get("sbom:manufacturer-url") or extra.get("sbom:contact-email")
    return bool(extra.get("sbom:manufacturer") and has_way)


def _components(parts: Sequence[Component]) -> Iterator[Element]:
    """NTIA and CISA: an RPM, a crate, a module, the system; files carry more than they ask for."""
    software = _not_files(parts)
    refs = {part.ref for part in parts}
    needed = {ref for part in parts for ref in part.depends_on}

    def related(part: Component) -> bool:
        return part.kind == "operating-system" or part.parent in refs or part.ref in needed

    def identified(part: Component) -> bool:
        return bool(part.purl or part.cpe or part.hashes)

    no_supplier = "a file that no package explains, a crate and a module name none; " + _STATE_IT
    for standard in (NTIA, CISA_DRAFT, CISA):
        yield _count(standard, "supplier or producer", parts, lambda part: bool(part.supplier), no_supplier)
        yield _count(standard, "name", parts, lambda part: bool(part.name))
        unknown = "" if standard == NTIA else "version"
        yield _count(standard, "version", parts, lambda part: bool(part.version), _NO_VERSION, unknown=unknown)
        yield _count(standard, "unique identifiers", parts, identified, "source packages and local code have none")
        yield _count(standard, "dependency relationship", parts, related, "nothing holds it and nothing needs it")
    for standard in (CISA_DRAFT, CISA):
        yield _count(standard, "hash and its algorithm", parts, lambda part: bool(part.hashes), unknown="hash")
        yield _count(standard, "licence", software, lambda part: bool(part.licences), unknown="licence")


def _bsi(parts: Sequence[Component], extra: Mapping[str, str]) -> Iterator[Element]:
    """Required (5.2.2), and required if it exists (5.2.4); what is no file of its own is a logical component (3.2.2).

    Of these the guideline asks no file name, digest, properties and addresses; of files it asks no identifiers.
    """
    files = tuple(part for part in parts if part.kind in ("file", "firmware"))
    software = _not_files(parts)
    shipped = tuple(part for part in parts if part.kind in ("file", "firmware", "operating-system"))
    refs = {part.ref for part in parts}

    def declared(part: Component) -> bool:
        return bool(part.licences) and all(is_expression(text.strip()) for text in part.licences)

    creators = f"the image states the home pages of packages only; {_STATE_OF_IT}"
    yield _count(BSI, "creator: e-mail or URL", parts, lambda part: _has_creator(part, extra), creators)
    yield _count(BSI, "name", parts, lambda part: bool(part.name))
    yield _count(BSI, "version", parts, lambda part: bool(part.version), _NO_VERSION)
    yield _count(BSI, "file name", files, lambda part: bool(part.name))
    yield _count(BSI, "dependencies, and if they are all", parts, lambda part: set(part.depends_on) <= refs)
    concluded = f"the image says what is declared, not under what it is handed on; {_STATE_OF_IT}"
    yield _count(BSI, "distribution licences", parts, lambda part: bool(part.distribution_licence), concluded)
    no_512 = "collected without SHA-512; `rocketaudit sbom IMAGE` and `collect --sha512` collect it"
    yield _count(BSI, "SHA-512", files, lambda part: "SHA-512" in dict(part.hashes), no_512)
    yield _count(BSI, "executable, archive and structured properties", files, lambda _: True)
    none = f"the image states none; {_STATE_OF_IT}"
    yield _count(BSI, "if it exists: URI of the source code", parts, lambda part: bool(part.source_url), none)
    yield _count(
        BSI, "if it exists: URI of the deployable form", shipped, lambda part: bool(part.distribution_url), none
    )
    none = "local code, and archives that state nothing, have none"
    yield _count(BSI, "if it exists: other identifiers", software, lambda part: bool(part.purl or part.cpe), none)
    none = f"no licence text, or one that is no SPDX expression; {_STATE_OF_IT}"
    yield _count(BSI, "if it exists: original licences", software, declared, none)


def _not_files(parts: Sequence[Component]) -> tuple[Component, ...]:
    return tuple(part for part in parts if part.kind not in ("file", "firmware"))


def _has_creator(part: Component, extra: Mapping[str, str]) -> bool:
    """The system is made by the manufacturer whom the policy names."""
    return bool(part.creator) or (part.kind == "operating-system" and _is_reachable(extra))


def _count(
    standard: str,
    name: str,
    parts: Sequence[Component],
    has: Callable[[Component], bool],
    why: str = "",
    *,
    unknown: str = "",
) -> Element:
    """`unknown` names the property's word by which a component says that it is not known."""
    without = [part for part in parts if not has(part)]
    said = [part for part in without if unknown and _says_unknown(part, unknown)]
    lacking = [part for part in without if part not in said] if said else without
    lacking = lacking or said
    examples = tuple(part.ref for part in lacking[:MAX_EXAMPLES])
    return Element(standard, name, len(parts) - len(without), len(parts), why, len(said), examples)


def _says_unknown(part: Component, what: str) -> bool:
    return any(name == UNKNOWN and value.startswith(f"{what}:") for name, value in part.properties)


def _one(standard: str, name: str, holds: bool, why: str) -> Element:
    return Element(standard, name, int(holds), 1, why)
