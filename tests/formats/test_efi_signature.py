"""Revocation lists are read in the three forms that people have, and what is not understood is refused."""

from __future__ import annotations

import contextlib
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.efi_signature import (
    parse_sbat,
    parse_signature_database,
    parse_vendor_certificates,
    sbat_revocation,
)
from tests.secure_boot import signature_list, vendor_section

SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
TBS = uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed").bytes_le
LISTS = (
    signature_list(SHA256, b"\1" * 32, b"\2" * 32) + signature_list(X509, b"\x30cert") + signature_list(TBS, b"\3" * 48)
)


def authenticated(payload):
    header = struct.pack("<IHH", 24 + 5, 0x200, 0x0EF1) + uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le
    return bytes(16) + header + b"pkcs7" + payload


@pytest.mark.parametrize("raw", [LISTS, b"\x27\0\0\0" + LISTS, authenticated(LISTS)])
def test_plain_lists_efivarfs_files_and_signed_updates_say_the_same(raw):
    found = parse_signature_database(raw)
    assert found.image_digests == {"01" * 32, "02" * 32}
    assert found.certificates == (b"\x30cert",)
    assert found.certificate_digests == {("sha256", "03" * 32)}


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        LISTS[:-1],
        LISTS + b"1",
        signature_list(bytes(16), b"\1" * 32),
        SHA256 + struct.pack("<III", 28, 0, 0),
        SHA256 + struct.pack("<III", 20, 0, 48),
        SHA256 + struct.pack("<III", 28 + 48, 4, 48) + bytes(48),
        authenticated(LISTS)[:30] + b"\xff" * 26,
    ],
)
def test_lists_that_do_not_add_up_are_refused(raw):
    with pytest.raises(FormatError):
        parse_signature_database(raw)


def test_vendor_certificates_are_one_certificate_or_a_list():
    assert parse_vendor_certificates(vendor_section(b"\x30one"))[0] == (b"\x30one",)
    listed, forbidden = parse_vendor_certificates(vendor_section(signature_list(X509, b"\x30two"), LISTS))
    assert listed == (b"\x30two",)
    assert "01" * 32 in forbidden.image_digests
    assert parse_vendor_certificates(bytes(100)) == ((), parse_signature_database(b""))


@pytest.mark.parametrize(
    "section", [b"", bytes(15), struct.pack("<IIII", 9, 0, 16, 0), struct.pack("<IIII", 0, 1, 0, 99)]
)
def test_vendor_certificates_outside_their_section_are_refused(section):
    with pytest.raises(FormatError):
        parse_vendor_certificates(section)


def test_an_older_generation_is_revoked_and_a_component_that_is_not_named_is_not():
    image = parse_sbat(b"sbat,1,SBAT Version,sbat,1,https://x\nshim,2,UEFI shim\nshim.debian,1\n\0\0")
    assert sbat_revocation(image, parse_sbat(b"sbat,1,2024010900\nshim,2\ngrub,3\n")) == ""
    assert "shim has generation 2, at least 4" in sbat_revocation(image, parse_sbat(b"sbat,1\nshim,4\n"))


@pytest.mark.parametrize(
    "raw",
    [b"shim", b"shim,x", b"shim,1\nshim,9", b"\xff,1", b"shim,-1", "shim,²".encode(), b"a,1\n" * 2000, b"sbat,1\x1f"],
)
def test_sbat_that_cannot_be_judged_is_refused(raw):
    with pytest.raises(FormatError):
        parse_sbat(raw)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(raw):
    for parse in (parse_signature_database, parse_vendor_certificates, parse_sbat):
        with contextlib.suppress(FormatError):
            parse(raw)
