"""A signature inside a JSON document: JSF 0.82 (cyberphone.github.io/doc/security/jsf.html), as CycloneDX names it.

Signed is the canonical form (RFC 8785) of the whole document with the signature object in it, but without its value.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.dsse import PrivateKey, PublicKey, key_id

_COORDINATE = 32  # bytes of one coordinate of P-256, and of an Ed25519 key


def sign_document(document: Mapping[str, Any], key: PrivateKey) -> dict[str, Any]:
    """The document with `signature` in it; one that is there already is replaced."""
    public = key.public_key()
    signature: dict[str, Any] = {
        "algorithm": _algorithm(public),
        "keyId": key_id(public),
        "publicKey": _public_key(public),
    }
    value = _sign(key, _canonical({**document, "signature": signature}))
    return {**document, "signature": {**signature, "value": _encode(value)}}


def _sign(key: PrivateKey, message: bytes) -> bytes:
    """64 bytes: Ed25519's own, or r and s of ECDSA (RFC 7518, 3.4)."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign(message)
        case ec.EllipticCurvePrivateKey():
            numbers = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
            return b"".join(number.to_bytes(_COORDINATE, "big") for number in numbers)


def verify_document(document: Mapping[str, Any], keys: Sequence[PublicKey]) -> str:
    """The id of the one of `keys` that signed; TrustError when none did. The key inside the document proves nothing."""
    signature = document.get("signature")
    if not isinstance(signature, Mapping):
        raise FormatError("the document holds no signature")
    value = signature.get("value")
    if not isinstance(value, str):
        raise FormatError("the signature of the document has no value (one signer is read, no chains)")
    rest = {name: part for name, part in signature.items() if name != "value"}
    message, raw = _canonical({**document, "signature": rest}), _decode(value)
    for key in keys:
        if signature.get("algorithm") == _algorithm(key) and _verifies(key, raw, message):
            return key_id(key)
    raise TrustError("none of the given keys signed this document, or it was changed")


def _verifies(key: PublicKey, raw: bytes, message: bytes) -> bool:
    try:
        match key:
            case ed25519.Ed25519PublicKey():
                key.verify(raw, message)
            case ec.EllipticCurvePublicKey():
                if len(raw) != 2 * _COORDINATE:
                    return False
                halves = (int.from_bytes(raw[at : at + _COORDINATE], "big") for at in (0, _COORDINATE))
                key.verify(encode_dss_signature(*halves), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _canonical(document: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise FormatError(f"the document has no canonical form: {error}") from None


def _algorithm(key: PublicKey) -> str:
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "ES256"


def _public_key(key: PublicKey) -> dict[str, str]:
    """The key as JSON (RFC 7517)."""
    match key:
        case ed25519.Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": _encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
        case ec.EllipticCurvePublicKey():
            at = key.public_numbers()
            x, y = (_encode(number.to_bytes(_COORDINATE, "big")) for number in (at.x, at.y))
            return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("the value of the signature is no base64url") from None
