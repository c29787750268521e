"""SPDX 2.3 as JSON: https://spdx.github.io/spdx-spec/v2.3/ .

Files are packages of purpose FILE: a File of SPDX 2.3 must state SHA-1 (8.4), which proves nothing and which we do not
compute. SPDX 3.0 has no such rule (`spdx_3.py`). Written as plain objects, because spdx-tools (Apache-2.0, an optional
dependency) takes three times as long and spells PACKAGE-MANAGER as the schema of 2.3 does not; it says which licence
expressions it accepts, and the tests have it read and validate every document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from rocketaudit.errors import UsageError
from rocketaudit.model.component import Component
from rocketaudit.model.report import Report
from rocketaudit.report.cyclonedx_component import is_hash
from rocketaudit.report.layout import lay_out
from rocketaudit.report.spdx_bill import (
    Bill,
    Licence,
    actor_name,
    bill_of,
    distribution_licence_of,
    element_id,
    found_text,
    licence_of,
    needs_library,
    own_licence,
)

MAX_COMMENT = 100_000
_ALGORITHMS = ("SHA-256", "SHA-384", "SHA-512")
_PURPOSES = {
    "operating-system": "OPERATING_SYSTEM",
    "application": "APPLICATION",
    "library": "LIBRARY",
    "firmware": "FIRMWARE",
    "file": "FILE",
}


def write_spdx(report: Report) -> bytes:
    """The bill of materials in SPDX 2.3; the same bytes for the same report. UsageError without the library."""
    try:
        from spdx_tools.spdx.validation.external_package_ref_validator import CPE22TYPE_REGEX, CPE23TYPE_REGEX
    except ImportError as error:
        raise needs_library("spdx-tools", error) from error
    licence = (report.extra or {}).get("sbom:licence", "CC0-1.0")
    if licence != "CC0-1.0":
        raise UsageError(
            f"every SPDX 2.3 document is under CC0-1.0 (6.2), and the policy states {licence!r} for it",
            hint="write spdx3, or leave licence out of [sbom]",
        )
    bill = bill_of(report, "2.3")
    custom: dict[str, str] = {}
    patterns = {"cpe23Type": CPE23TYPE_REGEX, "cpe22Type": CPE22TYPE_REGEX}
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{bill.root.name} {bill.root.version}".strip(),
        "documentNamespace": bill.namespace,
        "creationInfo": {"created": f"{bill.created:%Y-%m-%dT%H:%M:%SZ}", "creators": list(_creators(report))},
        "comment": "\n".join(bill.remarks),
        "packages": [_package(component, report, custom, patterns) for component in bill.parts],
        "relationships": list(_relationships(bill)),
    }
    if custom:
        document["hasExtractedLicensingInfos"] = [
            {"licenseId": name, "extractedText": text, "name": name} for name, text in sorted(custom.items())
        ]
    return lay_out(document)


def _creators(report: Report) -> Iterator[str]:
    extra = report.extra or {}
    yield f"Tool: {report.tool.name}-{report.tool.version}"
    for kind, name, email in (
        ("Person", extra.get("sbom:author-name"), extra.get("sbom:author-email")),
        ("Organization", extra.get("sbom:manufacturer"), extra.get("sbom:contact-email")),
    ):
        if name or email:
            yield _actor(kind, name or email or "", email)


def _actor(kind: str, name: str, email: str | None = None) -> str:
    return f"{kind}: {actor_name(name)}" + (f" ({email})" if email else "")


def _package(component: Component, report: Report, custom: dict[str, str], patterns: dict[str, str]) -> dict[str, Any]:
    declared = licence_of(component)
    if declared is not None:
        declared = _accepted(declared, "\n".join(component.licences))
        custom.update(declared.custom)
    concluded = distribution_licence_of(component)
    if concluded is not None:
        concluded = _accepted(concluded, component.distribution_licence)
        custom.update(concluded.custom)
    contact = (report.extra or {}).get("sbom:contact-email") if component.kind == "operating-system" else None
    properties = "\n".join(f"{name}: {value}" for name, value in component.properties)
    members: dict[str, Any] = {
        "SPDXID": f"SPDXRef-{element_id(component)}",
        "name": component.name or "unnamed",
        "versionInfo": component.version,
        "packageFileName": component.name if component.kind in ("file", "firmware") else "",
        "supplier": _actor("Organization", component.supplier, contact) if component.supplier else "",
        "originator": _originator(component),
        "downloadLocation": component.distribution_url or "NOASSERTION",
        "checksums": [
            {"algorithm": name.replace("-", ""), "checksumValue": value.lower()}
            for name, value in component.hashes
            if name in _ALGORITHMS and is_hash(name, value)
        ],
        "sourceInfo": found_text(component),
        "licenseConcluded": "" if concluded is None else str(_parsed(concluded.expression)),
        "licenseDeclared": "" if declared is None else str(_parsed(declared.expression)),
        "copyrightText": component.copyright,
        "summary": component.description,
        "comment": properties[:MAX_COMMENT],
        "externalRefs": list(_references(component, patterns)),
        "primaryPackagePurpose": _PURPOSES.get(component.kind, "OTHER"),
    }
    return {name: value for name, value in members.items() if value} | {"filesAnalyzed": False}


def _originator(component: Component) -> str:
    """Who made it; SPDX 2 has an e-mail address beside the name, a URL can only be the name."""
    if not component.creator:
        return ""
    email = component.creator if "@" in component.creator and "://" not in component.creator else None
    return _actor("Organization", component.creator_name or component.creator, email)


def _references(component: Component, patterns: dict[str, str]) -> Iterator[dict[str, str]]:
    if component.purl:
        yield _reference("PACKAGE-MANAGER", "purl", component.purl)
    for kind, pattern in patterns.items():
        if component.cpe and re.match(pattern, component.cpe):
            yield _reference("SECURITY", kind, component.cpe)


def _reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}


def _relationships(bill: Bill) -> Iterator[dict[str, str]]:
    """DESCRIBES, CONTAINS and DEPENDS_ON; NOASSERTION where more is possible, NONE where a complete list is empty."""
    names = {component.ref: f"SPDXRef-{element_id(component)}" for component in bill.parts}
    # a crate is contained by its package; said the other way round, Trivy 0.76 takes it for a package of the OS
    inner = {one.ref for one in bill.parts if one.kind == "library" and one.found_by != "source-package"}
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", names[bill.root.ref])
    for kind, lists, known in (
        ("CONTAINS", bill.contains, bill.known_contents),
        ("DEPENDS_ON", bill.depends, bill.known_needs),
    ):
        for component in bill.parts:
            for ref in lists.get(component.ref, ()):
                if kind == "CONTAINS" and ref in inner:
                    yield _relationship(names[ref], "CONTAINED_BY", names[component.ref])
                else:
                    yield _relationship(names[component.ref], kind, names[ref])
            how = known.get(component.ref)
            if how in ("incomplete", "unknown"):
                yield _relationship(names[component.ref], kind, "NOASSERTION")
            elif how == "complete" and component.ref not in lists:
                yield _relationship(names[component.ref], kind, "NONE")


def _relationship(origin: str, kind: str, to: str) -> dict[str, str]:
    return {"spdxElementId": origin, "relationshipType": kind, "relatedSpdxElement": to}


def _accepted(licence: Licence, text: str) -> Licence:
    """The licence, or its text as one of its own when the library does not take the expression."""
    return licence if _is_accepted(licence.expression, tuple(licence.custom)) else own_licence(text)


@cache
def _is_accepted(expression: str, references: tuple[str, ...]) -> bool:
    from license_expression import ExpressionError, ExpressionParseError
    from spdx_tools.common.spdx_licensing import spdx_licensing

    found = spdx_licensing.validate(_parsed(expression))
    if set(found.invalid_symbols) - set(references):
        return False
    try:
        spdx_licensing.parse(expression, validate=True, strict=True)
    except ExpressionParseError:  # an exception where a licence is wanted, or the reverse
        return False
    except ExpressionError:  # names the symbols that were looked at above
        return True
    return True


@cache
def _parsed(expression: str) -> object:
    from spdx_tools.common.spdx_licensing import spdx_licensing

    return spdx_licensing.parse(expression)
