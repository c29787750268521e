"""Signatures made by sbsign hold as osslsigncode says, and never after anything was changed."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.authenticode import check_signatures, parse_signed_data
from rocketaudit.formats.efi_signature import SignatureDatabase
from rocketaudit.formats.pe import (
    authenticode_digests,
    parse_certificate_table,
    parse_pe,
    read_certificate_table,
)
from rocketaudit.formats.x509_path import load_anchor_certificates
from rocketaudit.model.reader import BytesReader
from tests.secure_boot import NOW, Identity, build_pe, osslsigncode_accepts, sbsign
from tests.support import needs_tools, shared_data

IMAGE = build_pe({".text": b"\xc3" * 900, ".data": b"d" * 100})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    needs_tools("sbsign", "osslsigncode")
    folder = tmp_path_factory.mktemp("pe")
    root = Identity("root", is_authority=True)
    middle = Identity("middle", root, is_authority=True)
    leaf = Identity("leaf", middle)
    return folder, root, middle, leaf


def check(signed, *anchors, forbidden=None):
    reader = BytesReader(signed)
    image = parse_pe(reader)
    digests = authenticode_digests(reader, image, ("sha256", "sha384", "sha512"))
    certificates = [one.certificate for one in anchors]
    return check_signatures(
        read_certificate_table(reader, image), digests, certificates, forbidden=forbidden, as_of=NOW
    )


def is_accepted(signed, *anchors, **options):
    try:
        checks = check(signed, *anchors, **options)
    except FormatError:
        return False
    return any(not one.problem for one in checks) and not any(one.is_forbidden for one in checks)


def test_db_may_hold_the_leaf_a_ca_in_between_or_the_root(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    assert is_accepted(signed, leaf)
    assert is_accepted(signed, middle)
    assert is_accepted(signed, root)
    assert osslsigncode_accepts(folder, signed, root)


@pytest.mark.parametrize(
    ("purposes", "accepted"),
    [
        ((), True),
        ((ExtendedKeyUsageOID.CODE_SIGNING,), True),
        ((ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING), True),
        ((ExtendedKeyUsageOID.SERVER_AUTH,), False),
        ((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), False),
        ((ObjectIdentifier("1.3.6.1.4.1.2312.16.1.2"),), False),  # for kernel modules only: shim refuses it too
    ],
)
def test_a_certificate_for_other_purposes_signs_nothing_as_osslsigncode_says(tmp_path, purposes, accepted):
    needs_tools("sbsign", "osslsigncode")
    root = Identity("root", is_authority=True)
    leaf = Identity("leaf", root, purposes=purposes)
    signed = sbsign(tmp_path, IMAGE, leaf)
    assert is_accepted(signed, root) == osslsigncode_accepts(tmp_path, signed, root) == accepted
    assert is_accepted(signed, leaf)  # given by the user, it counts whatever it says


def test_a_stranger_is_refused_as_osslsigncode_does(world):
    folder, _, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    stranger = Identity("root", is_authority=True)  # the same name, another key
    assert not is_accepted(signed, stranger)
    assert not osslsigncode_accepts(folder, signed, stranger)
    assert not is_accepted(signed)


def test_without_the_certificate_in_between_the_root_is_not_reached(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf)
    assert is_accepted(signed, middle)
    assert not is_accepted(signed, root)


def test_a_leaf_is_no_authority_over_others(world):
    folder, root, _, _ = world
    plain = Identity("plain", root)
    below = Identity("below", plain)
    signed = sbsign(folder, IMAGE, below, plain)
    assert is_accepted(signed, below)
    assert not is_accepted(signed, root)
    assert not is_accepted(signed, plain)
    assert not osslsigncode_accepts(folder, signed, root)


def test_dates_are_said_and_not_judged_as_in_firmware(world):
    folder, _, _, _ = world
    expired = Identity("expired", days=10)
    (found,) = check(sbsign(folder, IMAGE, expired), expired)
    assert found.problem == ""
    assert "CN=expired was valid from" in found.note


def test_one_good_signature_of_two_is_enough(world):
    folder, root, middle, leaf = world
    other = Identity("other")
    twice = sbsign(folder, sbsign(folder, IMAGE, other), leaf, middle)
    assert [bool(one.problem) for one in check(twice, root)] == [True, False]
    assert is_accepted(twice, other)
    same = sbsign(folder, sbsign(folder, IMAGE, other), other)
    assert len(check(same, other)) == 2


def test_a_certificate_in_dbx_refuses_the_image_even_beside_a_good_signature(world):
    folder, root, middle, leaf = world
    other = Identity("other")
    twice = sbsign(folder, sbsign(folder, IMAGE, other), leaf, middle)
    for forbidden in (
        SignatureDatabase(certificates=(leaf.der,)),
        SignatureDatabase(certificates=(middle.der,)),
        SignatureDatabase(
            certificate_digests=frozenset(
                {("sha256", hashlib.sha256(middle.certificate.tbs_certificate_bytes).hexdigest())}
            )
        ),
    ):
        assert not is_accepted(twice, root, other, forbidden=forbidden)
    assert is_accepted(twice, root, forbidden=SignatureDatabase(certificates=(b"\x30other",)))


def test_any_changed_byte_of_the_image_is_noticed(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    image = parse_pe(BytesReader(signed))
    for place in range(0, image.certificate_offset, 97):
        if image.checksum_offset <= place < image.checksum_offset + 4:
            continue
        changed = bytearray(signed)
        changed[place] ^= 0x10
        assert not is_accepted(bytes(changed), root), place


def test_a_signature_moved_to_another_image_is_refused(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    other = build_pe({".text": b"\xc3" * 900, ".data": b"e" * 100})
    reader = BytesReader(signed)
    table = read_certificate_table(reader, parse_pe(reader))
    entry = parse_pe(reader).certificate_entry_offset
    moved = other[:entry] + signed[entry : entry + 8] + other[entry + 8 :] + table
    assert "signed is" in check(moved, root)[0].problem


def test_changed_bytes_of_a_signature_never_raise_and_hardly_ever_pass(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    start = parse_pe(BytesReader(signed)).certificate_offset + 8
    accepted = []
    for place in range(start, len(signed)):
        changed = bytearray(signed)
        changed[place] ^= 0x01
        if is_accepted(bytes(changed), root):
            accepted.append(place - start)
    # what nothing signs: version numbers, redundant algorithm names and parameters, padding after the blob
    assert len(accepted) < 80


def test_a_truncated_signature_is_refused(world):
    folder, root, middle, leaf = world
    signed = sbsign(folder, IMAGE, leaf, middle)
    reader = BytesReader(signed)
    (blob,) = parse_certificate_table(read_certificate_table(reader, parse_pe(reader)))
    for length in range(0, len(blob) - 8, 41):
        with pytest.raises(FormatError):
            parse_signed_data(blob[:length])
    assert not is_accepted(signed[:-8], root)


def test_signatures_of_debian_and_microsoft_hold():
    folder = shared_data("pe")
    authority = load_anchor_certificates((folder / "debian-vendor-ca.pem").read_bytes())
    foreign = load_anchor_certificates((folder / "ms-48e99b99.pem").read_bytes())
    reader = BytesReader((folder / "fbx64.efi.signed").read_bytes())
    image = parse_pe(reader)
    table = read_certificate_table(reader, image)
    digests = authenticode_digests(reader, image)
    assert [one.problem for one in check_signatures(table, digests, authority)] == [""]
    assert all(one.problem for one in check_signatures(table, digests, foreign))
    unsigned = BytesReader((folder / "fbx64.efi").read_bytes())
    assert authenticode_digests(unsigned, parse_pe(unsigned)) == digests
    ours = load_anchor_certificates((folder / "db.pem").read_bytes())
    made = BytesReader((folder / "t-signed.efi").read_bytes())
    table = read_certificate_table(made, parse_pe(made))
    assert [one.problem for one in check_signatures(table, authenticode_digests(made, parse_pe(made)), ours)] == [""]


@pytest.mark.parametrize("raw", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused_as_an_anchor(raw):
    with pytest.raises(FormatError):
        load_anchor_certificates(raw)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_signatures_are_format_errors(world, draw):
    raw = bytearray(BLOBS.setdefault("one", blob_of(world)))
    for _ in range(draw.draw(st.integers(1, 5))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        parse_signed_data(bytes(raw))


BLOBS: dict[str, bytes] = {}


def blob_of(world):
    folder, _, middle, leaf = world
    reader = BytesReader(sbsign(folder, IMAGE, leaf, middle))
    return parse_certificate_table(read_certificate_table(reader, parse_pe(reader)))[0]
