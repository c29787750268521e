"""SPDX 3.0.1 as JSON-LD, through spdx-python-model (Apache-2.0), the bindings that SPDX generates from its own model.

Spec: https://spdx.github.io/spdx-spec/v3.0.1/ . The bindings refuse what the model does not allow. Files are files,
completeness stands on each relationship, and our properties travel as SPDX's own extension for CycloneDX properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rocketaudit.formats.spdx_expression import is_expression
from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.model.target import TargetKind
from rocketaudit.report.cyclonedx_component import CPE, is_hash
from rocketaudit.report.layout import lay_out
from rocketaudit.report.spdx_bill import (
    Bill,
    bill_of,
    distribution_licence_of,
    element_id,
    found_text,
    licence_of,
    needs_library,
    own_licence,
)

if TYPE_CHECKING:
    from types import ModuleType

_PURPOSES = {
    "operating-system": "operatingSystem",
    "application": "application",
    "library": "library",
    "firmware": "firmware",
    "file": "file",
}
_COMPLETENESS = {"complete": "complete", "incomplete": "incomplete", "unknown": "noAssertion"}


@dataclass(frozen=True, slots=True)
class _Making:
    """What every element of one document needs; `add` puts an element into it and gives its address."""

    spdx: ModuleType
    bill: Bill
    objects: Any
    common: Mapping[str, Any]

    def iri(self, name: str) -> str:
        return f"{self.bill.namespace}/{name}"

    def add(self, kind: str, local: str, **members: Any) -> str:
        made = getattr(self.spdx, kind)(_id=self.iri(local), **self.common, **members)
        self.objects.add(made)
        return self.iri(local)


def write_spdx3(report: Report) -> bytes:
    """The bill of materials in SPDX 3.0.1; the same bytes for the same report. UsageError without the library."""
    try:
        from spdx_python_model import v3_0_1 as spdx
    except ImportError as error:
        raise needs_library("spdx-python-model", error) from error
    bill = bill_of(report, "3.0.1")
    creation = spdx.CreationInfo(_id="_:creation", specVersion="3.0.1", created=bill.created)
    making = _Making(spdx, bill, spdx.SHACLObjectSet(), {"creationInfo": creation})
    making.objects.add(creation)
    creation.createdBy.extend(_authors(making, report))
    tool = f"{report.tool.name} {report.tool.version}".strip()
    creation.createdUsing.append(making.add("Tool", "Tool", name=tool))
    suppliers = {name: _organization(making, name) for name in sorted({c.supplier for c in bill.parts if c.supplier})}
    creators = {who: _creator(making, *who) for who in sorted({_who(c) for c in bill.parts if c.creator})}
    addresses = {component.ref: _artifact(making, component, suppliers, creators) for component in bill.parts}
    _lists(making, "contains", addresses, bill.contains, bill.known_contents)
    _lists(making, "dependsOn", addresses, bill.depends, bill.known_needs)
    _licences(making, addresses)
    _document(making, report, addresses)
    return lay_out(spdx.JSONLDSerializer().serialize_data(making.objects, force_at_graph=True))


def _authors(making: _Making, report: Report) -> list[str]:
    """Who made the document: the people whom the policy names, else this program (an agent is mandatory)."""
    extra = report.extra or {}
    found = []
    for kind, name, email in (
        ("Person", extra.get("sbom:author-name"), extra.get("sbom:author-email")),
        ("Organization", extra.get("sbom:manufacturer"), extra.get("sbom:contact-email")),
    ):
        if name or email:
            contact = [_identifier(making, "email", email)] if email else []
            found.append(making.add(kind, f"{kind}-author", name=name or email, externalIdentifier=contact))
    return found or [making.add("SoftwareAgent", "Agent", name=report.tool.name)]


def _organization(making: _Making, name: str) -> str:
    return making.add("Organization", element_id(Component(f"supplier:{name}", "organization", name)), name=name)


def _who(component: Component) -> tuple[str, str]:
    return component.creator_name, component.creator


def _creator(making: _Making, name: str, address: str) -> str:
    """Who made something, by an e-mail address or a URL (BSI TR-03183-2 v2.1, 8.2)."""
    known_by = [_identifier(making, "other" if "://" in address else "email", address)]
    local = element_id(Component(f"creator:{name}:{address}", "organization", name))
    return making.add("Organization", local, name=name or address, externalIdentifier=known_by)


def _addresses(making: _Making, component: Component) -> dict[str, Any]:
    """Where the source and the deployable form are."""
    kinds = making.spdx.ExternalRefType
    places = ((kinds.sourceArtifact, component.source_url), (kinds.binaryArtifact, component.distribution_url))
    found = [making.spdx.ExternalRef(externalRefType=kind, locator=[url]) for kind, url in places if url]
    return {"externalRef": found} if found else {}


def _identifier(making: _Making, kind: str, text: str) -> object:
    return making.spdx.ExternalIdentifier(
        externalIdentifierType=getattr(making.spdx.ExternalIdentifierType, kind), identifier=text
    )


def _artifact(
    making: _Making,
    component: Component,
    suppliers: Mapping[str, str],
    creators: Mapping[tuple[str, str], str],
) -> str:
    """A package or a file."""
    spdx = making.spdx
    members: dict[str, Any] = {"name": component.name or "unnamed"}
    is_file = component.kind in ("file", "firmware")
    members["software_primaryPurpose"] = getattr(spdx.software_SoftwarePurpose, _PURPOSES.get(component.kind, "other"))
    members["verifiedUsing"] = [
        spdx.Hash(algorithm=getattr(spdx.HashAlgorithm, name.replace("-", "").lower()), hashValue=value.lower())
        for name, value in component.hashes
        if is_hash(name, value)
    ]
    texts = {
        "software_packageVersion": "" if is_file else component.version,
        "software_packageUrl": component.purl,
        "software_copyrightText": component.copyright,
        "summary": component.description,
        "comment": found_text(component),
    }
    members |= {member: text for member, text in texts.items() if text}
    if component.supplier:
        members["suppliedBy"] = suppliers[component.supplier]
    if component.creator:
        members["originatedBy"] = [creators[_who(component)]]
    members |= _addresses(making, component)
    if CPE.match(component.cpe):
        kind = "cpe23" if component.cpe.startswith("cpe:2.3:") else "cpe22"
        members["externalIdentifier"] = [_identifier(making, kind, component.cpe)]
    properties = component.properties
    if is_file and component.version:  # a File of SPDX has none
        properties = (*properties, ("rocketaudit:version", component.version))
    if properties:
        entries = [
            spdx.extension_CdxPropertyEntry(extension_cdxPropName=name, extension_cdxPropValue=value)
            for name, value in properties
        ]
        members["extension"] = [spdx.extension_CdxPropertiesExtension(extension_cdxProperty=entries)]
    return making.add("software_File" if is_file else "software_Package", element_id(component), **members)


def _lists(
    making: _Making,
    kind: str,
    addresses: Mapping[str, str],
    lists: Mapping[str, Iterable[str]],
    known: Mapping[str, str],
) -> None:
    """One relationship for each element that holds or needs something, or of which it is said how much is known."""
    for component in making.bill.parts:
        to = [addresses[ref] for ref in lists.get(component.ref, ())]
        how = _COMPLETENESS.get(known.get(component.ref, ""))
        if not to and how is None:
            continue
        if not to:
            to = [
                making.spdx.IndividualElement.NoneElement
                if how == "complete"
                else making.spdx.IndividualElement.NoAssertionElement
            ]
        _relate(making, kind, element_id(component), addresses[component.ref], to, how)


def _relate(making: _Making, kind: str, name: str, origin: str, to: list[str], how: str | None = None) -> None:
    stated = {} if how is None else {"completeness": getattr(making.spdx.RelationshipCompleteness, how)}
    wanted = getattr(making.spdx.RelationshipType, kind)
    making.add("Relationship", f"{kind}-{name}", from_=origin, to=to, relationshipType=wanted, **stated)


def _licences(making: _Making, addresses: Mapping[str, str]) -> None:
    """One element for each licence, what declares it, and what is handed on under it."""
    made: dict[tuple[str, ...], str] = {}
    for component in making.bill.parts:
        for kind, licence in (
            ("hasDeclaredLicense", licence_of(component)),
            ("hasConcludedLicense", distribution_licence_of(component)),
        ):
            if licence is None:
                continue
            key = (licence.expression, *licence.custom.values())
            if key not in made:
                made[key] = _licence(making, licence.expression, licence.custom)
            _relate(making, kind, element_id(component), addresses[component.ref], [made[key]])


def _licence(making: _Making, expression: str, custom: Mapping[str, str]) -> str:
    """An expression; texts of licences that SPDX does not list are elements that it points to."""
    entries = []
    for name, text in sorted(custom.items()):
        digest = element_id(Component(f"text:{name}:{text}", "text", name))
        where = making.add("simplelicensing_SimpleLicensingText", digest, name=name, simplelicensing_licenseText=text)
        entries.append(making.spdx.DictionaryEntry(key=name, value=where))
    identity = element_id(Component(f"licence:{expression}:{sorted(custom.items())}", "licence", expression))
    return making.add(
        "simplelicensing_LicenseExpression",
        identity,
        simplelicensing_licenseExpression=expression,
        simplelicensing_customIdToUri=entries,
    )


def _document(making: _Making, report: Report, addresses: Mapping[str, str]) -> None:
    """The bill and the document around it, with what is not known as annotations of the bill."""
    spdx, bill = making.spdx, making.bill
    is_node = report.target.kind is TargetKind.NODE
    kind = spdx.software_SbomType.deployed if is_node else spdx.software_SbomType.analyzed
    profile = spdx.ProfileIdentifierType
    name = f"{bill.root.name} {bill.root.version}".strip()
    for number, remark in enumerate(bill.remarks):
        making.add(
            "Annotation",
            f"Annotation-{number}",
            subject=making.iri("Sbom"),
            annotationType=spdx.AnnotationType.other,
            statement=remark,
        )
    sbom = making.add(
        "software_Sbom",
        "Sbom",
        name=name,
        software_sbomType=[kind],
        rootElement=[addresses[bill.root.ref]],
        element=sorted(addresses.values()),
    )
    licence = (report.extra or {}).get("sbom:licence", "")
    stated = {}
    if licence:
        known = own_licence(licence) if not is_expression(licence) else None
        expression, custom = (licence, {}) if known is None else (known.expression, known.custom)
        stated["dataLicense"] = _licence(making, expression, custom)
    making.add(
        "SpdxDocument",
        "Document",
        name=name,
        rootElement=[sbom],
        profileConformance=[profile.core, profile.software, profile.simpleLicensing, profile.extension],
        comment="\n".join(bill.remarks),
        **stated,
    )
