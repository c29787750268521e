"""What partitions are for, by type GUID: Bottlerocket's own, the Discoverable Partitions Specification, others."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass


class Role(StrEnum):
    """What a partition is to a host's boot; `other` has a name but no part in it."""

    BIOS_BOOT = "bios-boot"
    ESP = "efi-system"
    ESP_BACKUP = "efi-backup"
    BOOT = "bottlerocket-boot"
    ROOT = "bottlerocket-root"
    HASH = "bottlerocket-hash"
    RESERVED = "bottlerocket-reserved"
    PRIVATE = "bottlerocket-private"
    DATA = "bottlerocket-data"
    XBOOTLDR = "xbootldr"
    DISCOVERABLE_ROOT = "root"
    DISCOVERABLE_ROOT_HASH = "root-verity"
    DISCOVERABLE_ROOT_SIGNATURE = "root-verity-sig"
    DISCOVERABLE_USR = "usr"
    DISCOVERABLE_USR_HASH = "usr-verity"
    DISCOVERABLE_USR_SIGNATURE = "usr-verity-sig"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PartitionType:
    """`name` is what people call it; `arch` only where the specification has one type per architecture."""

    role: Role
    name: str
    arch: str = ""


def _discoverable() -> dict[str, PartitionType]:
    """https://uapi-group.org/specifications/specs/discoverable_partitions_specification/"""
    rows = {
        ("x86_64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", Role.DISCOVERABLE_ROOT),
        ("x86_64", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5", Role.DISCOVERABLE_ROOT_HASH),
        ("x86_64", "41092b05-9fc8-4523-994f-2def0408b176", Role.DISCOVERABLE_ROOT_SIGNATURE),
        ("x86_64", "8484680c-9521-48c6-9c11-b0720656f69e", Role.DISCOVERABLE_USR),
        ("x86_64", "77ff5f63-e7b6-4633-acf4-1565b864c0e6", Role.DISCOVERABLE_USR_HASH),
        ("x86_64", "e7bb33fb-06cf-4e81-8273-e543b413e2e2", Role.DISCOVERABLE_USR_SIGNATURE),
        ("aarch64", "b921b045-1df0-41c3-af44-4c6f280d3fae", Role.DISCOVERABLE_ROOT),
        ("aarch64", "df3300ce-d69f-4c92-978c-9bfb0f38d820", Role.DISCOVERABLE_ROOT_HASH),
        ("aarch64", "6db69de6-29f4-4758-a7a5-962190f00ce3", Role.DISCOVERABLE_ROOT_SIGNATURE),
        ("aarch64", "b0e01050-ee5f-4390-949a-9101b17104e9", Role.DISCOVERABLE_USR),
        ("aarch64", "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e", Role.DISCOVERABLE_USR_HASH),
        ("aarch64", "c23ce4ff-44bd-4b00-b2d4-b41b3419e02a", Role.DISCOVERABLE_USR_SIGNATURE),
    }
    return {guid: PartitionType(role, f"{role.value} ({arch})", arch) for arch, guid, role in rows}


TYPES: dict[str, PartitionType] = {
    "21686148-6449-6e6f-744e-656564454649": PartitionType(Role.BIOS_BOOT, "BIOS boot"),
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": PartitionType(Role.ESP, "EFI system"),
    "b39ce39c-0a00-b4ab-2d11-f18f8237a21c": PartitionType(Role.ESP_BACKUP, "Bottlerocket EFI backup"),
    "6b636168-7420-6568-2070-6c616e657421": PartitionType(Role.BOOT, "Bottlerocket boot"),
    "5526016a-1a97-4ea4-b39a-b7c8c6ca4502": PartitionType(Role.ROOT, "Bottlerocket root"),
    "598f10af-c955-4456-6a99-7720068a6cea": PartitionType(Role.HASH, "Bottlerocket hash"),
    "0c5d99a5-d331-4147-baef-08e2b855bdc9": PartitionType(Role.RESERVED, "Bottlerocket reserved"),
    "440408bb-eb0b-4328-a6e5-a29038fad706": PartitionType(Role.PRIVATE, "Bottlerocket private"),
    "626f7474-6c65-6474-6861-726d61726b73": PartitionType(Role.DATA, "Bottlerocket data"),
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": PartitionType(Role.XBOOTLDR, "extended boot loader"),
    "0fc63daf-8483-4772-8e79-3d69d8477de4": PartitionType(Role.OTHER, "Linux file system"),
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": PartitionType(Role.OTHER, "Linux swap"),
    "e6d6d379-f507-44c2-a23c-238f2a3df928": PartitionType(Role.OTHER, "Linux LVM"),
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": PartitionType(Role.OTHER, "LUKS"),
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915": PartitionType(Role.OTHER, "home"),
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": PartitionType(Role.OTHER, "srv"),
    "4d21b016-b534-45c2-a9fb-5c16e091fd2d": PartitionType(Role.OTHER, "var"),
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": PartitionType(Role.OTHER, "Microsoft basic data"),
    "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6": PartitionType(Role.OTHER, "Flatcar usr"),
    "3884dd41-8582-4404-b9a8-e9b84f2df50e": PartitionType(Role.OTHER, "Flatcar root"),
    "c95dc21a-df0e-4340-8d7b-26cbfa9a03e0": PartitionType(Role.OTHER, "Flatcar reserved"),
    **_discoverable(),
}
_UNKNOWN = PartitionType(Role.OTHER, "")


def type_of(guid: str) -> PartitionType:
    """What a type GUID stands for; a role of OTHER and no name for one that we do not know."""
    return TYPES.get(guid.lower(), _UNKNOWN)
