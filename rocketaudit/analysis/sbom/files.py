"""Other files that a bill of materials names: kernels, firmware, scripts, the CA bundle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rocketaudit.analysis.sbom.system import OS_REF, file_ref
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType

_KERNELS = ("vmlinuz", "bzImage", "vmlinux", "Image")
_LAST_SECOND = 253_402_300_800  # of the year 9999
_CA_BUNDLES = ("ca-bundle.crt", "ca-certificates.crt", "cert.pem", "tls-ca-bundle.pem")


def file_components(evidence: Evidence) -> Iterator[Component]:
    """Regular files of the judged root that are no ELF files but run, boot or are trusted."""
    binaries = {binary.path for binary in evidence.binaries if binary.scope == evidence.judged}
    for record in evidence.files:
        if record.type is not FileType.REGULAR or record.path in binaries:
            continue
        role = _role(record)
        if role and (record.scope == evidence.judged or role == "kernel"):
            yield _component(evidence, record, role)


def _role(record: FileRecord) -> str:
    base = record.path.rpartition("/")[2]
    if base.startswith(_KERNELS) and record.size > 1 << 20:
        return "kernel"
    if "/firmware/" in record.path and "/lib/" in record.path:
        return "firmware"
    if record.content == "script":
        return "script"
    if base in _CA_BUNDLES:
        return "ca-bundle"
    return "disk-image" if record.content == "image" else ""


def changed_at(record: FileRecord | None) -> str:
    """The time of the last change (RFC 3339): the version of a file that has none (BSI TR-03183-2, 5.2.2)."""
    if record is None or not 0 < record.mtime < _LAST_SECOND:
        return ""
    return f"{datetime.fromtimestamp(record.mtime, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _component(evidence: Evidence, record: FileRecord, role: str) -> Component:
    hashes = [("SHA-256", record.sha256)] if record.sha256 else []
    if record.sha512:
        hashes.append(("SHA-512", record.sha512))
    properties = [("rocketaudit:role", role), ("rocketaudit:size", str(record.size))]
    if record.interpreter:
        properties.append(("rocketaudit:interpreter", record.interpreter))
    if record.unread:
        properties.append(("rocketaudit:unread", record.unread))
    same_tree = record.scope == evidence.judged
    return Component(
        ref=file_ref(record.path) if same_tree else f"file:{record.scope}:{record.path}",
        kind="firmware" if role == "firmware" else "file",
        name=record.path,
        version=changed_at(record),
        hashes=tuple(hashes),
        where=(Locator(evidence.target.name, record.scope, record.path),),
        found_by=role,
        parent=OS_REF,
        properties=tuple(properties),
    )
