"""OpenPGP packets, keys and signatures as structs (RFC 4880 and RFC 9580, version 4 only). Nothing is verified here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.records import dataclass

MAX_BYTES = 4 << 20
MAX_PACKETS = 20_000
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 16384

SIGNATURE, PUBLIC_KEY, USER_ID, PUBLIC_SUBKEY, USER_ATTRIBUTE = 2, 6, 13, 14, 17
RSA, RSA_SIGN_ONLY, ECDSA, EDDSA_LEGACY, ED25519 = 1, 3, 19, 22, 27

_ARMOUR = re.compile(rb"-----BEGIN PGP [A-Z ,/0-9]+-----\r?\n(.*?)-----END PGP [A-Z ,/0-9]+-----", re.DOTALL)
_ED25519_OID = bytes.fromhex("2b06010401da470f01")
_CURVES: dict[bytes, ec.EllipticCurve] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("2b81040022"): ec.SECP384R1(),
    bytes.fromhex("2b81040023"): ec.SECP521R1(),
}
PublicKeyObject = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One version 4 key or subkey; `body` is the packet as it is hashed, `created` seconds since 1970."""

    body: bytes
    created: int
    algorithm: int
    public: PublicKeyObject

    @property
    def hashed_form(self) -> bytes:
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    @property
    def fingerprint(self) -> str:
        """40 hex digits; SHA-1 names the key here, it does not protect anything."""
        return hashlib.sha1(self.hashed_form, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class Subpacket:
    type: int
    is_critical: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One version 4 signature. Only `hashed` subpackets are covered by it; the others are hints."""

    type: int
    algorithm: int
    hash: int
    hashed: tuple[Subpacket, ...]
    unhashed: tuple[Subpacket, ...]
    trailer: bytes
    digest_prefix: bytes
    values: tuple[bytes, ...]

    def find(self, kind: int) -> bytes | None:
        """The body of the last hashed subpacket of a type (RFC 9580, 5.2.3.9)."""
        return next((packet.body for packet in reversed(self.hashed) if packet.type == kind), None)

    def number(self, kind: int) -> int | None:
        body = self.find(kind)
        if body is None:
            return None
        if len(body) != 4:
            raise FormatError(f"OpenPGP signature subpacket {kind} has {len(body)} bytes, 4 expected")
        return int.from_bytes(body, "big")

    def issuers(self) -> tuple[str, ...]:
        """Hints: fingerprints or key ids, in upper-case hex, that end a fingerprint."""
        found: list[str] = []
        for packet in (*self.hashed, *self.unhashed):
            if packet.type == 33 and len(packet.body) == 21 and packet.body[0] == 4:
                found.append(packet.body[1:].hex().upper())
            elif packet.type == 16 and len(packet.body) == 8:
                found.append(packet.body.hex().upper())
        return tuple(found)


def remove_armour(raw: bytes) -> bytes:
    """Binary packets; of ASCII-armoured text all blocks, each with its checksum compared when it has one."""
    if len(raw) > MAX_BYTES:
        raise BudgetError(f"OpenPGP data of {len(raw)} bytes, at most {MAX_BYTES} are read")
    if not raw.lstrip().startswith(b"-----BEGIN PGP "):
        return raw
    blocks = [_decode_armour(match[1]) for match in _ARMOUR.finditer(raw)]
    if not blocks:
        raise TruncatedError("OpenPGP armour has no end line")
    return b"".join(blocks)


def _decode_armour(block: bytes) -> bytes:
    _, blank, body = (
        block.replace(b"\r\n", b"\n").partition(b"\n\n") if not block.startswith(b"\n") else (b"", b"\n", block)
    )
    if not blank:
        raise FormatError("OpenPGP armour has no blank line after its headers")
    lines = body.split()
    checksum = lines.pop() if lines and lines[-1].startswith(b"=") and len(lines[-1]) == 5 else None
    try:
        data = base64.b64decode(b"".join(lines), validate=True)
        expected = None if checksum is None else base64.b64decode(checksum[1:], validate=True)
    except binascii.Error as error:
        raise FormatError(f"OpenPGP armour is not base64: {error}") from None
    if expected is not None and _crc24(data) != int.from_bytes(expected, "big"):
        raise FormatError("OpenPGP armour has a wrong checksum")
    return data


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


class _Cursor:
    """Reads forward and never past the end."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what, self.place = data, what, 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.place : self.place + count]
        if len(piece) != count:
            raise TruncatedError(f"{self.what} ends too early", offset=len(self.data))
        self.place += count
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.place)

    @property
    def is_done(self) -> bool:
        return self.place >= len(self.data)

    def mpi(self) -> bytes:
        """A multi-precision integer without its leading zeros, as bytes."""
        return self.take((self.number(2) + 7) // 8).lstrip(b"\0")


def parse_packets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, body) of each packet; zeros that fill a section up to its end are no packets."""
    cursor = _Cursor(raw, "OpenPGP packet")
    for _ in range(MAX_PACKETS):
        if cursor.is_done or not any(raw[cursor.place :]):
            return
        start = cursor.place
        tag = cursor.number(1)
        if not tag & 0x80:
            raise FormatError("not an OpenPGP packet", offset=start)
        if tag & 0x40:
            yield tag & 0x3F, cursor.take(_new_length(cursor))
        else:
            if tag & 3 == 3:
                raise UnsupportedError("OpenPGP packet of indeterminate length", offset=start)
            yield tag >> 2 & 0xF, cursor.take(cursor.number(1 << (tag & 3)))
    raise BudgetError(f"more than {MAX_PACKETS} OpenPGP packets")


def pack(tag: int, body: bytes) -> bytes:
    """One packet in the new format, with a length of four bytes."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def _new_length(cursor: _Cursor) -> int:
    first = cursor.number(1)
    if first < 192:
        return first
    if first < 224:
        return (first - 192 << 8) + cursor.number(1) + 192
    if first < 255:
        raise UnsupportedError("OpenPGP packet of partial length", offset=cursor.place - 1)
    return cursor.number(4)


