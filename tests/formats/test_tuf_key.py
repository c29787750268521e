"""Keys in every spelling of TUF metadata are the same key; those that are too weak or unknown are refused by name."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.tuf_key import parse_key
from tests.tuf_repository import Signer


def test_a_point_in_hex_and_a_key_in_pem_are_the_same_material():
    signer = Signer("ecdsa")
    public = signer.private.public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint).hex()
    pem = parse_key(signer.public(), "k")
    for kind in ("ecdsa", "ecdsa-sha2-nistp256"):
        record = {"keytype": kind, "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": point}}
        assert parse_key(record, "k").material == pem.material


@pytest.mark.parametrize(
    "scheme", ["rsassa-pss-sha256", "rsassa-pss-sha384", "rsassa-pss-sha512", "rsa-pkcs1v15-sha256"]
)
def test_rsa_schemes_verify_their_own_signatures_only(scheme):
    signer = Signer("rsa")
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[scheme[-3:]]
    pad = padding.PKCS1v15() if "pkcs1v15" in scheme else padding.PSS(padding.MGF1(digest), padding.PSS.MAX_LENGTH)
    signature = signer.private.sign(b"payload", pad, digest)
    key = parse_key({**signer.public(), "scheme": scheme}, "k")
    assert key.verifies(signature, b"payload")
    assert not key.verifies(signature, b"payloae")
    assert not key.verifies(b"", b"payload")
    others = {"rsassa-pss-sha256", "rsassa-pss-sha512", "rsa-pkcs1v15-sha512"} - {scheme}
    assert not any(parse_key({**signer.public(), "scheme": one}, "k").verifies(signature, b"payload") for one in others)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scheme": "rsassa-pss-sha1"}, UnsupportedError),
        ({"scheme": "rsa-pkcs1v15-md5"}, UnsupportedError),
        ({"keytype": "dsa"}, UnsupportedError),
        ({"keytype": "ed25519"}, UnsupportedError),
        ({"keyval": {"public": "junk"}}, FormatError),
        ({"keyval": {}}, FormatError),
        ({"keyval": {"public": 1}}, FormatError),
    ],
)
def test_what_is_no_accepted_key_is_refused(change, error):
    with pytest.raises(error):
        parse_key({**Signer("rsa").public(), **change}, "k")


def pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def test_weak_rsa_keys_and_other_curves_are_refused():
    small = rsa.generate_private_key(65537, 1024)
    with pytest.raises(FormatError, match="2048"):
        parse_key({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": pem(small)}}, "k")
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(FormatError, match="curve"):
        parse_key({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem(other)}}, "k")
    with pytest.raises(FormatError):
        parse_key({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "04" + "00" * 64}}, "k")
