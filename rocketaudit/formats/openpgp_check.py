"""Whether one OpenPGP signature was made by one key, and whether it counts at a moment."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from rocketaudit.formats.openpgp_packet import PublicKey, Signature

CREATED, SIGNATURE_EXPIRES, KEY_EXPIRES, FLAGS, REVOCATION_REASON, EMBEDDED = 2, 3, 9, 27, 29, 32
_KNOWN_SUBPACKETS = frozenset({*range(2, 8), 9, 11, 12, 16, *range(21, 36), 39})
HASHES: dict[int, hashes.HashAlgorithm] = {
    8: hashes.SHA256(),
    9: hashes.SHA384(),
    10: hashes.SHA512(),
    12: hashes.SHA3_256(),
    14: hashes.SHA3_512(),
}
_WEAK: dict[int, hashes.HashAlgorithm] = {2: hashes.SHA1(), 11: hashes.SHA224()}  # noqa: S303 - only to believe a revocation
_REFUSED_HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 11: "SHA-224"}


def verifies(key: PublicKey, signature: Signature, content: bytes, *, is_revocation: bool = False) -> bool:
    """Whether `key` made `signature` over `content` (already in the form that its type hashes).

    A revocation is believed with a weak hash too: not to believe it would be the dangerous mistake.
    """
    known = {**HASHES, **_WEAK} if is_revocation else HASHES
    algorithm = known.get(signature.hash)
    if algorithm is None or signature.algorithm != key.algorithm:
        return False
    hasher = hashlib.new(algorithm.name.replace("-", "_"))
    hasher.update(content)
    hasher.update(signature.trailer)
    digest = hasher.digest()
    if digest[:2] != signature.digest_prefix:
        return False
    try:
        _verify_digest(key, signature, digest, algorithm)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_digest(key: PublicKey, signature: Signature, digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    public, values = key.public, signature.values
    match public:
        case rsa.RSAPublicKey():
            size = (public.key_size + 7) // 8
            if len(values) != 1 or len(values[0]) > size:
                raise InvalidSignature
            padded = values[0].rjust(size, b"\0")
            public.verify(padded, digest, padding.PKCS1v15(), utils.Prehashed(algorithm))
        case ec.EllipticCurvePublicKey():
            if len(values) != 2:
                raise InvalidSignature
            r, s = (int.from_bytes(value, "big") for value in values)
            public.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(algorithm)))
        case ed25519.Ed25519PublicKey():
            joined = values[0] if len(values) == 1 else b"".join(value.rjust(32, b"\0") for value in values)
            public.verify(joined, digest)


def problem_of(signature: Signature, moment: int) -> str:
    """Why a signature does not count at a moment, whoever made it; "" when it does."""
    if signature.hash not in HASHES:
        name = _REFUSED_HASHES.get(signature.hash, f"hash {signature.hash}")
        return f"uses {name}, which is not accepted"
    unknown = [one.type for one in signature.hashed if one.is_critical and one.type not in _KNOWN_SUBPACKETS]
    if unknown:
        return f"has critical subpacket {unknown[0]}, which is not understood"
    created = signature.number(CREATED)
    if created is None:
        return "does not say when it was made"
    if created > moment:
        return "was made in the future"
    lifetime = signature.number(SIGNATURE_EXPIRES)
    if lifetime and created + lifetime <= moment:
        return "has expired"
    return ""
