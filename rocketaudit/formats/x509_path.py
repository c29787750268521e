"""X.509 certificates as Secure Boot and signed root hashes use them: paths to a given one, revocation, dates."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.efi_signature import SignatureDatabase

MAX_CHAIN = 8
MAX_CERTIFICATES = 64
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# cryptography parses lazily and raises these for malformed certificates
X509_ERRORS = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    InvalidSignature,
)


@contextmanager
def odd_certificates_are_quiet() -> Iterator[None]:
    """cryptography warns of what it will refuse one day (serial numbers below one); that is no news to our user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def verify_with(signer: x509.Certificate, signature: bytes, payload: bytes, algorithm: hashes.HashAlgorithm) -> None:
    """TrustError unless the key in a certificate made this signature (RSA PKCS#1 v1.5 or ECDSA)."""
    try:
        key = signer.public_key()
        match key:
            case rsa.RSAPublicKey() if key.key_size >= 2048:
                key.verify(signature, payload, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey():
                key.verify(signature, payload, ec.ECDSA(algorithm))
            case _:
                raise TrustError(f"{subject_of(signer)} has a key of a kind that is not accepted")
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        raise TrustError(f"signature was not made by {subject_of(signer)}") from None


def find_path(
    signer: x509.Certificate, pool: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """The certificates from the signer to the first one that is an anchor, or TrustError."""
    pending: list[tuple[x509.Certificate, ...]] = [(signer,)]
    tried = 0
    while pending and tried < 4 * MAX_CERTIFICATES:
        path = pending.pop()
        tried += 1
        if path[-1] in anchors:
            return path
        if len(path) >= MAX_CHAIN:
            continue
        above = [one for one in (*pool, *anchors) if one not in path and issues(one, path[-1])]
        pending.extend((*path, one) for one in above)
    raise TrustError(f"no given certificate stands above {subject_of(signer)}")


def issues(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether `issuer` is a CA and signed `certificate`, with a hash that is accepted."""
    try:
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None or algorithm.name not in HASHES or not _is_authority(issuer):
            return False
        certificate.verify_directly_issued_by(issuer)
    except X509_ERRORS:
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1
    except ValueError:
        return False


def is_forbidden(certificate: x509.Certificate, database: SignatureDatabase) -> bool:
    """Whether a dbx lists this certificate, whole or by the digest of its signed part."""
    if certificate.public_bytes(serialization.Encoding.DER) in database.certificates:
        return True
    part = certificate.tbs_certificate_bytes
    return any(hashlib.new(name, part).hexdigest() == digest for name, digest in database.certificate_digests)


def subject_of(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 writes it, cut to 200 characters."""
    try:
        return certificate.subject.rfc4514_string()[:200]
    except X509_ERRORS:
        return "a certificate with an unreadable subject"


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def expiry_note(path: Sequence[x509.Certificate], as_of: datetime | None) -> str:
    """Which certificates of a path are outside their dates: said, not judged."""
    if as_of is None:
        return ""
    outside = [
        f"{subject_of(one)} was valid from {one.not_valid_before_utc.date()} to {one.not_valid_after_utc.date()}"
        for one in path
        if not one.not_valid_before_utc <= as_of <= one.not_valid_after_utc
    ]
    return "; ".join(outside)


def load_anchor_certificates(raw: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates that the user gave: PEM (one or several) or one in DER; FormatError otherwise."""
    try:
        with odd_certificates_are_quiet():
            if b"-----BEGIN" in raw:
                return tuple(x509.load_pem_x509_certificates(raw))
            return (x509.load_der_x509_certificate(raw),)
    except X509_ERRORS as error:
        raise FormatError(f"no X.509 certificate: {error}") from None
