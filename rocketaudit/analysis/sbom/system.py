"""The operating system as a component."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.sbom.purl import system_purl
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Locator, Plane, State

OS_REF = "os"


def file_ref(path: str) -> str:
    """The reference of a file's component."""
    return f"file:{path}"


def os_value(evidence: Evidence, name: str) -> str:
    """One value of os-release, or ""."""
    fact = evidence.get(Key("os_release", (name,)), Plane.STATIC)
    return fact.value if fact.state is State.PRESENT and isinstance(fact.value, str) else ""


def version_id(evidence: Evidence) -> str:
    """VERSION_ID, which the distro qualifier of purls wants."""
    return os_value(evidence, "VERSION_ID") or evidence.target.version.partition(" ")[0]


def system_component(evidence: Evidence) -> Component:
    """The OS with what it states of itself, the image's digest and the root hashes.

    Its name is os-release's ID: scanners take it for the distribution that advisories and package URLs speak of.
    """
    target = evidence.target
    hashes: tuple[tuple[str, str], ...] = ()
    if target.digest and target.digest.startswith("sha256:"):
        hashes = (("SHA-256", target.digest.removeprefix("sha256:")),)
    return Component(
        ref=OS_REF,
        kind="operating-system",
        name=os_value(evidence, "ID") or target.os_id or target.os_name or target.name,
        version=version_id(evidence) or target.version,
        purl=system_purl(os_value(evidence, "ID") or target.os_id, version_id(evidence), target.arch),
        cpe=os_value(evidence, "CPE_NAME"),
        supplier=os_value(evidence, "VENDOR_NAME"),
        hashes=hashes,
        where=(Locator(target.name, evidence.judged, "/usr/lib/os-release"),),
        found_by="os-release",
        properties=tuple(_properties(evidence)),
        description=os_value(evidence, "PRETTY_NAME") or os_value(evidence, "NAME"),
    )


def _properties(evidence: Evidence) -> Iterator[tuple[str, str]]:
    target = evidence.target
    for name, value in (
        ("arch", target.arch),
        ("build-id", target.build),
        ("image", target.name),
        ("kernel-version", target.kernel_version),
        ("layout", target.layout),
        ("variant", target.variant),
    ):
        if value:
            yield f"rocketaudit:{name}", value
    for fact in evidence.find("partition", Plane.STATIC):
        said = str(fact.value) if fact.state is State.PRESENT else f"unread: {fact.reason}"
        yield f"rocketaudit:partition:{fact.key.subject[0]}:{fact.where.partition}:sha-256", said
    for bank in evidence.verity:
        if bank.populated and bank.check is not None:
            stated = bank.check.parameters
            yield f"rocketaudit:{bank.scope}:verity-root-hash", stated.root_hash
            yield f"rocketaudit:{bank.scope}:verity-algorithm", stated.algorithm
            yield f"rocketaudit:{bank.scope}:verity-verdict", bank.check.verdict.value
