"""Envelopes verify with the key that signed, as openssl agrees, and with nothing else."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.dsse import (
    Envelope,
    dump_envelope,
    key_id,
    load_private_key,
    load_public_key,
    parse_envelope,
    pre_authentication_encoding,
    sign,
    verify_envelope,
)
from tests.support import needs_tools

KIND, PAYLOAD = "application/vnd.in-toto+json", b'{"a":1}'
MAKERS = {"ed25519": ed25519.Ed25519PrivateKey.generate, "p256": lambda: ec.generate_private_key(ec.SECP256R1())}


def signed(key, payload=PAYLOAD, kind=KIND, name=""):
    return Envelope(kind, payload, ((name, sign(key, kind, payload)),))


def private_pem(key, passphrase=None):
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_the_encoding_is_that_of_the_specification():
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


@pytest.mark.parametrize("kind", MAKERS)
def test_the_right_key_verifies_and_every_change_is_noticed(kind):
    key = MAKERS[kind]()
    envelope = parse_envelope(dump_envelope(signed(key)))
    assert verify_envelope(envelope, [key.public_key()]) == (key_id(key.public_key()),)
    (name, signature) = envelope.signatures[0]
    for changed in (
        Envelope(KIND, PAYLOAD + b" ", envelope.signatures),
        Envelope(KIND + "x", PAYLOAD, envelope.signatures),
        Envelope(KIND, PAYLOAD, ((name, signature[:-1] + bytes([signature[-1] ^ 1])),)),
        Envelope(KIND, PAYLOAD, ((name, signature[:-1]),)),
        Envelope(KIND, PAYLOAD, ((name, b""),)),
        Envelope(KIND, PAYLOAD, ()),
    ):
        with pytest.raises(TrustError):
            verify_envelope(changed, [key.public_key()])
    for other in MAKERS.values():
        with pytest.raises(TrustError):
            verify_envelope(envelope, [other().public_key()])
    with pytest.raises(TrustError):
        verify_envelope(envelope, [])


def test_a_key_id_is_only_a_hint():
    key = MAKERS["p256"]()
    assert verify_envelope(signed(key, name="somebody else"), [key.public_key()])


def test_one_key_does_not_meet_a_threshold_of_two_however_often_it_signs():
    first, second = (MAKERS["p256"]() for _ in range(2))
    twice = Envelope(KIND, PAYLOAD, tuple((str(n), sign(first, KIND, PAYLOAD)) for n in range(3)))
    keys = [first.public_key(), first.public_key(), second.public_key()]
    with pytest.raises(TrustError, match="1 of the given keys"):
        verify_envelope(twice, keys, threshold=2)
    both = Envelope(KIND, PAYLOAD, (*twice.signatures, *signed(second).signatures))
    assert len(verify_envelope(both, keys, threshold=2)) == 2


def test_openssl_makes_signatures_that_verify(tmp_path):
    needs_tools("openssl")
    key = MAKERS["p256"]()
    (tmp_path / "key").write_bytes(private_pem(key))
    message = pre_authentication_encoding(KIND, PAYLOAD)
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", tmp_path / "key"], input=message, capture_output=True, check=True
    ).stdout
    assert verify_envelope(Envelope(KIND, PAYLOAD, (("", made),)), [key.public_key()])


@pytest.mark.parametrize("alphabet", ["+/", "-_"])
def test_both_alphabets_of_base64_are_read(alphabet):
    payload = bytes(range(256))
    record = json.loads(dump_envelope(Envelope(KIND, payload, ())))
    record["payload"] = base64.b64encode(payload, alphabet.encode()).decode()
    assert parse_envelope(json.dumps(record).encode()).payload == payload


def test_keys_of_other_kinds_are_refused():
    weak = rsa.generate_private_key(65537, 2048)
    other_curve = ec.generate_private_key(ec.SECP384R1())
    for key in (weak, other_curve):
        with pytest.raises(FormatError):
            load_public_key(public_pem(key))
        with pytest.raises(FormatError):
            load_private_key(private_pem(key), None)
    with pytest.raises(FormatError):
        load_public_key(private_pem(MAKERS["p256"]()))


def test_a_wrong_passphrase_is_a_format_error():
    raw = private_pem(MAKERS["ed25519"](), b"secret")
    load_private_key(raw, b"secret")
    for wrong in (None, b"", b"guess"):
        with pytest.raises(FormatError):
            load_private_key(raw, wrong)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"payloadType":"x","payload":"A","signatures":[]}', b""])
def test_what_is_no_envelope_is_refused(raw):
    with pytest.raises(FormatError):
        parse_envelope(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_format_error(raw):
    with contextlib.suppress(FormatError):
        parse_envelope(raw)
