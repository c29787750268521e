"""CycloneDX 1.6 and 1.7 as JSON: components, dependencies, completeness, and the results as declarations.

Spec: https://cyclonedx.org/docs/1.6/json/ ; the official schemas are in sbom/schema. Nothing is made up: a field
that the image and the policy do not state is left out, and `sbom --missing` says which standard misses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rocketaudit.model.component import Component
from rocketaudit.model.report import Report
from rocketaudit.model.target import TargetKind
from rocketaudit.report.cyclonedx_completeness import compositions, name_of, unread_lines, why
from rocketaudit.report.cyclonedx_component import Form, component_object, entity, nest
from rocketaudit.report.cyclonedx_declarations import declarations, standards
from rocketaudit.report.document import digest_of, timestamp
from rocketaudit.report.layout import lay_out

SPEC_VERSIONS = ("1.6", "1.7")
IDENTITIES = ("list", "object")  # of evidence.identity; readers that know 1.5 only take an object
ROOT = "os"
TOOL_REF = "tool:rocketaudit"


def write_cyclonedx(report: Report, spec_version: str = "1.6") -> bytes:
    """The bill of materials of a report; the same bytes for the same report."""
    root, others = split_root(report)
    digest = digest_of(report)  # of the whole evidence: once
    stated = list(compositions(report, root, others))
    form = Form(spec_version, has_identity_list=(report.extra or {}).get("sbom:identity") != "object")
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{spec_version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": spec_version,
        "serialNumber": serial_number(report, spec_version, digest),
        "version": 1,
        "metadata": _metadata(report, root, digest, stated, form),
        "components": nest(others, root.ref, form),
        "dependencies": list(_dependencies(root, others)),
        "compositions": stated,
    }
    if report.benchmarks or report.integrity.banks:
        document["definitions"] = {"standards": list(standards(report))}
        document["declarations"] = declarations(report, root)
    return lay_out(document)


def serial_number(report: Report, spec_version: str, digest: str) -> str:
    """A UUID that follows from the evidence's digest, the tool and the printed time: same input, same number."""
    name = f"{report.tool.name}\n{report.tool.version}\n{spec_version}\n{digest}\n{report.created}"
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name)}"


def split_root(report: Report) -> tuple[Component, list[Component]]:
    """(the root component, the others by ref); refs are unique from here on."""
    by_ref: dict[str, Component] = {}
    for component in report.components:
        by_ref.setdefault(component.ref, component)
    name = report.target.os_name or report.target.name or "unnamed"
    root = by_ref.pop(ROOT, Component(ROOT, "operating-system", name, report.target.version))
    return root, [by_ref[ref] for ref in sorted(by_ref)]


def _metadata(
    report: Report, root: Component, digest: str, stated: Sequence[Mapping[str, Any]], form: Form
) -> dict[str, Any]:
    tool = {
        "type": "application",
        "bom-ref": TOOL_REF,
        "name": report.tool.name,
        "version": report.tool.version,
        "description": "Security compliance and drift scanner for immutable container hosts",
    }
    extra = report.extra or {}
    metadata: dict[str, Any] = {}
    if timestamp(report.created):
        metadata["timestamp"] = report.created
    metadata["lifecycles"] = [{"phase": "operations" if report.target.kind is TargetKind.NODE else "post-build"}]
    metadata["tools"] = {"components": [tool]}
    authors = [
        {k: v for k, v in (("name", extra.get("sbom:author-name")), ("email", extra.get("sbom:author-email"))) if v}
    ]
    if any(authors):
        metadata["authors"] = authors
    contact = extra.get("sbom:contact-email", "")
    made_by = entity(extra.get("sbom:manufacturer", ""), extra.get("sbom:manufacturer-url", ""), contact)
    metadata["component"] = {**component_object(root, form), **({"manufacturer": made_by} if made_by else {})}
    maker = extra.get("sbom:manufacturer") or root.supplier
    manufacturer = entity(maker, extra.get("sbom:manufacturer-url", ""), contact)
    if manufacturer:
        metadata["manufacturer"] = manufacturer
    supplier = entity(extra.get("sbom:supplier", ""), extra.get("sbom:supplier-url", ""), contact)
    if supplier:
        metadata["supplier"] = supplier
    if extra.get("sbom:licence"):
        metadata["licenses"] = [{"expression": extra["sbom:licence"]}]
    properties = [
        ("rocketaudit:assurance", report.assurance.value),
        ("rocketaudit:evidence-digest", digest),
        ("rocketaudit:integrity", report.integrity.verdict.value),
        ("rocketaudit:sha-512", "collected" if _has_sha512(report) else "not collected"),
        *((f"rocketaudit:why:{name_of(one)}", f"{one['aggregate']}: {why(one)}") for one in stated),
        *(("rocketaudit:unread", line) for line in unread_lines(report)),
    ]
    metadata["properties"] = [{"name": name, "value": value} for name, value in properties if value]
    return metadata


def _has_sha512(report: Report) -> bool:
    return report.evidence.sha512 or any(dict(c.hashes).get("SHA-512") for c in report.components if c.kind == "file")


def _dependencies(root: Component, others: Sequence[Component]) -> Iterator[dict[str, Any]]:
    """One entry for every component; references to what is not there are left out.

    The system needs its packages and files, a package its files. What else lies in them (crates of licence texts,
    packages of Python) is no dependency: consumers take what an OS package needs for a package of the OS.
    """
    known = {root.ref, *(component.ref for component in others)}
    children: dict[str, set[str]] = {}
    for component in others:
        parent = component.parent if component.parent in known else ""
        if component.kind == "library" and component.found_by != "source-package":
            continue
        if parent and parent != component.ref:
            children.setdefault(parent, set()).add(component.ref)
    for component in (root, *others):
        depends = {ref for ref in component.depends_on if ref in known and ref != component.ref}
        depends |= children.get(component.ref, set())
        entry: dict[str, Any] = {"ref": component.ref}
        if depends:
            entry["dependsOn"] = sorted(depends)
        yield entry


def write_cyclonedx_1_7(report: Report) -> bytes:
    """The same document in CycloneDX 1.7."""
    return write_cyclonedx(report, "1.7")
