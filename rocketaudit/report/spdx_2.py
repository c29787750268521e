"""SPDX 2.3 as JSON, through spdx-tools (Apache-2.0, an optional dependency).

Spec: https://spdx.github.io/spdx-spec/v2.3/ . Files are packages of purpose FILE: a File of SPDX 2.3 must state SHA-1
(8.4), which proves nothing and which we do not compute. SPDX 3.0 has no such rule (`spdx_3.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from spdx_tools.spdx import model

MAX_COMMENT = 100_000
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
        from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
    except ImportError as error:
        raise needs_library("spdx-tools", error) from error
    licence = (report.extra or {}).get("sbom:licence", "CC0-1.0")
    if licence != "CC0-1.0":
        raise UsageError(
            f"every SPDX 2.3 document is under CC0-1.0 (6.2), and the policy states {licence!r} for it",
            hint="write spdx3, or leave licence out of [sbom]",
        )
    make: Callable[[], Any] = DocumentConverter
    return lay_out(make().convert(document_of(report)))


def document_of(report: Report) -> model.Document:
    """The document as the library's own value, which its validator takes."""
    from spdx_tools.spdx import model

    bill = bill_of(report, "2.3")
    custom: dict[str, str] = {}
    packages = [_package(component, report, custom) for component in bill.parts]
    return model.Document(
        _creation(report, bill),
        packages=packages,
        relationships=list(_relationships(bill)),
        extracted_licensing_info=[
            model.ExtractedLicensingInfo(name, text, name) for name, text in sorted(custom.items())
        ],
    )


def _creation(report: Report, bill: Bill) -> model.CreationInfo:
    from spdx_tools.spdx import model

    extra = report.extra or {}
    creators = [model.Actor(model.ActorType.TOOL, f"{report.tool.name}-{report.tool.version}")]
    for kind, name, email in (
        (model.ActorType.PERSON, extra.get("sbom:author-name"), extra.get("sbom:author-email")),
        (model.ActorType.ORGANIZATION, extra.get("sbom:manufacturer"), extra.get("sbom:contact-email")),
    ):
        if name or email:
            creators.append(model.Actor(kind, actor_name(name or email or ""), email or None))
    return model.CreationInfo(
        "SPDX-2.3",
        "SPDXRef-DOCUMENT",
        f"{bill.root.name} {bill.root.version}".strip(),
        bill.namespace,
        creators,
        bill.created.replace(tzinfo=None),  # the library writes UTC
        document_comment="\n".join(bill.remarks),
    )


def _package(component: Component, report: Report, custom: dict[str, str]) -> model.Package:
    from spdx_tools.spdx import model

    is_file = component.kind in ("file", "firmware")
    algorithms = {name: model.ChecksumAlgorithm[name.replace("-", "")] for name in ("SHA-256", "SHA-384", "SHA-512")}
    declared = licence_of(component)
    if declared is not None:
        declared = _accepted(declared, "\n".join(component.licences))
        custom.update(declared.custom)
    concluded = distribution_licence_of(component)
    if concluded is not None:
        concluded = _accepted(concluded, component.distribution_licence)
        custom.update(concluded.custom)
    contact = (report.extra or {}).get("sbom:contact-email") if component.kind == "operating-system" else None
    organization = model.ActorType.ORGANIZATION
    comment = "\n".join(f"{name}: {value}" for name, value in component.properties)
    return model.Package(
        f"SPDXRef-{element_id(component)}",
        component.name or "unnamed",
        component.distribution_url or model.SpdxNoAssertion(),
        version=component.version or None,
        file_name=component.name if is_file else None,
        supplier=model.Actor(organization, actor_name(component.supplier), contact) if component.supplier else None,
        originator=_originator(component),
        files_analyzed=False,
        checksums=[
            model.Checksum(algorithms[name], value.lower())
            for name, value in component.hashes
            if name in algorithms and is_hash(name, value)
        ],
        source_info=found_text(component) or None,
        license_concluded=None if concluded is None else _parsed(concluded.expression),
        license_declared=None if declared is None else _parsed(declared.expression),
        copyright_text=component.copyright or None,
        summary=component.description or None,
        comment=comment[:MAX_COMMENT] or None,
        external_references=list(_references(component)),
        primary_package_purpose=model.PackagePurpose[_PURPOSES.get(component.kind, "OTHER")],
    )


def _originator(component: Component) -> model.Actor | None:
    """Who made it; SPDX 2 has an e-mail address beside the name, a URL can only be the name."""
    from spdx_tools.spdx import model

    if not component.creator:
        return None
    email = component.creator if "@" in component.creator and "://" not in component.creator else None
    return model.Actor(model.ActorType.ORGANIZATION, actor_name(component.creator_name or component.creator), email)


def _references(component: Component) -> Iterator[model.ExternalPackageRef]:
    from spdx_tools.spdx import model
    from spdx_tools.spdx.validation.external_package_ref_validator import CPE22TYPE_REGEX, CPE23TYPE_REGEX

    category = model.ExternalPackageRefCategory
    if component.purl:
        yield model.ExternalPackageRef(category.PACKAGE_MANAGER, "purl", component.purl)
    for kind, pattern in (("cpe23Type", CPE23TYPE_REGEX), ("cpe22Type", CPE22TYPE_REGEX)):
        if component.cpe and re.match(pattern, component.cpe):
            yield model.ExternalPackageRef(category.SECURITY, kind, component.cpe)


def _relationships(bill: Bill) -> Iterator[model.Relationship]:
    """DESCRIBES, CONTAINS and DEPENDS_ON; NOASSERTION where more is possible, NONE where a complete list is empty."""
    from spdx_tools.spdx.model import Relationship, RelationshipType, SpdxNoAssertion, SpdxNone

    names = {component.ref: f"SPDXRef-{element_id(component)}" for component in bill.parts}
    # a crate is contained by its package; said the other way round, Trivy 0.76 takes it for a package of the OS
    inner = {one.ref for one in bill.parts if one.kind == "library" and one.found_by != "source-package"}
    yield Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, names[bill.root.ref])
    for kind, lists, known in (
        (RelationshipType.CONTAINS, bill.contains, bill.known_contents),
        (RelationshipType.DEPENDS_ON, bill.depends, bill.known_needs),
    ):
        for component in bill.parts:
            for ref in lists.get(component.ref, ()):
                if kind is RelationshipType.CONTAINS and ref in inner:
                    yield Relationship(names[ref], RelationshipType.CONTAINED_BY, names[component.ref])
                else:
                    yield Relationship(names[component.ref], kind, names[ref])
            how = known.get(component.ref)
            if how in ("incomplete", "unknown"):
                yield Relationship(names[component.ref], kind, SpdxNoAssertion())
            elif how == "complete" and component.ref not in lists:
                yield Relationship(names[component.ref], kind, SpdxNone())


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


def _parsed(expression: str) -> object:
    from spdx_tools.common.spdx_licensing import spdx_licensing

    return spdx_licensing.parse(expression)
