"""The superblock of ext2, ext3 and ext4, checked so far that every later computation has bounds.

https://docs.kernel.org/filesystems/ext4/super.html
"""

from __future__ import annotations

import struct
import uuid

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.crc32c import crc32c
from rocketaudit.formats.ext4 import features
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

SUPERBLOCK_AT = 1024
SUPERBLOCK_SIZE = 1024
_MAGIC = b"\x53\xef"
_MAGIC_AT = 56
_LARGEST_BLOCK_BITS = 16
_SMALLEST_GROUP = 256  # the least that mke2fs makes
_STATE_CLEAN = 1
_STATE_ERRORS = 2
_COUNTS = struct.Struct("<11I")  # bytes 0 to 43
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_PAIR = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the reader needs of the superblock; sizes in bytes unless the name says blocks or groups."""

    inodes: int
    blocks: int
    first_block: int
    block_bits: int
    blocks_per_group: int
    inodes_per_group: int
    inode_size: int
    descriptor_size: int
    groups: int
    first_meta_group: int
    reserved_descriptor_blocks: int
    backup_groups: tuple[int, int]
    compatible: int
    incompatible: int
    read_only: int
    journal_inode: int
    checksum_seed: int
    uuid: bytes
    label: str
    warnings: tuple[str, ...]

    @property
    def block_size(self) -> int:
        return 1 << self.block_bits

    def has_backup(self, group: int) -> bool:
        """Whether the group starts with a copy of the superblock (and of the descriptors)."""
        if self.compatible & features.SPARSE_SUPER2:
            return group == 0 or group in self.backup_groups
        if not self.read_only & features.SPARSE_SUPER or group <= 1:
            return True
        return any(_is_power_of(base, group) for base in (3, 5, 7))

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (
            *features.names(self.compatible, features.COMPATIBLE, "compat"),
            *features.names(self.incompatible, features.INCOMPATIBLE, "incompat"),
            *features.names(self.read_only, features.READ_ONLY, "ro_compat"),
        )


def is_ext(head: bytes) -> bool:
    """Whether the first 4096 bytes are those of ext2, ext3 or ext4: the magic and a block size that exists."""
    if len(head) < SUPERBLOCK_AT + 128:
        return False
    at = SUPERBLOCK_AT + _MAGIC_AT
    block_bits = _U32.unpack_from(head, SUPERBLOCK_AT + 24)[0]
    return head[at : at + 2] == _MAGIC and block_bits <= _LARGEST_BLOCK_BITS - 10


def parse_superblock(reader: Reader) -> Superblock:
    """Parse the primary superblock, or raise FormatError or UnsupportedError with the byte that is wrong."""
    if reader.size < SUPERBLOCK_AT + SUPERBLOCK_SIZE:
        raise TruncatedError(f"{reader.size} bytes are too few for an ext4 superblock", offset=SUPERBLOCK_AT)
    raw = bytes(reader.read(SUPERBLOCK_AT, SUPERBLOCK_SIZE))
    if raw[_MAGIC_AT : _MAGIC_AT + 2] != _MAGIC:
        raise FormatError("no ext4 superblock: the magic is missing", offset=SUPERBLOCK_AT + _MAGIC_AT)
    counts = _COUNTS.unpack_from(raw)
    inodes, blocks, _, _, _, first_block, block_log, _, per_group, _, inodes_per_group = counts
    if block_log > _LARGEST_BLOCK_BITS - 10:
        raise FormatError(f"ext4 block size 2^{10 + block_log}", offset=SUPERBLOCK_AT + 24)
    compatible = incompatible = read_only = 0
    inode_size = 128
    if _U32.unpack_from(raw, 76)[0]:
        inode_size = _U16.unpack_from(raw, 88)[0]
        compatible, incompatible, read_only = struct.unpack_from("<III", raw, 92)
    features.refuse_unreadable(incompatible)
    is_wide = bool(incompatible & features.SIXTY_FOUR_BIT)
    if is_wide:
        blocks |= _U32.unpack_from(raw, 0x150)[0] << 32
    superblock = Superblock(
        inodes=inodes,
        blocks=blocks,
        first_block=first_block,
        block_bits=10 + block_log,
        blocks_per_group=per_group,
        inodes_per_group=inodes_per_group,
        inode_size=inode_size,
        descriptor_size=_U16.unpack_from(raw, 254)[0] if is_wide else 32,
        groups=-(-(blocks - first_block) // per_group) if per_group else 0,
        first_meta_group=_U32.unpack_from(raw, 260)[0] if incompatible & features.META_BG else 1 << 32,
        reserved_descriptor_blocks=_U16.unpack_from(raw, 206)[0],
        backup_groups=_PAIR.unpack_from(raw, 0x24C),
        compatible=compatible,
        incompatible=incompatible,
        read_only=read_only,
        journal_inode=_U32.unpack_from(raw, 224)[0] if compatible & 4 else 0,
        checksum_seed=_U32.unpack_from(raw, 0x270)[0] if incompatible & 0x2000 else crc32c(raw[104:120]),
        uuid=raw[104:120],
        label=raw[120:136].split(b"\0", 1)[0].decode("utf-8", "backslashreplace"),
        warnings=_warnings(raw, compatible, incompatible, read_only),
    )
    _check_geometry(superblock)
    return superblock


def uuid_text(superblock: Superblock) -> str:
    """The file system's identity in the usual spelling."""
    return str(uuid.UUID(bytes=superblock.uuid))


