"""The head of a binary SELinux policy (security/selinux/ss/policydb.c)."""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.records import dataclass

_MAGIC = 0xF97CFF8C
_TARGET = b"SE Linux"
_MLS, _REJECT_UNKNOWN, _ALLOW_UNKNOWN = 1, 2, 4
_HAS_CAPABILITIES, _HAS_PERMISSIVE = 22, 23  # POLICYDB_VERSION_POLCAP, POLICYDB_VERSION_PERMISSIVE
_OLDEST, _NEWEST = 15, 40
_MAP_BITS = 64
MAX_MAP_NODES = 4096


@dataclass(frozen=True, slots=True)
class SelinuxPolicy:
    """`handle_unknown` is deny, reject or allow; `permissive_types` are the numbers of types that only log."""

    version: int
    mls: bool
    handle_unknown: str
    permissive_types: tuple[int, ...]
    capabilities: tuple[int, ...]


def parse_selinux_policy(data: bytes) -> SelinuxPolicy:
    """Read the head of policy.N; FormatError says what is wrong and where."""
    reader = _Words(data)
    if reader.word() != _MAGIC:
        raise FormatError("no SELinux policy: wrong magic number", offset=0)
    length = reader.word()
    if length != len(_TARGET) or reader.take(length) != _TARGET:
        raise UnsupportedError("not a kernel policy for SELinux (another target)", offset=4)
    version, config = reader.word(), reader.word()
    if not _OLDEST <= version <= _NEWEST:
        raise UnsupportedError(f"policy version {version}; {_OLDEST} to {_NEWEST} are read", offset=reader.at - 8)
    reader.take(8)  # numbers of symbol and context tables
    capabilities = reader.bitmap() if version >= _HAS_CAPABILITIES else ()
    permissive = reader.bitmap() if version >= _HAS_PERMISSIVE else ()
    if config & _REJECT_UNKNOWN:
        unknown = "reject"
    else:
        unknown = "allow" if config & _ALLOW_UNKNOWN else "deny"
    return SelinuxPolicy(version, bool(config & _MLS), unknown, permissive, capabilities)


class _Words:
    """Little-endian words in order; every step is checked against the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, length: int) -> bytes:
        piece = self.data[self.at : self.at + length]
        if len(piece) != length:
            raise TruncatedError(f"the policy ends within {length} bytes that it announces", offset=self.at)
        self.at += length
        return piece

    def word(self) -> int:
        return int(struct.unpack("<I", self.take(4))[0])

    def bitmap(self) -> tuple[int, ...]:
        """The set bits of an extensible bitmap (security/selinux/ss/ebitmap.c)."""
        start = self.at
        unit, high, count = self.word(), self.word(), self.word()
        if unit != _MAP_BITS:
            raise FormatError(f"a bitmap in units of {unit} bits, not {_MAP_BITS}", offset=start)
        if count > MAX_MAP_NODES:
            raise FormatError(f"a bitmap of {count} nodes; at most {MAX_MAP_NODES} are read", offset=start)
        bits: list[int] = []
        before = -1
        for _ in range(count):
            first, value = struct.unpack("<IQ", self.take(12))
            if first <= before or first % _MAP_BITS or first >= max(high, 1):
                raise FormatError(f"a bitmap node at bit {first}, out of order or range", offset=self.at - 12)
            before = first
            bits.extend(first + bit for bit in range(_MAP_BITS) if value >> bit & 1)
        return tuple(bits)