def parse_key(body: bytes) -> PublicKey:
    """A version 4 public key; UnsupportedError names another version, algorithm or curve."""
    cursor = _Cursor(body, "OpenPGP key")
    version = cursor.number(1)
    if version != 4:
        raise UnsupportedError(f"OpenPGP key of version {version}, only 4 is accepted")
    created, algorithm = cursor.number(4), cursor.number(1)
    try:
        public = _public_key(cursor, algorithm)
    except ValueError as error:
        raise FormatError(f"OpenPGP key does not hold a usable number: {error}") from None
    if not cursor.is_done:
        raise FormatError("OpenPGP key has bytes after its numbers", offset=cursor.place)
    return PublicKey(body, created, algorithm, public)


def _public_key(cursor: _Cursor, algorithm: int) -> PublicKeyObject:
    if algorithm in (RSA, RSA_SIGN_ONLY):
        modulus, exponent = (int.from_bytes(cursor.mpi(), "big") for _ in range(2))
        if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
            raise UnsupportedError(f"OpenPGP RSA key of {modulus.bit_length()} bits")
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if algorithm == ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(cursor.take(32))
    if algorithm in (ECDSA, EDDSA_LEGACY):
        curve = cursor.take(cursor.number(1))
        point = cursor.mpi()
        if algorithm == EDDSA_LEGACY and curve == _ED25519_OID and point[:1] == b"\x40":
            return ed25519.Ed25519PublicKey.from_public_bytes(point[1:])
        if algorithm == ECDSA and curve in _CURVES:
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point)
        raise UnsupportedError(f"OpenPGP key on curve {curve.hex()}")
    raise UnsupportedError(f"OpenPGP key algorithm {algorithm}")


def parse_signature(body: bytes) -> Signature:
    """A version 4 signature; version 3 and anything else is refused by name."""
    cursor = _Cursor(body, "OpenPGP signature")
    version = cursor.number(1)
    if version != 4:
        raise UnsupportedError(f"OpenPGP signature of version {version}, only 4 is accepted")
    kind, algorithm, digest = cursor.number(1), cursor.number(1), cursor.number(1)
    hashed = cursor.take(cursor.number(2))
    signed_part = body[: cursor.place]
    unhashed = cursor.take(cursor.number(2))
    prefix = cursor.take(2)
    values: list[bytes] = [cursor.rest()] if algorithm == ED25519 else []
    while not cursor.is_done:
        values.append(cursor.mpi())
        if len(values) > 2:
            raise FormatError("OpenPGP signature has more than two numbers", offset=cursor.place)
    trailer = signed_part + b"\x04\xff" + len(signed_part).to_bytes(4, "big")
    return Signature(
        kind,
        algorithm,
        digest,
        tuple(_subpackets(hashed)),
        tuple(_subpackets(unhashed)),
        trailer,
        prefix,
        tuple(values),
    )


def _subpackets(raw: bytes) -> Iterator[Subpacket]:
    cursor = _Cursor(raw, "OpenPGP subpacket")
    while not cursor.is_done:
        first = cursor.number(1)
        if first < 192:
            length = first
        elif first < 255:
            length = (first - 192 << 8) + cursor.number(1) + 192
        else:
            length = cursor.number(4)
        if length < 1:
            raise FormatError("OpenPGP subpacket without a type", offset=cursor.place)
        kind = cursor.number(1)
        yield Subpacket(kind & 0x7F, bool(kind & 0x80), cursor.take(length - 1))
