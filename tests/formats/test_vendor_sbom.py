"""Vendor documents: both formats, plain and packed, and nothing that a hostile one can do but fail."""

from __future__ import annotations

import json
from typing import Any

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats import vendor_sbom
from rocketaudit.formats.vendor_sbom import Listed, parse_vendor_sbom
from tests.support import shared_data

CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"component": {"type": "operating-system", "name": "Bottlerocket", "version": "1.57.0"}},
    "components": [
        {"name": "glibc", "version": "2.43-1", "purl": "pkg:rpm/bottlerocket/glibc@2.43-1",
         "components": [{"group": "org", "name": "inner", "version": "1"}]},
        {"name": 7, "version": None},
    ],
}  # fmt: skip
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "name": "variant",
    "packages": [
        {"name": "serde", "versionInfo": "1.0.228",
         "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:cargo/serde@1.0.228"}]},
        {"name": "bare"},
    ],
}  # fmt: skip


def pack(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("wrap", [lambda data: data, lz4.frame.compress], ids=["plain", "lz4"])
def test_cyclonedx_is_read_with_nested_components(wrap: Any) -> None:
    found = parse_vendor_sbom(wrap(pack(CYCLONEDX)))
    assert (found.format, found.version, found.subject, found.subject_version) == (
        "CycloneDX",
        "1.6",
        "Bottlerocket",
        "1.57.0",
    )
    assert Listed("glibc", "2.43-1", "pkg:rpm/bottlerocket/glibc@2.43-1") in found.components
    assert Listed("org/inner", "1", "") in found.components


def test_spdx_is_read_with_its_purls() -> None:
    found = parse_vendor_sbom(pack(SPDX))
    assert found.components == (Listed("serde", "1.0.228", "pkg:cargo/serde@1.0.228"), Listed("bare", "", ""))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"bomFormat":"SWID"}', b'{"bomFormat":"CycloneDX","bomFormat":"CycloneDX"}',
     lz4.frame.compress(pack(SPDX))[:-6], b"\x04\x22\x4d\x18" + bytes(40)],
)  # fmt: skip
def test_what_is_neither_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_vendor_sbom(data)


def test_a_bomb_ends_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_sbom, "MAX_SIZE", 1 << 16)
    with pytest.raises(BudgetError):
        parse_vendor_sbom(lz4.frame.compress(b" " * (1 << 20)))
    monkeypatch.setattr(vendor_sbom, "MAX_COMPONENTS", 1)
    with pytest.raises(BudgetError):
        parse_vendor_sbom(pack(CYCLONEDX))


def test_every_official_cyclonedx_sample_can_be_read() -> None:
    for path in sorted(shared_data("sbom", "cdx-official", "1.6").glob("valid-*.json")):
        parse_vendor_sbom(path.read_bytes())


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_vendor_sbom(data)
