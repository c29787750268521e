"""What a verity signature partition holds: a root hash and its signature (Discoverable Partitions Specification)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from rocketaudit.errors import FormatError
from rocketaudit.formats.strict_json import loads, member
from rocketaudit.model.reader import Reader

MAX_SIZE = 4 << 20
_HEX = re.compile(r"(?:[0-9a-f]{2}){16,64}")


@dataclass(frozen=True, slots=True)
class VeritySignature:
    """`root_hash` and `fingerprint` (SHA-256 of the certificate, "" where it is not stated) in lower-case hex."""

    root_hash: str
    fingerprint: str
    signature: bytes


def read_verity_signature(reader: Reader) -> VeritySignature:
    """The JSON text that the partition begins with, zeros behind it; FormatError where it is not such a text."""
    length = min(reader.size, MAX_SIZE)
    text = bytes(reader.read(0, length)).rstrip(b"\0")
    what = "verity signature"
    record = loads(text, what=what)
    if not isinstance(record, dict):
        raise FormatError(f"the {what} is no object")
    root_hash = member(record, "rootHash", str, what).lower()
    if not _HEX.fullmatch(root_hash):
        raise FormatError(f"the {what} states a root hash of {len(root_hash)} characters that is none")
    fingerprint = member(record, "certificateFingerprint", str, what) if "certificateFingerprint" in record else ""
    try:
        signature = base64.b64decode(member(record, "signature", str, what), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"the {what} is not in base64: {error}") from None
    return VeritySignature(root_hash, fingerprint.lower()[:64], signature)