def _check_geometry(superblock: Superblock) -> None:
    size = superblock.block_size
    inode_size = superblock.inode_size
    descriptor = superblock.descriptor_size
    if not 128 <= inode_size <= size or inode_size & (inode_size - 1):
        raise FormatError(f"ext4 inode size {inode_size}", offset=SUPERBLOCK_AT + 88)
    if not 32 <= descriptor <= min(size, 1024) or descriptor & (descriptor - 1):
        raise FormatError(f"ext4 group descriptor size {descriptor}", offset=SUPERBLOCK_AT + 254)
    if superblock.blocks_per_group == 0 or superblock.blocks_per_group & 7:
        raise FormatError(f"ext4 groups of {superblock.blocks_per_group} blocks", offset=SUPERBLOCK_AT + 32)
    if superblock.groups > 1 and superblock.blocks_per_group < _SMALLEST_GROUP:
        raise FormatError(f"ext4 groups of {superblock.blocks_per_group} blocks", offset=SUPERBLOCK_AT + 32)
    if not 0 < superblock.inodes_per_group <= 8 * size:
        raise FormatError(f"ext4 groups of {superblock.inodes_per_group} inodes", offset=SUPERBLOCK_AT + 40)
    if superblock.first_block > 1 or superblock.blocks <= superblock.first_block:
        raise FormatError(
            f"ext4 of {superblock.blocks} blocks from block {superblock.first_block} on",
            offset=SUPERBLOCK_AT + 4,
        )
    if superblock.inodes > superblock.groups * superblock.inodes_per_group:
        raise FormatError(f"ext4 with {superblock.inodes} inodes has no room for them", offset=SUPERBLOCK_AT)
    if superblock.inodes * inode_size > superblock.blocks << superblock.block_bits:
        raise FormatError("ext4 inode tables are larger than the file system", offset=SUPERBLOCK_AT)


def _warnings(raw: bytes, compatible: int, incompatible: int, read_only: int) -> tuple[str, ...]:
    found = []
    state = _U16.unpack_from(raw, 58)[0]
    if incompatible & features.NEEDS_RECOVERY:
        found.append("needs_recovery: the journal holds changes that are not applied here")
    if state & _STATE_ERRORS:
        found.append("the kernel recorded errors in this file system")
    if not state & _STATE_CLEAN and not compatible & 4:
        found.append("not cleanly unmounted")
    if _U32.unpack_from(raw, 232)[0] or read_only & features.ORPHAN_PRESENT:
        found.append("deleted files wait for clean-up")
    if read_only & features.METADATA_CHECKSUM and crc32c(raw[:1020]) != _U32.unpack_from(raw, 1020)[0]:
        found.append("bad superblock checksum")
    if incompatible & features.ENCRYPT:
        found.append("encrypt: encrypted files and folders cannot be read")
    unknown = [name for name in features.names(read_only, features.READ_ONLY, "ro_compat") if "_bit_" in name]
    if unknown:
        found.append(f"unknown features: {', '.join(unknown)}")
    creator = _U32.unpack_from(raw, 72)[0]
    if creator:
        found.append(f"made by operating system {creator}, not Linux")
    return tuple(found)


def _is_power_of(base: int, number: int) -> bool:
    power = base
    while power < number:
        power *= base
    return power == number
