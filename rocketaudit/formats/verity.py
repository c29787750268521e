"""dm-verity on disk: the superblock, how the levels of a hash tree lie, and salted digests.

Sources: Documentation/admin-guide/device-mapper/verity.rst of the kernel, and the superblock of cryptsetup
(lib/verity/verity.c). The superblock is not authenticated: trust comes from the signed text that states the root hash.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Callable
from typing import Protocol, Self

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.reader import Buffer
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import BadBlock, VerityParameters

SUPERBLOCK_SIZE = 512
MAX_SALT = 256
MIN_BLOCK, MAX_BLOCK = 512, 65536
MAX_DEVICE_BYTES = (1 << 63) - 1  # the kernel's loff_t

_SUPERBLOCK = struct.Struct("<8s I I 16s 32s I I Q H 6s 256s 168s")
_MAGIC = b"verity\0\0"


class Hash(Protocol):
    """What hashlib gives: bytes go in, a digest comes out, and a prefix can be kept as a copy."""

    @property
    def digest_size(self) -> int: ...
    def copy(self) -> Self: ...
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...


# names of the kernel's crypto API and of veritysetup; the sizes of blake2 are digest bits
_HASHES: dict[str, Callable[[], Hash]] = {
    "blake2b-160": lambda: hashlib.blake2b(digest_size=20),
    "blake2b-256": lambda: hashlib.blake2b(digest_size=32),
    "blake2b-384": lambda: hashlib.blake2b(digest_size=48),
    "blake2b-512": lambda: hashlib.blake2b(digest_size=64),
    "blake2s-128": lambda: hashlib.blake2s(digest_size=16),
    "blake2s-160": lambda: hashlib.blake2s(digest_size=20),
    "blake2s-224": lambda: hashlib.blake2s(digest_size=28),
    "blake2s-256": lambda: hashlib.blake2s(digest_size=32),
}
_OPENSSL_NAMES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha3-224": "sha3_224",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
    "ripemd160": "ripemd160",
    "rmd160": "ripemd160",
    "sm3": "sm3",
    # names of OpenSSL that veritysetup hands on; no kernel knows them
    "md5-sha1": "md5-sha1",
    "sha512-224": "sha512_224",
    "sha512-256": "sha512_256",
    "blake2b512": "blake2b",
    "blake2s256": "blake2s",
    "sha-1": "sha1",
    **{f"{family}-{bits}": f"sha{bits}" for family in ("sha", "sha2") for bits in (224, 256, 384, 512)},
}
ALGORITHMS = tuple(sorted((*_HASHES, *_OPENSSL_NAMES)))


@dataclass(frozen=True, slots=True)
class Superblock:
    """The header in front of a tree, as stored; `data_blocks` 0 means "as many as the device has"."""

    hash_type: int
    uuid: str
    algorithm: str
    data_block_size: int
    hash_block_size: int
    data_blocks: int
    salt: bytes
    has_dirty_padding: bool

    def parameters(self, root_hash: str, *, hash_offset: int = 0, data_size: int | None = None) -> VerityParameters:
        """The tree that this header describes when it lies `hash_offset` bytes into the hash device."""
        blocks = self.data_blocks or (data_size or 0) // self.data_block_size
        return VerityParameters(
            self.hash_type,
            self.algorithm,
            self.data_block_size,
            self.hash_block_size,
            blocks,
            self.salt.hex(),
            root_hash.lower(),
            hash_start_block(hash_offset, self.hash_block_size, has_superblock=True),
        )


def hash_start_block(hash_offset: int, hash_block_size: int, *, has_superblock: bool) -> int:
    """The hash block where a tree begins, counted from the start of the device, as libcryptsetup places it."""
    taken = SUPERBLOCK_SIZE if has_superblock else 0
    return -(-(hash_offset + taken) // hash_block_size) if has_superblock else hash_offset // hash_block_size


def parse_superblock(raw: Buffer) -> Superblock:
    """Parse the 512 bytes of a superblock, or say at which byte they are wrong."""
    if len(raw) < SUPERBLOCK_SIZE:
        raise TruncatedError(f"a verity superblock has {SUPERBLOCK_SIZE} bytes, {len(raw)} are there", offset=len(raw))
    (magic, version, hash_type, identity, name, data_size, hash_size, blocks, salt_size, gap, salt, tail) = (
        _SUPERBLOCK.unpack_from(raw)
    )
    if magic != _MAGIC:
        raise FormatError("no verity superblock: it does not begin with 'verity'", offset=0)
    if version != 1:
        raise UnsupportedError(f"verity superblock of version {version}, only 1 exists", offset=8)
    if hash_type > 1:
        raise UnsupportedError(f"verity hash type {hash_type}, only 0 and 1 exist", offset=12)
    algorithm = name.split(b"\0", 1)[0].decode("ascii", "backslashreplace")
    new_hash(algorithm)
    check_block_size("data", data_size, offset=64)
    check_block_size("hash", hash_size, offset=68)
    if salt_size > MAX_SALT:
        raise FormatError(f"verity salt of {salt_size} bytes, at most {MAX_SALT} fit", offset=80)
    dirty = any(gap) or any(tail) or any(salt[salt_size:]) or any(name[len(algorithm) :])
    return Superblock(
        hash_type, str(uuid.UUID(bytes=identity)), algorithm, data_size, hash_size, blocks, salt[:salt_size], dirty
    )


def check_block_size(what: str, size: int, *, offset: int | None = None) -> None:
    """FormatError unless `size` is a power of two between 512 and 65536."""
    if not MIN_BLOCK <= size <= MAX_BLOCK or size & (size - 1):
        raise FormatError(
            f"{what} block size {size} is not a power of two from {MIN_BLOCK} to {MAX_BLOCK}", offset=offset
        )


def new_hash(algorithm: str) -> Hash:
    """An empty hash by its veritysetup name, or UnsupportedError that names it."""
    name = algorithm.lower()
    if name in _HASHES:
        return _HASHES[name]()
    if name in _OPENSSL_NAMES:
        try:
            return hashlib.new(_OPENSSL_NAMES[name], usedforsecurity=False)
        except ValueError:
            raise UnsupportedError(f"hash algorithm {name} is not offered by this machine's OpenSSL") from None
    raise UnsupportedError(f"hash algorithm {algorithm[:40]!r} is not supported")


@dataclass(frozen=True, slots=True)
class Level:
    """`blocks` hash blocks from block `start` of the hash device on."""

    start: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of a tree lies. `levels[0]` holds the digests of data; the last one is the top block.

    Without levels (one data block) the root hash is the digest of that block, as libcryptsetup defines it.
    """

    parameters: VerityParameters
    salt: bytes
    root_hash: bytes
    digest_size: int
    slot_size: int
    per_block: int
    levels: tuple[Level, ...]

    @property
    def data_end(self) -> int:
        return self.parameters.data_blocks * self.parameters.data_block_size

    @property
    def tree_end(self) -> int:
        """The first byte of the hash device after the tree."""
        if not self.levels:
            return self.parameters.hash_start_block * self.parameters.hash_block_size
        return (self.levels[0].start + self.levels[0].blocks) * self.parameters.hash_block_size

    def offset_of(self, level: int, block: int) -> int:
        return (self.levels[level].start + block) * self.parameters.hash_block_size

    def covers(self, level: int, block: int) -> tuple[int, int]:
        """The first data block under a hash block, and how many."""
        width: int = self.per_block ** (level + 1)
        first = block * width
        return first, min(width, self.parameters.data_blocks - first)

    def check_sizes(self, data_size: int, hash_size: int) -> None:
        """TruncatedError when a device is too small for what the parameters claim; nothing is allocated before."""
        if data_size < self.data_end:
            raise TruncatedError(
                f"the data blocks take {self.data_end} bytes, the data device has {data_size}",
                offset=data_size,
            )
        if self.levels and hash_size < self.tree_end:
            raise TruncatedError(
                f"the hash tree ends at byte {self.tree_end}, the hash device has {hash_size}", offset=hash_size
            )


