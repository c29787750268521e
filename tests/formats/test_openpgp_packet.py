"""Packet lengths in old and new form, armour, and what is refused before anything is verified."""

from __future__ import annotations

import base64

import pytest

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.openpgp_packet import parse_key, parse_packets, parse_signature, remove_armour


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xc2\x03abc", (2, b"abc")),
        (b"\xc2\xc0\x08" + b"x" * 200, (2, b"x" * 200)),
        (b"\xc2\xff\x00\x00\x00\x03abc", (2, b"abc")),
        (b"\x88\x03abc", (2, b"abc")),
        (b"\x89\x00\x03abc", (2, b"abc")),
        (b"\x8a\x00\x00\x00\x03abc", (2, b"abc")),
    ],
)
def test_lengths_of_both_forms_are_read(raw, expected):
    assert list(parse_packets(raw + bytes(9))) == [expected]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"\xc2\x04abc", TruncatedError),
        (b"\xc2", TruncatedError),
        (b"\xc2\xff\xff\xff\xff\xffabc", TruncatedError),
        (b"\xc2\xe0abc", UnsupportedError),
        (b"\x8babc", UnsupportedError),
        (b"\x42abc", FormatError),
        (b"\x00\x00\x01", FormatError),
    ],
)
def test_packets_that_do_not_fit_are_refused(raw, error):
    with pytest.raises(error):
        list(parse_packets(raw))


def armour(data, checksum=None, headers="Version: x\n"):
    body = base64.b64encode(data).decode()
    end = "" if checksum is None else f"\n={checksum}"
    return f"-----BEGIN PGP SIGNATURE-----\n{headers}\n{body}{end}\n-----END PGP SIGNATURE-----\n".encode()


def test_armour_with_and_without_headers_and_checksum_is_read():
    for headers in ("", "Version: x\n"):
        assert remove_armour(armour(b"data", headers=headers)) == b"data"
    assert remove_armour(armour(b"", "twTO")) == b""
    assert remove_armour(armour(b"a").replace(b"\n", b"\r\n") + armour(b"b")) == b"ab"
    assert remove_armour(b"\x88\x00binary") == b"\x88\x00binary"


@pytest.mark.parametrize(
    "raw",
    [
        armour(b"data", "AAAA"),
        armour(b"data")[:-10],
        armour(b"data").replace(b"ZGF", b"Z!F"),
        b"-----BEGIN PGP SIGNATURE-----\nZGF0YQ==\n-----END PGP SIGNATURE-----\n",
    ],
)
def test_broken_armour_is_refused(raw):
    with pytest.raises(FormatError):
        remove_armour(raw)


@pytest.mark.parametrize("version", [2, 3, 5, 6])
def test_other_versions_are_refused_by_name(version):
    with pytest.raises(UnsupportedError, match=f"version {version}"):
        parse_key(bytes([version]) + bytes(40))
    with pytest.raises(UnsupportedError, match=f"version {version}"):
        parse_signature(bytes([version]) + bytes(40))


def test_a_signature_with_a_third_number_is_refused():
    with pytest.raises(FormatError, match="two numbers"):
        parse_signature(b"\x04\x00\x01\x08\x00\x00\x00\x00ab" + b"\x00\x08\xff" * 3)


@pytest.mark.parametrize("area", [b"\x00", b"\xc0", b"\xff\xff", b"\x09abc"])
def test_subpackets_that_do_not_fit_are_refused(area):
    with pytest.raises(FormatError):
        parse_signature(b"\x04\x00\x01\x08" + len(area).to_bytes(2, "big") + area + b"\x00\x00ab\x00\x08\xff")
