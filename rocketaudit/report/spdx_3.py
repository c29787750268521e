"""SPDX 3.0.1 as JSON-LD: https://spdx.github.io/spdx-spec/v3.0.1/ .

Files are files, completeness stands on each relationship, and our properties travel as SPDX's own extension for
CycloneDX properties. Written as plain objects: for 20,000 components SPDX's bindings (spdx-python-model) take 20 s,
this takes two. The tests read every document through them, compare what they write again, and check it by the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from rocketaudit.formats.spdx_expression import is_expression
from rocketaudit.model.component import Component
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.model.target import TargetKind
from rocketaudit.report.cyclonedx_component import CPE, bsi_properties, is_hash
from rocketaudit.report.layout import lay_out
from rocketaudit.report.spdx_bill import (
    Bill,
    bill_of,
    distribution_licence_of,
    element_id,
    found_text,
    licence_of,
    own_licence,
)

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:CreationInfo0"
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
    """The elements of one document by address; `add` puts one into it, without lists that are empty."""

    bill: Bill
    elements: dict[str, dict[str, Any]] = field(default_factory=dict)

    def iri(self, name: str) -> str:
        return f"{self.bill.namespace}/{name}"

    def add(self, kind: str, local: str, members: Mapping[str, Any]) -> str:
        where = self.iri(local)
        made = {"type": kind, "spdxId": where, "creationInfo": _CREATION}
        self.elements[where] = made | {name: value for name, value in members.items() if value != []}
        return where


def write_spdx3(report: Report) -> bytes:
    """The bill of materials in SPDX 3.0.1; the same bytes for the same report."""
    bill = bill_of(report, "3.0.1")
    making = _Making(bill)
    tool = f"{report.tool.name} {report.tool.version}".strip()
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": f"{bill.created:%Y-%m-%dT%H:%M:%SZ}",
        "createdBy": _authors(making, report),
        "createdUsing": [making.add("Tool", "Tool", {"name": tool})],
    }
    suppliers = {name: _organization(making, name) for name in sorted({c.supplier for c in bill.parts if c.supplier})}
    creators = {who: _creator(making, *who) for who in sorted({_who(c) for c in bill.parts if c.creator})}
    addresses = {component.ref: _artifact(making, component, suppliers, creators) for component in bill.parts}
    _lists(making, "contains", addresses, bill.contains, bill.known_contents)
    _lists(making, "dependsOn", addresses, bill.depends, bill.known_needs)
    _licences(making, addresses)
    _sources(making, addresses)
    _document(making, report, addresses)
    elements = [making.elements[where] for where in sorted(making.elements)]
    return lay_out({"@context": CONTEXT, "@graph": [creation, *elements]})


def _authors(making: _Making, report: Report) -> list[str]:
    """Who made the document: the people whom the policy names, else this program (an agent is mandatory)."""
    extra = report.extra or {}
    found = []
    for kind, name, email in (
        ("Person", extra.get("sbom:author-name"), extra.get("sbom:author-email")),
        ("Organization", extra.get("sbom:manufacturer"), extra.get("sbom:contact-email")),
    ):
        if name or email:
            contact = [_identifier("email", email)] if email else []
            members = {"name": name or email, "externalIdentifier": contact}
            found.append(making.add(kind, f"{kind}-author", members))
    return found or [making.add("SoftwareAgent", "Agent", {"name": report.tool.name})]


def _organization(making: _Making, name: str) -> str:
    identity = element_id(Component(f"supplier:{name}", "organization", name))
    return making.add("Organization", identity, {"name": name})


def _who(component: Component) -> tuple[str, str]:
    return component.creator_name, component.creator


def _creator(making: _Making, name: str, address: str) -> str:
    """Who made something, by an e-mail address or a URL (BSI TR-03183-2 v2.1, 8.2)."""
    known_by = [_identifier("other" if "://" in address else "email", address)]
    local = element_id(Component(f"creator:{name}:{address}", "organization", name))
    return making.add("Organization", local, {"name": name or address, "externalIdentifier": known_by})


def _sources(making: _Making, addresses: Mapping[str, str]) -> None:
    """Where the source of each component is: one element for each address, which generates what is made of it."""
    made: dict[str, list[str]] = {}
    for component in making.bill.parts:
        if component.source_url:
            made.setdefault(component.source_url, []).append(addresses[component.ref])
    for url, results in sorted(made.items()):
        local = element_id(Component(f"source:{url}", "source", url))
        place = {"type": "ExternalRef", "externalRefType": "sourceArtifact", "locator": [url]}
        members = {"name": url, "software_primaryPurpose": "source", "externalRef": [place]}
        _relate(making, "generates", local, making.add("software_File", local, members), sorted(results))


def _purposes(component: Component) -> list[str]:
    """The properties that BSI TR-03183-2 v2.1 asks of a file, in SPDX's words (8.2)."""
    said = dict(bsi_properties(component))
    words = (
        ("executable", said.get("bsi:component:executable") == "executable"),
        ("archive", said.get("bsi:component:archive") == "archive"),
        ("container", said.get("bsi:component:structured") == "structured"),
        ("firmware", said.get("bsi:component:structured") == "unstructured"),
    )
    return [word for word, holds in words if holds]


