"""DSSE envelopes: a payload of a stated type with signatures over both (github.com/secure-systems-lab/dsse, v1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.strict_json import loads, member
from rocketaudit.model.records import dataclass

MAX_ENVELOPE = 8 << 20
MAX_SIGNATURES = 64
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Envelope:
    """`signatures` are (key id, bytes); key ids are hints and not covered by anything."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: lengths make type and payload impossible to confuse."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(raw: bytes, *, max_bytes: int = MAX_ENVELOPE) -> Envelope:
    """An envelope, signed or not yet; FormatError says what is wrong with it."""
    what = "DSSE envelope"
    record = loads(raw, what=what, max_bytes=max_bytes)
    kind = member(record, "payloadType", str, what)
    payload = _decode(member(record, "payload", str, what), f"payload of {what}")
    entries = member(record, "signatures", list, what)
    if len(entries) > MAX_SIGNATURES:
        raise FormatError(f"{what} has {len(entries)} signatures, at most {MAX_SIGNATURES} are read")
    signatures: list[tuple[str, bytes]] = []
    for entry in entries:
        where = f"a signature of {what}"
        key_id = member(entry, "keyid", str, where) if isinstance(entry, dict) and "keyid" in entry else ""
        signatures.append((key_id, _decode(member(entry, "sig", str, where), where)))
    return Envelope(kind, payload, tuple(signatures))


def _decode(text: str, what: str) -> bytes:
    """Base64 of either alphabet, as the specification allows."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{what} is no base64: {error}") from None


def dump_envelope(envelope: Envelope) -> bytes:
    """The envelope as JSON, ending in a newline."""
    record = {
        "payloadType": envelope.payload_type,
        "payload": base64.b64encode(envelope.payload).decode(),
        "signatures": [{"keyid": key, "sig": base64.b64encode(sig).decode()} for key, sig in envelope.signatures],
    }
    return json.dumps(record, indent=2).encode() + b"\n"


def load_public_key(raw: bytes) -> PublicKey:
    """An Ed25519 or ECDSA P-256 public key in PEM; FormatError for anything else, also for a private key."""
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError(f"no public key in PEM: {str(error).splitlines()[0][:120]}") from None
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise FormatError("the key is neither Ed25519 nor ECDSA P-256")
    _check_curve(key)
    return key


def load_private_key(raw: bytes, passphrase: bytes | None) -> PrivateKey:
    """An Ed25519 or ECDSA P-256 private key in PEM; FormatError for a wrong passphrase or another kind."""
    try:
        key = serialization.load_pem_private_key(raw, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FormatError(f"no usable private key in PEM: {str(error).splitlines()[0][:120]}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise FormatError("the key is neither Ed25519 nor ECDSA P-256")
    _check_curve(key)
    return key


def _check_curve(key: PublicKey | PrivateKey) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) and key.curve.name != "secp256r1":
        raise FormatError(f"ECDSA key on {key.curve.name}, P-256 is accepted")


def key_id(key: PublicKey) -> str:
    """SHA-256 of the key's DER form in hex: how we name keys; verification does not rely on it."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign(key: PrivateKey, payload_type: str, payload: bytes) -> bytes:
    """The raw signature over type and payload: 64 bytes of Ed25519, or ECDSA in DER."""
    message = pre_authentication_encoding(payload_type, payload)
    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign(message)
        case ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(hashes.SHA256()))


def is_signed_by(envelope: Envelope, key: PublicKey) -> bool:
    """Whether any signature of the envelope was made by this key, whatever its key id says."""
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    return any(_verifies(key, signature, message) for _, signature in envelope.signatures)


def _verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        match key:
            case ed25519.Ed25519PublicKey():
                key.verify(signature, message)
            case ec.EllipticCurvePublicKey():
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_envelope(envelope: Envelope, keys: Sequence[PublicKey], threshold: int = 1) -> tuple[str, ...]:
    """Ids of the different keys that signed; TrustError when they are fewer than `threshold`."""
    if threshold < 1:
        raise ValueError("a threshold is at least one")
    signers = tuple(sorted({key_id(key) for key in keys if is_signed_by(envelope, key)}))
    if len(signers) < threshold:
        raise TrustError(f"{len(signers)} of the given keys signed the manifest, {threshold} needed")
    return signers
