"""A bundle of PEM certificates: which authorities it holds and until when."""

from __future__ import annotations

import base64
import binascii
import re

from asn1crypto import x509

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

MAX_CERTIFICATES = 2_000
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----([^-]*)-----END (?:TRUSTED )?CERTIFICATE-----")
_WEAK_HASHES = frozenset({"md2", "md5", "sha1"})
_WEAK_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate; `not_after` is seconds since 1970. `weak`: a short key, or a weak digest that matters."""

    subject: str
    not_after: float
    is_authority: bool
    weak: bool


@dataclass(frozen=True, slots=True)
class CaBundle:
    certificates: tuple[Authority, ...]
    problems: tuple[str, ...]


def parse_ca_bundle(data: bytes) -> CaBundle:
    """The certificates of a bundle; a broken one is named in `problems`. FormatError when there is none at all."""
    certificates: list[Authority] = []
    problems: list[str] = []
    for number, match in enumerate(_PEM.finditer(data), 1):
        if number > MAX_CERTIFICATES:
            raise FormatError(f"more than {MAX_CERTIFICATES} certificates", offset=match.start())
        try:
            certificates.append(_authority(base64.b64decode(b"".join(match[1].split()), validate=True)))
        except (ValueError, TypeError, KeyError, binascii.Error, OverflowError) as error:
            problems.append(f"certificate {number} (byte {match.start()}): {error}")
    if not certificates and not problems:
        raise FormatError("no PEM certificate in it")
    return CaBundle(tuple(certificates), tuple(problems))


def _authority(der: bytes) -> Authority:
    certificate = x509.Certificate.load(der, strict=True)
    body = certificate["tbs_certificate"]
    key = body["subject_public_key_info"]
    weak = key.algorithm == "rsa" and key.bit_size < _WEAK_RSA_BITS
    issuer_signs = certificate.issuer != certificate.subject  # a root's signature on itself vouches for nothing
    weak = weak or (issuer_signs and certificate.hash_algo in _WEAK_HASHES)
    constraints = certificate.basic_constraints_value
    is_authority = constraints is not None and bool(constraints["ca"].native)
    if constraints is None:
        is_authority = not issuer_signs  # version 1 roots have no extensions
    return Authority(
        subject=certificate.subject.human_friendly,
        not_after=certificate.not_valid_after.timestamp(),
        is_authority=is_authority,
        weak=weak,
    )
