"""Authenticode signatures of UEFI images, judged as firmware and shim judge them.

A certificate of the database may be the signer itself or any CA above it. Validity dates are not looked at, since
firmware has no clock to trust; they are reported. SHA-1 and MD5 are refused, unlike in old firmware.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from asn1crypto import cms, core, parser
from cryptography import x509

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.efi_signature import SignatureDatabase
from rocketaudit.formats.pe import parse_certificate_table
from rocketaudit.formats.x509_path import (
    HASHES,
    MAX_CERTIFICATES,
    X509_ERRORS,
    check_code_signer,
    expiry_note,
    find_path,
    fingerprint_of,
    is_forbidden,
    odd_certificates_are_quiet,
    subject_of,
    verify_with,
)
from rocketaudit.model.records import dataclass

MAX_SIGNATURES = 16
_SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
_OIDS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.3.14.3.2.26": "sha1",
    "1.2.840.113549.2.5": "md5",
}
# asn1crypto parses lazily and raises these for malformed input
ASN1_ERRORS = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class SignedData:
    """One PKCS#7 signature: what it says (`digest` by `digest_algorithm`) and who made it."""

    digest_algorithm: str
    digest: str
    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    content: bytes
    attributes: bytes | None
    attribute_digest: bytes | None
    attribute_type: str
    hash: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """One signature of an image. `problem` is "" when it holds; `is_forbidden` when a dbx names its certificates."""

    signer: str
    digest_algorithm: str
    problem: str
    anchor: str = ""
    is_forbidden: bool = False
    note: str = ""


def parse_signed_data(raw: bytes) -> SignedData:
    """Parse one Authenticode signature, or FormatError."""
    try:
        with odd_certificates_are_quiet():
            return _parse(raw)
    except (*ASN1_ERRORS, *X509_ERRORS) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FormatError(f"Authenticode signature is malformed: {reason}") from None


def _parse(raw: bytes) -> SignedData:
    info = cms.ContentInfo.load(raw)
    if info["content_type"].native != "signed_data":
        raise FormatError("Authenticode signature holds no signed data")
    signed = info["content"]
    encapsulated = signed["encap_content_info"]
    if encapsulated["content_type"].dotted != _SPC_INDIRECT_DATA:
        raise FormatError("Authenticode signature does not sign an image digest")
    if len(signed["signer_infos"]) != 1:
        raise FormatError(f"Authenticode signature has {len(signed['signer_infos'])} signers, one expected")
    inner = _sequence_content(encapsulated["content"].dump())
    algorithm, digest = _image_digest(inner)
    signer_info = signed["signer_infos"][0]
    certificates = load_certificates(signed["certificates"])
    attributes = signer_info["signed_attrs"]
    has_attributes = not isinstance(attributes, core.Void)
    values = signed_values(attributes) if has_attributes else {}
    message_digest = values.get("1.2.840.113549.1.9.4")
    content_type = values.get("1.2.840.113549.1.9.3")
    return SignedData(
        algorithm,
        digest.hex(),
        find_signer(signer_info, certificates),
        certificates,
        inner,
        b"\x31" + attributes.dump()[1:] if has_attributes else None,
        None if message_digest is None else bytes(core.OctetString.load(message_digest, strict=True).native),
        "" if content_type is None else core.ObjectIdentifier.load(content_type, strict=True).dotted,
        str(signer_info["digest_algorithm"]["algorithm"].native),
        bytes(signer_info["signature"].native),
    )


def signed_values(attributes: core.Asn1Value) -> dict[str, bytes]:
    """The DER value of every signed attribute by its dotted type; one that is given twice is a FormatError."""
    found: dict[str, bytes] = {}
    for attribute in attributes:
        kind = attribute["type"].dotted
        content = attribute["values"].contents
        if kind in found:
            raise FormatError(f"signed attribute {kind} is given twice")
        found[kind] = bytes(content)
    return found


def _sequence_content(der: bytes) -> bytes:
    """What the message digest covers: the content of the SEQUENCE inside the explicit tag."""
    for _ in range(4):
        kind, _method, tag, _head, content, _trailer = parser.parse(der)
        if kind == 0 and tag == 16:
            return bytes(content)
        der = content
    raise FormatError("Authenticode signature holds no image digest")


def _image_digest(inner: bytes) -> tuple[str, bytes]:
    """(algorithm, digest) of the DigestInfo, the second part of SpcIndirectDataContent."""
    parts: list[bytes] = []
    place = 0
    while place < len(inner):
        _kind, _method, _tag, head, content, trailer = parser.parse(inner[place:])
        parts.append(content)
        place += len(head) + len(content) + len(trailer)
    if len(parts) != 2:
        raise FormatError("Authenticode signature holds no image digest")
    _kind, _method, _tag, head, algorithm, trailer = parser.parse(parts[1])
    oid = core.ObjectIdentifier.load(algorithm).dotted
    digest = parser.parse(parts[1][len(head) + len(algorithm) + len(trailer) :])[4]
    return _OIDS.get(oid, oid), bytes(digest)


