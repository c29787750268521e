"""Public keys as TUF metadata writes them, and whether they made a signature.

Key ids are hints only; what counts is the key's material (`TufKey.material`). SHA-1 has no scheme here.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.strict_json import member
from rocketaudit.model.records import dataclass

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "ecdsa-sha2-nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "ecdsa-sha2-nistp384": (ec.SECP384R1(), hashes.SHA384()),
}
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class TufKey:
    """One public key; `material` is its DER form, equal for equal keys however they were written."""

    scheme: str
    public: _PublicKey
    material: bytes

    def verifies(self, signature: bytes, payload: bytes) -> bool:
        """Whether this key made `signature` over `payload` by its scheme."""
        try:
            match self.public:
                case ed25519.Ed25519PublicKey():
                    self.public.verify(signature, payload)
                case rsa.RSAPublicKey():
                    self._verify_rsa(self.public, signature, payload)
                case ec.EllipticCurvePublicKey():
                    self.public.verify(signature, payload, ec.ECDSA(_CURVES[self.scheme][1]))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _verify_rsa(self, key: rsa.RSAPublicKey, signature: bytes, payload: bytes) -> None:
        kind, _, name = self.scheme.rpartition("-")
        digest = _HASHES[name]
        if kind == "rsa-pkcs1v15":
            key.verify(signature, payload, padding.PKCS1v15(), digest)
        else:
            scheme = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            key.verify(signature, payload, scheme, digest)


def parse_key(record: object, what: str) -> TufKey:
    """The key that a TUF key object holds, or FormatError; UnsupportedError names an unknown scheme."""
    kind = member(record, "keytype", str, what)
    scheme = member(record, "scheme", str, what)
    text = member(member(record, "keyval", dict, what), "public", str, what)
    try:
        public = _load(kind, scheme, text, what)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError(f"{what} holds no usable public key: {error}") from None
    material = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return TufKey(scheme, public, material)


def _load(kind: str, scheme: str, text: str, what: str) -> _PublicKey:
    if kind == "ed25519" and scheme == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    if kind == "rsa" and scheme.rpartition("-")[0] in ("rsassa-pss", "rsa-pkcs1v15"):
        if scheme.rpartition("-")[2] not in _HASHES:
            raise UnsupportedError(f"{what} uses scheme {scheme[:40]!r}")
        loaded = serialization.load_pem_public_key(text.encode())
        if not isinstance(loaded, rsa.RSAPublicKey) or not MIN_RSA_BITS <= loaded.key_size <= MAX_RSA_BITS:
            raise FormatError(f"{what} is no RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
        return loaded
    if scheme in _CURVES and kind in ("ecdsa", scheme):  # the old key type repeats the scheme
        curve = _CURVES[scheme][0]
        if text.lstrip().startswith("-----"):
            point = serialization.load_pem_public_key(text.encode())
        else:
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes.fromhex(text))
        if not isinstance(point, ec.EllipticCurvePublicKey) or point.curve.name != curve.name:
            raise FormatError(f"{what} is no key on the curve of {scheme}")
        return point
    raise UnsupportedError(f"{what} has key type {kind[:40]!r} with scheme {scheme[:40]!r}")