def layout_of(parameters: VerityParameters) -> Layout:
    """Where the tree that `parameters` describe must lie, or FormatError for parameters that cannot be."""
    if parameters.hash_type not in (0, 1):
        raise UnsupportedError(f"verity hash type {parameters.hash_type}, only 0 and 1 exist")
    check_block_size("data", parameters.data_block_size)
    check_block_size("hash", parameters.hash_block_size)
    digest_size = new_hash(parameters.algorithm).digest_size
    salt, root_hash = _from_hex("salt", parameters.salt), _from_hex("root hash", parameters.root_hash)
    if len(salt) > MAX_SALT:
        raise FormatError(f"verity salt of {len(salt)} bytes, at most {MAX_SALT} are allowed")
    if len(root_hash) != digest_size:
        raise FormatError(
            f"root hash of {len(root_hash)} bytes, {parameters.algorithm} gives {digest_size}",
            hint="give the root hash as hexadecimal digits",
        )
    blocks = parameters.data_blocks
    if blocks < 1 or parameters.hash_start_block < 0:
        raise FormatError(f"{blocks} data blocks, hash tree from block {parameters.hash_start_block}")
    slot_size = 1 << (digest_size - 1).bit_length()
    per_block = parameters.hash_block_size // slot_size
    if per_block < 2:
        raise UnsupportedError(f"hash blocks of {parameters.hash_block_size} bytes hold less than two digests")
    layout = Layout(
        parameters,
        salt,
        root_hash,
        digest_size,
        slot_size if parameters.hash_type == 1 else digest_size,
        per_block,
        _levels(blocks, per_block, parameters.hash_start_block),
    )
    if max(layout.data_end, layout.tree_end) > MAX_DEVICE_BYTES:
        raise FormatError(f"{blocks} data blocks lie beyond what a device can address")
    return layout


def _levels(data_blocks: int, per_block: int, start: int) -> tuple[Level, ...]:
    counts: list[int] = []
    count = data_blocks
    while count > 1:
        count = -(-count // per_block)
        counts.append(count)
    levels: list[Level] = []
    for count in reversed(counts):  # the top level is stored first
        levels.append(Level(start, count))
        start += count
    return tuple(reversed(levels))


def _from_hex(what: str, text: str) -> bytes:
    try:
        if not text.isascii() or any(character.isspace() for character in text):
            raise ValueError(text)
        return bytes.fromhex(text)
    except ValueError:
        raise FormatError(f"{what} {text[:40]!r} is not hexadecimal") from None


def compare_superblock(superblock: Superblock, parameters: VerityParameters, offset: int = 0) -> tuple[BadBlock, ...]:
    """Every field of the unauthenticated superblock at byte `offset` that differs from the trusted parameters."""
    fields = (
        (12, 4, "hash type", parameters.hash_type, superblock.hash_type),
        (32, 32, "algorithm", parameters.algorithm, superblock.algorithm),
        (64, 4, "data block size", parameters.data_block_size, superblock.data_block_size),
        (68, 4, "hash block size", parameters.hash_block_size, superblock.hash_block_size),
        (72, 8, "data blocks", parameters.data_blocks, superblock.data_blocks),
        (88, MAX_SALT, "salt", parameters.salt, superblock.salt.hex()),
    )
    return tuple(
        BadBlock("superblock", 0, offset + place, length, str(expected), str(observed), f"{what} differs")
        for place, length, what, expected, observed in fields
        if expected != observed
    )
