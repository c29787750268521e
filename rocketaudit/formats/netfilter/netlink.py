"""Netlink: messages and attributes as the kernel lays them out (include/uapi/linux/netlink.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_KIND = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `body` is what follows its header."""

    kind: int
    flags: int
    sequence: int
    body: bytes


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram; FormatError where a length does not fit."""
    at = 0
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise FormatError(f"netlink message cut off in its header (byte {at})")
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if not _HEADER.size <= length <= len(data) - at:
            raise FormatError(f"netlink message of {length} bytes where {len(data) - at} are left (byte {at})")
        yield Message(kind, flags, sequence, data[at + _HEADER.size : at + length])
        at += (length + 3) & ~3


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """One message to send."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute to send, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attribute_list(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of every attribute in order; FormatError where a length does not fit."""
    at = 0
    while at < len(data):
        if at + _ATTRIBUTE.size > len(data):
            raise FormatError(f"netlink attribute cut off (byte {at})")
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= len(data) - at:
            raise FormatError(f"netlink attribute of {length} bytes where {len(data) - at} are left (byte {at})")
        yield kind & _KIND, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by type; the kernel never repeats one outside of lists, so a repeated one is refused."""
    found: dict[int, bytes] = {}
    for kind, value in attribute_list(data):
        if kind in found:
            raise FormatError(f"netlink attribute {kind} stands twice")
        found[kind] = value
    return found


def number(value: bytes | None, what: str) -> int:
    """A 32-bit number in network order, as nf_tables writes all of its own."""
    if value is None or len(value) != 4:
        raise FormatError(f"{what}: expected 4 bytes, found {'none' if value is None else len(value)}")
    return int.from_bytes(value, "big")


def text(value: bytes | None, what: str, limit: int = 256) -> str:
    """A name that ends with NUL; bytes that are not ASCII become %XX."""
    if value is None or not value.endswith(b"\0") or len(value) > limit or b"\0" in value[:-1]:
        raise FormatError(f"{what}: not a name of at most {limit} bytes")
    return plain(value[:-1])


def plain(name: bytes) -> str:
    """A name of the kernel's as one printable word."""
    return "".join(chr(byte) if 32 < byte < 127 and byte != 37 else f"%{byte:02X}" for byte in name)