def _identifier(kind: str, text: str) -> dict[str, str]:
    return {"type": "ExternalIdentifier", "externalIdentifierType": kind, "identifier": text}


def _artifact(
    making: _Making,
    component: Component,
    suppliers: Mapping[str, str],
    creators: Mapping[tuple[str, str], str],
) -> str:
    """A package or a file."""
    members: dict[str, Any] = {"name": component.name or "unnamed"}
    is_file = component.kind in ("file", "firmware")
    members["software_primaryPurpose"] = _PURPOSES.get(component.kind, "other")
    members["verifiedUsing"] = [
        {"type": "Hash", "algorithm": name.replace("-", "").lower(), "hashValue": value.lower()}
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
    if component.distribution_url:
        place = {"type": "ExternalRef", "externalRefType": "binaryArtifact", "locator": [component.distribution_url]}
        members["externalRef"] = [place]
    identifiers = [_identifier("packageUrl", component.purl)] if component.purl else []
    if CPE.match(component.cpe):
        kind = "cpe23" if component.cpe.startswith("cpe:2.3:") else "cpe22"
        identifiers.append(_identifier(kind, component.cpe))
    members["externalIdentifier"] = identifiers
    members["software_additionalPurpose"] = _purposes(component) if is_file else []
    properties = component.properties
    if is_file and component.version:  # a File of SPDX has none
        properties = (*properties, ("rocketaudit:version", component.version))
    if properties:
        entries = [
            {
                "type": "extension_CdxPropertyEntry",
                "extension_cdxPropName": name,
                "extension_cdxPropValue": value,
            }
            for name, value in properties
        ]
        members["extension"] = [{"type": "extension_CdxPropertiesExtension", "extension_cdxProperty": entries}]
    return making.add("software_File" if is_file else "software_Package", element_id(component), members)


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
            to = ["NoneElement" if how == "complete" else "NoAssertionElement"]
        _relate(making, kind, element_id(component), addresses[component.ref], to, how)


def _relate(making: _Making, kind: str, name: str, origin: str, to: list[str], how: str | None = None) -> None:
    members: dict[str, Any] = {"from": origin, "to": to, "relationshipType": kind}
    if how is not None:
        members["completeness"] = how
    making.add("Relationship", f"{kind}-{name}", members)


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
        members = {"name": name, "simplelicensing_licenseText": text}
        where = making.add("simplelicensing_SimpleLicensingText", digest, members)
        entries.append({"type": "DictionaryEntry", "key": name, "value": where})
    identity = element_id(Component(f"licence:{expression}:{sorted(custom.items())}", "licence", expression))
    return making.add(
        "simplelicensing_LicenseExpression",
        identity,
        {"simplelicensing_licenseExpression": expression, "simplelicensing_customIdToUri": entries},
    )


def _document(making: _Making, report: Report, addresses: Mapping[str, str]) -> None:
    """The bill and the document around it, with what is not known as annotations of the bill."""
    bill = making.bill
    name = f"{bill.root.name} {bill.root.version}".strip()
    for number, remark in enumerate(bill.remarks):
        said = {"subject": making.iri("Sbom"), "annotationType": "other", "statement": remark}
        making.add("Annotation", f"Annotation-{number}", said)
    contents = {
        "name": name,
        "software_sbomType": ["deployed" if report.target.kind is TargetKind.NODE else "analyzed"],
        "rootElement": [addresses[bill.root.ref]],
        "element": sorted(addresses.values()),
    }
    document: dict[str, Any] = {
        "name": name,
        "rootElement": [making.add("software_Sbom", "Sbom", contents)],
        "profileConformance": ["core", "software", "simpleLicensing", "extension"],
        "comment": "\n".join(bill.remarks),
    }
    licence = (report.extra or {}).get("sbom:licence", "")
    if licence:
        known = own_licence(licence) if not is_expression(licence) else None
        expression, custom = (licence, {}) if known is None else (known.expression, known.custom)
        document["dataLicense"] = _licence(making, expression, custom)
    making.add("SpdxDocument", "Document", document)
