"""Signatures inside a document: node's own cryptography agrees, and nothing but the key that was given counts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.dsse import PrivateKey, key_id
from rocketaudit.formats.jsf import sign_document, verify_document
from tests.support import find_tool, needs_tools

DOCUMENT = {"bomFormat": "CycloneDX", "n": [1, 0.95, 1e21, -0.0, True, None], "\u20ac<": "\u00e9\n\U0001f600", "a": {}}
# the other implementation: JavaScript's numbers and strings are what RFC 8785 is defined by
CHECK = """
const crypto = require("crypto"), document = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
const form = (v) => v === null || typeof v !== "object" ? JSON.stringify(v)
  : Array.isArray(v) ? "[" + v.map(form).join(",") + "]"
  : "{" + Object.keys(v).sort().map((k) => JSON.stringify(k) + ":" + form(v[k])).join(",") + "}";
const {value, ...rest} = document.signature;
const key = crypto.createPublicKey({key: rest.publicKey, format: "jwk"});
const message = Buffer.from(form({...document, signature: rest}));
const hash = rest.algorithm === "ES256" ? "sha256" : null;
const ok = crypto.verify(hash, message, {key, dsaEncoding: "ieee-p1363"}, Buffer.from(value, "base64url"));
process.exit(ok ? 0 : 1);
"""
KEYS: list[PrivateKey] = [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())]
both_kinds = pytest.mark.parametrize("key", KEYS, ids=["ed25519", "p256"])


@both_kinds
def test_another_implementation_verifies_it(key: PrivateKey, tmp_path: Path) -> None:
    needs_tools("node")
    path = tmp_path / "signed.json"
    path.write_text(json.dumps(sign_document(DOCUMENT, key)))
    command = [str(find_tool("node")), "-e", CHECK, str(path)]
    assert subprocess.run(command, check=False).returncode == 0
    path.write_text(path.read_text().replace("0.95", "0.96"))
    assert subprocess.run(command, check=False).returncode == 1


@both_kinds
def test_the_given_key_verifies_and_any_change_does_not(key: PrivateKey) -> None:
    signed = sign_document(DOCUMENT, key)
    assert verify_document(signed, [KEYS[0].public_key(), KEYS[1].public_key()]) == key_id(key.public_key())
    changed: list[dict[str, Any]] = [
        {**signed, "a": 1},
        {name: value for name, value in signed.items() if name != "a"},
        {**signed, "signature": {**signed["signature"], "keyId": "other"}},
        {**signed, "signature": {**signed["signature"], "value": "AAAA"}},
    ]
    for document in changed:
        with pytest.raises(TrustError):
            verify_document(document, [key.public_key()])


def test_the_key_inside_the_document_proves_nothing() -> None:
    signed = sign_document(DOCUMENT, KEYS[0])
    with pytest.raises(TrustError):
        verify_document(signed, [ed25519.Ed25519PrivateKey.generate().public_key()])
    with pytest.raises(TrustError):
        verify_document(signed, [])


def test_signing_again_replaces_the_signature() -> None:
    twice = sign_document(sign_document(DOCUMENT, KEYS[0]), KEYS[1])
    assert verify_document(twice, [KEYS[1].public_key()])
    assert twice.keys() == {*DOCUMENT, "signature"}


@pytest.mark.parametrize("signature", [None, 1, {}, {"value": 1}, {"signers": []}, {"value": "%%"}])
def test_a_signature_that_is_none_is_said(signature: object) -> None:
    with pytest.raises(FormatError):
        verify_document({**DOCUMENT, "signature": signature}, [KEYS[0].public_key()])


@pytest.mark.parametrize("value", [2**60, float("inf"), "\ud800"])
def test_what_has_no_canonical_form_is_said(value: object) -> None:
    with pytest.raises(FormatError, match="canonical"):
        sign_document({"a": value}, KEYS[0])


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), st.text(max_size=100))
def test_any_value_is_refused_or_answered(signature: dict[str, str], value: str) -> None:
    with pytest.raises((FormatError, TrustError)):
        verify_document({**DOCUMENT, "signature": {**signature, "value": value}}, [KEYS[0].public_key()])
