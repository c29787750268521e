"""Keys, certificates and signatures of the test images; every key is made from a public string and guards nothing."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NOT_BEFORE, NOT_AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)


def key_of(name: str) -> Ed25519PrivateKey:
    """The key of that name; Ed25519, so that signatures are the same every time."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"test key: {name}".encode()).digest())


def authority(name: str) -> x509.Certificate:
    """A self-signed certificate of an authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = key_of(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, None)


def ca_bundle(names: Sequence[str]) -> bytes:
    """Certificates of authorities, one PEM block each."""
    return b"".join(authority(name).public_bytes(Encoding.PEM) for name in names)


def signed_module(module: bytes, signer: str = "Build time module signing key") -> bytes:
    """A kernel module with a detached CMS signature behind it (include/linux/module_signature.h)."""
    certificate = asn1_x509.Certificate.load(authority(signer).public_bytes(Encoding.DER))
    identity = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    digest = algos.DigestAlgorithm({"algorithm": "sha512"})
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", cms.IssuerAndSerialNumber(identity)),
            "digest_algorithm": digest,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "ed25519"}),
            "signature": key_of(signer).sign(module),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [digest],
            "encap_content_info": {"content_type": "data"},
            "signer_infos": [info],
        }
    )
    message = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    trailer = struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(message))
    return module + message + trailer + b"~Module signature appended~\n"


def tuf_root() -> str:
    """A TUF root of three keys, two of which must sign, signed by two."""
    keys = {}
    for name in ("root 1", "root 2", "root 3"):
        public = key_of(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        described = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
        keys[hashlib.sha256(_canonical(described)).hexdigest()] = (name, described)
    role = {"keyids": list(keys), "threshold": 2}
    signed = {
        "_type": "root",
        "spec_version": "1.0.0",
        "consistent_snapshot": True,
        "version": 1,
        "expires": "2036-01-01T00:00:00Z",
        "keys": {key_id: described for key_id, (_, described) in keys.items()},
        "roles": dict.fromkeys(("root", "snapshot", "targets", "timestamp"), role),
    }
    message = _canonical(signed)
    chosen = list(keys.items())[:2]
    signatures = [{"keyid": key_id, "sig": key_of(name).sign(message).hex()} for key_id, (name, _) in chosen]
    return json.dumps({"signed": signed, "signatures": signatures}, indent=2) + "\n"


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
