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
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.efi_signature import SignatureDatabase

MAX_CHAIN = 8
MAX_CERTIFICATES = 64
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# critical extensions that OpenSSL, and so firmware and shim, know; any other makes a path worthless
_KNOWN_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        x509.ObjectIdentifier("2.16.840.1.113730.1.1"),  # Netscape's type of certificate; Debian's CA has it
    }
)
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
    """The certificates from the signer to the first one that is an anchor, or TrustError.

    Judged as OpenSSL does in firmware and in shim, where no purpose and no date counts; constraints of authorities do.
    """
    problem = ""
    pending: list[tuple[x509.Certificate, ...]] = [(signer,)]
    tried = 0
    while pending and tried < 4 * MAX_CERTIFICATES:
        path = pending.pop()
        tried += 1
        if path[-1] in anchors:
            found = _constraint_problem(path)
            if not found:
                return path
            problem = problem or found
        if len(path) >= MAX_CHAIN:
            continue
        above = [one for one in (*pool, *anchors) if one not in path and issues(one, path[-1])]
        pending.extend((*path, one) for one in above)
    raise TrustError(problem or f"no given certificate stands above {subject_of(signer)}")


def _constraint_problem(path: Sequence[x509.Certificate]) -> str:
    """Which certificate of a path forbids it; "" when none does. Name constraints are refused, not computed."""
    between = 0  # authorities below, without those that issued themselves
    for place, certificate in enumerate(path):
        name = subject_of(certificate)
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in _KNOWN_CRITICAL | {ExtensionOID.NAME_CONSTRAINTS}:
                return f"{name} has the critical extension {extension.oid.dotted_string}, which is not understood"
            if place and extension.oid == ExtensionOID.NAME_CONSTRAINTS:
                return f"{name} constrains the names that it may issue, which is not judged"
            limit = extension.value.path_length if isinstance(extension.value, x509.BasicConstraints) else None
            if place > 1 and limit is not None and between > limit:
                return f"{name} allows {limit} authorities below it, {between} are there"
        between += place > 0 and certificate.subject != certificate.issuer
    return ""


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
    """Whether it may issue others: marked as an authority, not kept from it by its key usage, or an old root."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1 and certificate.subject == certificate.issuer
    except ValueError:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def check_code_signer(certificate: x509.Certificate) -> None:
    """TrustError for a certificate that was issued for other purposes than signing code, such as that of a web server.

    As osslsigncode judges it. Firmware asks for no purpose, but an authority that issues both means the difference.
    """
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise TrustError(f"{subject_of(certificate)} is not for signing code")


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
