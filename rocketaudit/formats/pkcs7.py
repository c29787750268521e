"""PKCS#7 signatures over a root hash, as the kernel takes them (root_hash_sig_key_desc) and systemd ships them.

What is signed is the root hash in hexadecimal text, without a newline. Unlike the kernel we look at the dates of the
certificates, because a verdict is about a moment that the user chose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from asn1crypto import cms, core
from cryptography import x509

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.authenticode import ASN1_ERRORS, find_signer, load_certificates, signed_values
from rocketaudit.formats.x509_path import (
    HASHES,
    X509_ERRORS,
    expiry_note,
    find_path,
    odd_certificates_are_quiet,
    subject_of,
    verify_with,
)

MAX_SIGNATURE = 1 << 20


def verify_root_hash(signature: bytes, root_hash: str, anchors: Sequence[x509.Certificate], as_of: datetime) -> str:
    """The subject of the signer; TrustError or FormatError when no given certificate vouches for the root hash."""
    return verify_detached(signature, root_hash.lower().encode(), anchors, as_of)


def verify_detached(signature: bytes, content: bytes, anchors: Sequence[x509.Certificate], as_of: datetime) -> str:
    """Verify a DER signature over `content`, detached or with the same content inside; gives the signer's subject."""
    if len(signature) > MAX_SIGNATURE:
        raise FormatError(f"PKCS#7 signature of {len(signature)} bytes, at most {MAX_SIGNATURE} are read")
    try:
        with odd_certificates_are_quiet():
            return _verify(signature, content, anchors, as_of)
    except (*ASN1_ERRORS, *X509_ERRORS) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FormatError(f"PKCS#7 signature is malformed: {reason}") from None


def _verify(signature: bytes, content: bytes, anchors: Sequence[x509.Certificate], as_of: datetime) -> str:
    info = cms.ContentInfo.load(signature, strict=True)
    if info["content_type"].native != "signed_data":
        raise FormatError("PKCS#7 file holds no signed data")
    signed = info["content"]
    inside = signed["encap_content_info"]["content"]
    if not isinstance(inside, core.Void) and inside.native not in (None, content):
        raise TrustError("PKCS#7 signature carries other content")
    if len(signed["signer_infos"]) != 1:
        raise FormatError(f"PKCS#7 signature has {len(signed['signer_infos'])} signers, one expected")
    signer_info = signed["signer_infos"][0]
    carried = signed["certificates"]
    pool = () if isinstance(carried, core.Void) else load_certificates(carried)
    signer = find_signer(signer_info, (*pool, *anchors))
    name = str(signer_info["digest_algorithm"]["algorithm"].native)
    if name not in HASHES:
        raise TrustError(f"signature made with {name}, which is not accepted")
    payload = content
    if not isinstance(signer_info["signed_attrs"], core.Void):
        payload = _attributes(signer_info["signed_attrs"], name, content)
    verify_with(signer, bytes(signer_info["signature"].native), payload, HASHES[name])
    outside = expiry_note(find_path(signer, pool, anchors), as_of)
    if outside:
        raise TrustError(f"{outside}, judged as of {as_of.date()}")
    return subject_of(signer)


def _attributes(attributes: core.Asn1Value, name: str, content: bytes) -> bytes:
    """The signed attributes as they are signed, when they belong to this content."""
    values = signed_values(attributes)
    digest = values.get("1.2.840.113549.1.9.4")
    if digest is None or core.OctetString.load(digest, strict=True).native != hashlib.new(name, content).digest():
        raise TrustError("signed attributes belong to other content")
    return b"\x31" + bytes(attributes.dump()[1:])