def load_certificates(field: core.Asn1Value) -> tuple[x509.Certificate, ...]:
    """The X.509 certificates that a signature carries."""
    if len(field) > MAX_CERTIFICATES:
        raise FormatError(f"signature with {len(field)} certificates, at most {MAX_CERTIFICATES} are read")
    return tuple(x509.load_der_x509_certificate(one.chosen.dump()) for one in field if one.name == "certificate")


def find_signer(signer_info: core.Asn1Value, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate that a signer info points to, by issuer and serial number or by key id."""
    identifier = signer_info["sid"]
    for certificate in certificates:
        if identifier.name == "issuer_and_serial_number":
            issuer, serial = identifier.chosen["issuer"].dump(), identifier.chosen["serial_number"].native
            if certificate.serial_number == serial and certificate.issuer.public_bytes() == issuer:
                return certificate
        else:
            key_id = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
            if identifier.chosen.native in (key_id, _stated_key_id(certificate)):
                return certificate
    raise FormatError("signature does not carry the certificate of its signer")


def _stated_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except X509_ERRORS:
        return None


def check_signatures(
    table: bytes,
    digests: Mapping[str, str],
    anchors: Sequence[x509.Certificate],
    *,
    forbidden: SignatureDatabase | None = None,
    as_of: datetime | None = None,
) -> tuple[SignatureCheck, ...]:
    """Judge every signature in a certificate table over an image with these Authenticode digests (hex by name)."""
    blobs = parse_certificate_table(table)
    if len(blobs) > MAX_SIGNATURES:
        raise FormatError(f"PE image with {len(blobs)} signatures, at most {MAX_SIGNATURES} are read")
    with odd_certificates_are_quiet():
        return tuple(_check_one(blob, digests, anchors, forbidden or SignatureDatabase(), as_of) for blob in blobs)


def _check_one(
    blob: bytes,
    digests: Mapping[str, str],
    anchors: Sequence[x509.Certificate],
    forbidden: SignatureDatabase,
    as_of: datetime | None,
) -> SignatureCheck:
    try:
        signed = parse_signed_data(blob)
    except FormatError as error:
        return SignatureCheck("", "", error.message)
    signer = subject_of(signed.signer)
    path: tuple[x509.Certificate, ...] = ()
    problem = ""
    try:
        check_image_digest(signed, digests)
        check_signer(signed)
        path = find_path(signed.signer, signed.certificates, anchors)
        if len(path) > 1:  # a certificate that the user gave is trusted for whatever it says
            check_code_signer(signed.signer)
    except TrustError as error:
        problem = error.message
    except X509_ERRORS as error:
        problem = f"a certificate cannot be used: {error}"
    refused = next((one for one in (*path, signed.signer, *signed.certificates) if is_forbidden(one, forbidden)), None)
    if refused is not None:
        problem = f"certificate {subject_of(refused)} is revoked by dbx"
    anchor = fingerprint_of(path[-1]) if path else ""
    note = expiry_note(path, as_of)
    return SignatureCheck(signer, signed.digest_algorithm, problem, anchor, refused is not None, note)


def check_image_digest(signed: SignedData, digests: Mapping[str, str]) -> None:
    """TrustError unless the signature names the digest that the image has, by a hash that is accepted."""
    if signed.digest_algorithm not in HASHES:
        raise TrustError(f"signature over {signed.digest_algorithm}, which is not accepted")
    observed = digests.get(signed.digest_algorithm)
    if observed is None:
        raise TrustError(f"the {signed.digest_algorithm} of the image was not computed")
    if observed != signed.digest:
        raise TrustError(f"image has {signed.digest_algorithm} {observed}, signed is {signed.digest}")


def check_signer(signed: SignedData) -> None:
    """TrustError unless the signer's key made the signature over exactly this content."""
    algorithm = HASHES.get(signed.hash)
    if algorithm is None:
        raise TrustError(f"signature made with {signed.hash}, which is not accepted")
    payload = signed.content
    if signed.attributes is not None:
        if signed.attribute_digest != hashlib.new(signed.hash, signed.content).digest():
            raise TrustError("signed attributes belong to other content")
        if signed.attribute_type != _SPC_INDIRECT_DATA:
            raise TrustError("signed attributes name another type of content")
        payload = signed.attributes
    verify_with(signed.signer, signed.signature, payload, algorithm)
