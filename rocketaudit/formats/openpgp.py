"""Verifies detached OpenPGP signatures of binary documents, strictly, with the keys that the user gave.

Two readers have to agree. This one applies what GRUB asks for and what a moment decides: the first signature of the
file, version 4 with RSA, ECDSA or Ed25519 and SHA-2 or SHA-3, no text signature; expiry, revocation and usage flags as
of a given moment. Designated revokers are not followed. Then the library decides (`openpgp_library`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.openpgp_certificate import REVOKED, Certificate, signing_keys
from rocketaudit.formats.openpgp_check import CREATED, HASHES, problem_of, verifies
from rocketaudit.formats.openpgp_library import confirm
from rocketaudit.formats.openpgp_packet import (
    SIGNATURE,
    PublicKey,
    Signature,
    pack,
    parse_packets,
    parse_signature,
    remove_armour,
)
from rocketaudit.model.records import dataclass

BINARY = 0x00


@dataclass(frozen=True, slots=True)
class GoodSignature:
    """Who signed, with which key, and when."""

    certificate: str
    key: str
    created: datetime
    hash: str


def parse_signatures(raw: bytes) -> tuple[Signature, ...]:
    """The signatures of a detached signature file; anything else in it is a FormatError."""
    found: list[Signature] = []
    for tag, body in parse_packets(remove_armour(raw)):
        if tag != SIGNATURE:
            raise FormatError(f"OpenPGP packet of type {tag} in a detached signature")
        found.append(parse_signature(body))
    if not found:
        raise FormatError("no OpenPGP signature")
    return tuple(found)


def verify_detached(
    signature_file: bytes, document: bytes, certificates: Sequence[Certificate], as_of: datetime
) -> GoodSignature:
    """Verify the first signature of `signature_file` over `document`, as GRUB does; TrustError says what fails.

    `as_of` (with a time zone) is when keys and signatures must be valid. MissingLibraryError without the library.
    """
    signature = parse_signatures(signature_file)[0]
    moment = int(as_of.timestamp())
    if signature.type != BINARY:
        raise TrustError(f"OpenPGP signature of type 0x{signature.type:02X}, a binary document (0x00) expected")
    problem = problem_of(signature, moment)
    if problem:
        raise TrustError(f"OpenPGP signature {problem}")
    good: list[tuple[Certificate, PublicKey]] = []
    refusals: dict[str, str] = {}
    for certificate in certificates:
        if not any(_may_be_issuer(signature, key) for key in certificate.every_key()):
            continue
        for key, refusal in signing_keys(certificate, moment, signature):
            if not _may_be_issuer(signature, key) or not verifies(key, signature, document):
                continue
            if refusal == REVOKED or (refusal and key.fingerprint not in refusals):
                refusals[key.fingerprint] = refusal
            if not refusal:
                good.append((certificate, key))
    # of two copies of a key the one that says "revoked" counts, whichever is older
    found = next(((one, key) for one, key in good if refusals.get(key.fingerprint) != REVOKED), None)
    if found is None:
        reasons = [f"key {fingerprint} {refusal}" for fingerprint, refusal in refusals.items()]
        raise TrustError(f"OpenPGP signature is not accepted: {reasons[0] if reasons else 'no given key made it'}")
    certificate, key = found
    first = next(body for tag, body in parse_packets(remove_armour(signature_file)) if tag == SIGNATURE)
    confirm(certificate.raw, pack(SIGNATURE, first), document, key.fingerprint)
    created = datetime.fromtimestamp(signature.number(CREATED) or 0, UTC)
    return GoodSignature(certificate.fingerprint, key.fingerprint, created, HASHES[signature.hash].name)


def _may_be_issuer(signature: Signature, key: PublicKey) -> bool:
    hints = signature.issuers()
    return not hints or any(key.fingerprint.endswith(hint) for hint in hints)
