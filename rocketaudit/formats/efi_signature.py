"""What Secure Boot forbids and shim carries: EFI signature lists (dbx), shim's vendor certificates, SBAT levels.

Sources: UEFI specification 2.10, 32.4.1; shim's cert.S and SBAT.md.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Iterator, Mapping

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.model.records import dataclass

MAX_BYTES = 4 << 20
_LIST = struct.Struct("<16s I I I")
_SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
_X509_HASHES = {
    uuid.UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed").bytes_le: ("sha256", 32),
    uuid.UUID("7076876e-80c2-4ee6-aad2-28b349a6865b").bytes_le: ("sha384", 48),
    uuid.UUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d").bytes_le: ("sha512", 64),
}
_AUTHENTICATED = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7").bytes_le
MAX_SBAT_LINES = 1000
_GENERATION = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class SignatureDatabase:
    """Image digests (sha256, hex), certificates (DER) and digests of certificates' signed parts (algorithm, hex)."""

    image_digests: frozenset[str] = frozenset()
    certificates: tuple[bytes, ...] = ()
    certificate_digests: frozenset[tuple[str, str]] = frozenset()


def parse_signature_database(raw: bytes) -> SignatureDatabase:
    """A db or dbx: plain lists, a file of efivarfs (four attribute bytes first), or a signed update (dbxupdate.bin).

    The signature of an update is not checked: the user vouches for the file. An entry of an unknown kind in a
    list of what is forbidden is a FormatError, because to skip it would allow something.
    """
    if len(raw) > MAX_BYTES:
        raise FormatError(f"EFI signature database of {len(raw)} bytes, at most {MAX_BYTES} are read")
    images: set[str] = set()
    certificates: list[bytes] = []
    hashes: set[tuple[str, str]] = set()
    for kind, data in _entries(raw, _payload_start(raw)):
        if kind == _SHA256 and len(data) == 32:
            images.add(data.hex())
        elif kind == _X509:
            certificates.append(data)
        elif kind in _X509_HASHES and len(data) >= _X509_HASHES[kind][1]:
            algorithm, size = _X509_HASHES[kind]
            hashes.add((algorithm, data[:size].hex()))
        else:
            raise FormatError(f"EFI signature of unknown kind {uuid.UUID(bytes_le=kind)}, {len(data)} bytes")
    return SignatureDatabase(frozenset(images), tuple(certificates), frozenset(hashes))


def _payload_start(raw: bytes) -> int:
    if raw[24:40] == _AUTHENTICATED:  # EFI_TIME, then WIN_CERTIFICATE_UEFI_GUID with its own length
        (length,) = struct.unpack_from("<I", raw, 16)
        return 16 + int(length)
    if raw[:16] in (_SHA256, _X509, *_X509_HASHES):
        return 0
    if raw[4:20] in (_SHA256, _X509, *_X509_HASHES):
        return 4
    return 0


def _entries(raw: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
    place = start
    if place > len(raw):
        raise TruncatedError("EFI signature database ends inside its header", offset=len(raw))
    while place < len(raw):
        if len(raw) - place < _LIST.size:
            raise TruncatedError("EFI signature list ends inside its header", offset=place)
        kind, list_size, header_size, size = _LIST.unpack_from(raw, place)
        body = list_size - _LIST.size - header_size
        if size <= 16 or body < 0 or body % size or place + list_size > len(raw):
            raise FormatError(f"EFI signature list of {list_size} bytes does not add up", offset=place)
        first = place + _LIST.size + header_size
        for entry in range(first, first + body, size):
            yield kind, raw[entry + 16 : entry + size]
        place += list_size


def parse_vendor_certificates(section: bytes) -> tuple[tuple[bytes, ...], SignatureDatabase]:
    """(certificates in DER that shim trusts, what it forbids) from the section .vendor_cert; both may be empty."""
    if len(section) < 16:
        raise TruncatedError(f"shim's vendor certificates have {len(section)} bytes, at least 16 are needed")
    trusted_size, forbidden_size, trusted_at, forbidden_at = struct.unpack_from("<IIII", section)
    trusted = _slice(section, trusted_at, trusted_size)
    forbidden = _slice(section, forbidden_at, forbidden_size)
    if trusted[:1] == b"\x30":
        certificates: tuple[bytes, ...] = (trusted,)
    else:
        certificates = parse_signature_database(trusted).certificates if any(trusted) else ()
    return certificates, parse_signature_database(forbidden) if any(forbidden) else SignatureDatabase()


def _slice(section: bytes, start: int, size: int) -> bytes:
    if size and start + size > len(section):
        raise TruncatedError(f"shim's vendor certificates end at {start + size}, the section at {len(section)}")
    return section[start : start + size]


def parse_sbat(raw: bytes, what: str = ".sbat") -> Mapping[str, int]:
    """Generation by component, of an image's .sbat section or of a revocation level (both are CSV)."""
    try:
        lines = raw.split(b"\0", 1)[0].decode("utf-8").split("\n")  # as shim: no other line ends
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8", offset=error.start) from None
    if len(lines) > MAX_SBAT_LINES:
        raise FormatError(f"{what} has {len(lines)} lines, at most {MAX_SBAT_LINES} are read")
    found: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = [field.strip(" \t\r") for field in line.split(",")]
        if len(fields) < 2 or not _GENERATION.fullmatch(fields[1]):
            raise FormatError(f"{what} line {number} has no component and generation: {line[:60]!r}")
        if fields[0] in found:
            raise FormatError(f"{what} line {number} names {fields[0][:40]!r} again")
        found[fields[0]] = int(fields[1])
    return found


def sbat_revocation(image: Mapping[str, int], level: Mapping[str, int]) -> str:
    """Which component is older than the level allows, as shim judges it; "" when none is."""
    for component, generation in image.items():
        needed = level.get(component)
        if needed is not None and generation < needed:
            return f"{component} has generation {generation}, at least {needed} is required"
    return ""
