"""Bills of materials that a vendor put into an image: CycloneDX 1.4 to 1.7 and SPDX 2.x, read for comparison.

Accepted leniently (they were made by others), with bounds; plain JSON or one LZ4 frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lz4.frame

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.strict_json import loads
from rocketaudit.model.records import dataclass

MAX_SIZE = 64 << 20
MAX_COMPONENTS = 200_000
_LZ4_MAGIC = b"\x04\x22\x4d\x18"


@dataclass(frozen=True, slots=True)
class Listed:
    """One component that the document lists; `purl` is "" where it gives none."""

    name: str
    version: str
    purl: str


@dataclass(frozen=True, slots=True)
class VendorSbom:
    """`format` is "CycloneDX" or "SPDX"; `subject` and `subject_version` are what the document is about."""

    format: str
    version: str
    subject: str
    subject_version: str
    components: tuple[Listed, ...]


def parse_vendor_sbom(data: bytes) -> VendorSbom:
    """The document; FormatError when it is neither format, BudgetError when it is too large."""
    raw = loads(_plain(data), what="vendor SBOM", max_bytes=MAX_SIZE)
    if not isinstance(raw, dict):
        raise FormatError("vendor SBOM is no JSON object")
    if raw.get("bomFormat") == "CycloneDX":
        subject = _member(_member(raw, "metadata"), "component")
        listed = tuple(_cyclonedx(raw))
        return VendorSbom(
            "CycloneDX", _text(raw, "specVersion"), _text(subject, "name"), _text(subject, "version"), listed
        )
    if _text(raw, "spdxVersion").startswith("SPDX-2"):
        return VendorSbom("SPDX", _text(raw, "spdxVersion"), _text(raw, "name"), "", tuple(_spdx(raw)))
    raise FormatError("neither CycloneDX nor SPDX 2")


def _plain(data: bytes) -> bytes:
    if not data.startswith(_LZ4_MAGIC):
        return data
    try:
        expander = lz4.frame.LZ4FrameDecompressor()
        plain = bytes(expander.decompress(data, max_length=MAX_SIZE + 1))
    except (RuntimeError, MemoryError, EOFError) as error:
        raise FormatError(f"LZ4 frame of a vendor SBOM: {error}") from None
    if len(plain) > MAX_SIZE:
        raise BudgetError(f"a vendor SBOM of more than {MAX_SIZE} bytes")
    if not expander.eof:
        raise FormatError("the LZ4 frame of a vendor SBOM ends early")
    return plain


def _cyclonedx(raw: dict[str, Any]) -> Iterator[Listed]:
    pending: list[Any] = [raw.get("components")]
    count = 0
    while pending:
        group = pending.pop()
        for component in group if isinstance(group, list) else ():
            if isinstance(component, dict):
                count = _counted(count)
                pending.append(component.get("components"))
                name = "/".join(part for part in (_text(component, "group"), _text(component, "name")) if part)
                yield Listed(name, _text(component, "version"), _text(component, "purl"))


def _spdx(raw: dict[str, Any]) -> Iterator[Listed]:
    packages = raw.get("packages")
    count = 0
    for package in packages if isinstance(packages, list) else ():
        if isinstance(package, dict):
            count = _counted(count)
            references = package.get("externalRefs")
            purls = [
                _text(reference, "referenceLocator")
                for reference in (references if isinstance(references, list) else ())
                if isinstance(reference, dict) and reference.get("referenceType") == "purl"
            ]
            yield Listed(_text(package, "name"), _text(package, "versionInfo"), purls[0] if purls else "")


def _counted(count: int) -> int:
    if count >= MAX_COMPONENTS:
        raise BudgetError(f"a vendor SBOM of more than {MAX_COMPONENTS} components")
    return count + 1


def _member(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, dict) else None


def _text(raw: Any, name: str) -> str:
    value = _member(raw, name)
    return value if isinstance(value, str) else ""
