"""Scopes, banks and layout of a disk, from the types of its partitions and the priority bits of its boot partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rocketaudit.formats.gpt import GptEntry
from rocketaudit.formats.partition_types import Role, type_of
from rocketaudit.model.disk import FILE_SYSTEMS, Bank, BootEntry, BootKind, Content, Layout, Partition
from rocketaudit.model.records import dataclass

# scope for the first, second ... partition of a role; later ones are "partition-N"
_SCOPES: Mapping[Role, tuple[str, ...]] = {
    Role.BIOS_BOOT: ("bios-boot",),
    Role.ESP: ("efi-a",),
    Role.ESP_BACKUP: ("efi-b",),
    Role.BOOT: ("boot-a", "boot-b"),
    Role.ROOT: ("bank-a", "bank-b"),
    Role.HASH: ("hash-a", "hash-b"),
    Role.RESERVED: ("reserved-a", "reserved-b"),
    Role.PRIVATE: ("private",),
    Role.DATA: ("data",),
    Role.XBOOTLDR: ("xbootldr",),
    Role.DISCOVERABLE_ROOT: ("bank-a", "bank-b"),
    Role.DISCOVERABLE_ROOT_HASH: ("hash-a", "hash-b"),
    Role.DISCOVERABLE_ROOT_SIGNATURE: ("signature-a", "signature-b"),
    Role.DISCOVERABLE_USR: ("usr-a", "usr-b"),
    Role.DISCOVERABLE_USR_HASH: ("usr-hash-a", "usr-hash-b"),
    Role.DISCOVERABLE_USR_SIGNATURE: ("usr-signature-a", "usr-signature-b"),
}
_DISCOVERABLE = (
    (Role.DISCOVERABLE_ROOT, Role.DISCOVERABLE_ROOT_HASH, Role.DISCOVERABLE_ROOT_SIGNATURE),
    (Role.DISCOVERABLE_USR, Role.DISCOVERABLE_USR_HASH, Role.DISCOVERABLE_USR_SIGNATURE),
)
_MAX_BANKS = 26


@dataclass(frozen=True, slots=True)
class Priority:
    """The bits that Bottlerocket's updater and GRUB's gptprio share (GPT attributes 48 to 56 of a boot partition)."""

    priority: int
    tries_left: int
    successful: bool

    @classmethod
    def of(cls, attributes: int) -> Priority:
        return cls(attributes >> 48 & 15, attributes >> 52 & 15, bool(attributes >> 56 & 1))

    @property
    def will_boot(self) -> bool:
        return (self.priority > 0 and self.tries_left > 0) or self.successful


def scopes_of(entries: Sequence[GptEntry]) -> dict[int, str]:
    """Partition number to scope, by type in the order of the table; names of partitions say nothing."""
    seen: dict[Role, int] = {}
    scopes = {}
    for entry in entries:
        role = type_of(entry.type_guid).role
        names = _SCOPES.get(role, ())
        index = seen.get(role, 0)
        seen[role] = index + 1
        scopes[entry.number] = names[index] if index < len(names) else f"partition-{entry.number}"
    return scopes


def find_banks(partitions: Sequence[Partition]) -> tuple[Bank, ...]:
    """All banks in order; exactly one `boots_next` unless none will boot."""
    by_role: dict[Role, list[Partition]] = {}
    for partition in partitions:
        by_role.setdefault(type_of(partition.type_guid).role, []).append(partition)
    banks = _bottlerocket_banks(by_role)
    if not banks:
        banks = [bank for roles in _DISCOVERABLE for bank in _discoverable_banks(by_role, roles)]
    return tuple(banks)


def _bottlerocket_banks(by_role: Mapping[Role, list[Partition]]) -> list[Bank]:
    boots, roots, hashes = (by_role.get(role, []) for role in (Role.BOOT, Role.ROOT, Role.HASH))
    firmware = [by_role.get(Role.ESP, []), by_role.get(Role.ESP_BACKUP, [])]
    banks = []
    for index in range(min(_MAX_BANKS, max(len(roots), len(boots)))):
        letter = chr(ord("a") + index)
        boot, root, tree = _at(boots, index), _at(roots, index), _at(hashes, index)
        efi = _at(firmware[index], 0) if index < 2 else None
        populated = any(p is not None and p.content is not Content.BLANK for p in (boot, root, tree))
        bank = Bank(letter, f"bank-{letter}", _number(boot), _number(root), _number(tree), _number(efi))
        if boot is not None:
            bits = Priority.of(boot.attributes)
            bank = replace(
                bank,
                priority=bits.priority,
                tries_left=bits.tries_left,
                successful=bits.successful,
                will_boot=bits.will_boot,
            )
        else:  # nothing chooses between banks: the firmware starts what the EFI partition holds
            bank = replace(bank, will_boot=index == 0 and populated)
        banks.append(replace(bank, populated=populated))
    return _mark_next(banks)


def _discoverable_banks(by_role: Mapping[Role, list[Partition]], roles: tuple[Role, Role, Role]) -> list[Bank]:
    """Root (or usr) with the verity partitions of its own architecture, paired in the order of the table."""
    roots, hashes, signatures = (by_role.get(role, []) for role in roles)
    firmware = by_role.get(Role.ESP, [])
    seen: dict[str, int] = {}
    banks = []
    for index, root in enumerate(roots[:_MAX_BANKS]):
        arch = type_of(root.type_guid).arch
        turn = seen.get(arch, 0)
        seen[arch] = turn + 1
        tree = _at([p for p in hashes if type_of(p.type_guid).arch == arch], turn)
        signature = _at([p for p in signatures if type_of(p.type_guid).arch == arch], turn)
        populated = root.content is not Content.BLANK
        letter = chr(ord("a") + index)
        bank = Bank(letter, root.scope, None, root.number, _number(tree), _number(_at(firmware, 0)))
        banks.append(replace(bank, signature=_number(signature), populated=populated, will_boot=populated))
    return _mark_next(banks)


def _mark_next(banks: list[Bank]) -> list[Bank]:
    """Of those that will boot, the highest priority boots next; a tie goes to the first."""
    candidates = [bank for bank in banks if bank.will_boot]
    if not candidates:
        return banks
    chosen = max(candidates, key=lambda bank: (bank.priority or 0, -banks.index(bank)))
    return [replace(bank, boots_next=bank is chosen) for bank in banks]


def layout_of(partitions: Sequence[Partition], entries: Sequence[BootEntry]) -> Layout:
    """Which of the known shapes a partitioned disk has."""
    roles = [type_of(partition.type_guid).role for partition in partitions]
    by_number = {partition.number: type_of(partition.type_guid).role for partition in partitions}
    if Role.ROOT in roles:
        uki = {by_number.get(entry.partition) for entry in entries if entry.kind is BootKind.UKI}
        if Role.XBOOTLDR in roles or Role.BOOT in uki:
            return Layout.UKI_XBOOTLDR
        if Role.BOOT in roles:
            if roles.count(Role.ROOT) > 1:
                return Layout.GRUB_TWO_BANKS
            is_guest = Role.PRIVATE not in roles and Role.DATA not in roles
            return Layout.STANDALONE if is_guest else Layout.GRUB_ONE_BANK
        return Layout.UKI_ESP if Role.ESP in roles else Layout.EIF_DISK
    if Role.DISCOVERABLE_ROOT in roles or Role.DISCOVERABLE_USR in roles:
        return Layout.DISCOVERABLE
    if roles and set(roles) == {Role.DATA}:
        return Layout.DATA_DISK
    return Layout.OTHER


def judged_partition(banks: Sequence[Bank], partitions: Sequence[Partition]) -> Partition | None:
    """The root that boots next; else of the first populated bank; else the only file system that may be a root."""
    by_number = {partition.number: partition for partition in partitions}
    for bank in sorted(banks, key=lambda bank: (not bank.boots_next, not bank.populated)):
        root = by_number.get(bank.root) if bank.root is not None else None
        if root is not None:
            return root
    readable = [p for p in partitions if p.content in FILE_SYSTEMS and type_of(p.type_guid).role is Role.OTHER]
    return readable[0] if len(readable) == 1 else None


def _at(partitions: Sequence[Partition], index: int) -> Partition | None:
    return partitions[index] if index < len(partitions) else None


def _number(partition: Partition | None) -> int | None:
    return None if partition is None else partition.number
