"""What a disk image holds: its container, partition table, partitions, banks and boot entries."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass


class Content(StrEnum):
    """What the first bytes of a partition are; `Partition.detail` names what we do not read."""

    EXT4 = "ext4"
    EROFS = "erofs"
    FAT = "fat"
    SQUASHFS = "squashfs"
    VERITY_HASH = "verity-hash"
    VERITY_SIGNATURE = "verity-signature"
    UKI = "uki"
    LUKS1 = "luks1"
    LUKS2 = "luks2"
    XFS = "xfs"
    SWAP = "swap"
    BLANK = "blank"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    UNREAD = "unread"


FILE_SYSTEMS = frozenset({Content.EXT4, Content.EROFS, Content.FAT, Content.SQUASHFS})


class Layout(StrEnum):
    GRUB_TWO_BANKS = "grub-two-banks"
    GRUB_ONE_BANK = "grub-one-bank"
    UKI_ESP = "uki-esp"
    UKI_XBOOTLDR = "uki-xbootldr"
    STANDALONE = "standalone"
    EIF_DISK = "eif-disk"
    DATA_DISK = "data-disk"
    DISCOVERABLE = "discoverable"
    BARE_FILE_SYSTEM = "bare-file-system"
    BARE_UKI = "bare-uki"
    BARE_HASH_DEVICE = "bare-hash-device"
    OTHER = "other"


class TableKind(StrEnum):
    GPT = "gpt"
    MBR = "mbr"
    NONE = "none"


class BootKind(StrEnum):
    GRUB = "grub"
    UKI = "uki"
    LOADER_ENTRY = "loader-entry"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that did not stop us; `partition` is a scope or "", `offset` counts from the disk's start.

    `in_doubt`: what was looked at need not be, or is not all of, the disk that was packed or given.
    """

    what: str
    partition: str = ""
    offset: int | None = None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; `start` and `length` in bytes of the raw disk. Number 0 is a whole bare image.

    `name` is the GPT name (any Unicode, not safe for terminals), `label` and `uuid` those of the content.
    `detail` says what FOREIGN, UNKNOWN and UNREAD stand for ("btrfs", "an extent beyond the end").
    """

    number: int
    scope: str
    name: str
    type_guid: str
    type_name: str
    unique_guid: str
    start: int
    length: int
    attributes: int = 0
    content: Content = Content.UNKNOWN
    label: str = ""
    uuid: str = ""
    detail: str = ""
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """`kind` none: the image is one bare partition. `used_backup` says that the primary GPT was not usable."""

    kind: TableKind
    sector_size: int = 512
    disk_guid: str = ""
    used_backup: bool = False
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Bank:
    """One bootable set; partitions by number. Priority bits are those of the boot partition (None: has no such bits).

    `populated`: its root or its boot files hold something; an image is shipped with an empty bank B.
    `will_boot`: (priority > 0 and tries > 0) or successful; `boots_next`: the one that the loader takes.
    """

    name: str
    scope: str
    boot: int | None = None
    root: int | None = None
    hash: int | None = None
    efi: int | None = None
    priority: int | None = None
    tries_left: int | None = None
    successful: bool | None = None
    will_boot: bool = False
    boots_next: bool = False
    populated: bool = False
    signature: int | None = None


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One way to start a kernel, as the boot files state it.

    `scope` is the partition's, `bank` the bank's ("bank-a") or "". `command_line` is what the kernel would get,
    with the loader's variables filled in where the file itself sets them. `verity_table` is the value of
    dm-mod.create ("" when there is none); `root_hash` that of roothash= or usrhash=, for images whose initrd sets
    verity up. `undecided` says why the loader may start something else than this; `runs_first` why an initrd may run
    something before the root is mounted. Paths are BytePath text within the partition.
    """

    kind: BootKind
    scope: str
    partition: int
    path: str
    bank: str = ""
    title: str = ""
    command_line: str = ""
    verity_table: str = ""
    kernel_path: str = ""
    initrd_paths: tuple[str, ...] = ()
    is_default: bool = False
    kernel_version: str = ""
    root_hash: str = ""
    undecided: str = ""
    runs_first: str = ""


DESCRIPTOR = "vmdk-descriptor"


@dataclass(frozen=True, slots=True)
class Container:
    """How the disk was packed: `kind` is raw, lz4, zst, gz, xz, qcow2, vmdk, ova; outermost first in `layers`.

    `expanded` names what went to a temporary file; `notes` are checks made on the way (OVA manifest digests).
    """

    kind: str
    layers: tuple[str, ...]
    input_size: int
    raw_size: int
    expanded: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    data_image: str = ""

    @property
    def is_one_file(self) -> bool:
        """Whether the input file holds the disk; a VMDK descriptor only names other files that do."""
        return DESCRIPTOR not in self.layers


@dataclass(frozen=True, slots=True)
class Release:
    """What os-release and the image's own feature files say, in file order."""

    os_release: tuple[tuple[str, str], ...] = ()
    image_features: tuple[tuple[str, str], ...] = ()
    image_format: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DiskSummary:
    """Everything that `inspect` prints."""

    container: Container
    table: PartitionTable
    partitions: tuple[Partition, ...]
    layout: Layout
    banks: tuple[Bank, ...]
    boot_entries: tuple[BootEntry, ...]
    release: Release
    problems: tuple[Problem, ...] = ()
