"""Boot entries of a disk: grub.cfg, unified kernel images and loader entries, wherever their partition keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from rocketaudit.errors import EntryNotFoundError, FormatError, RocketauditError, TruncatedError
from rocketaudit.formats.dm_verity_table import find_tables
from rocketaudit.formats.grub_cfg import parse_grub_cfg
from rocketaudit.formats.kernel_arguments import doubt_about, parse_kernel_arguments
from rocketaudit.formats.loader_entry import parse_loader_entry
from rocketaudit.formats.partition_types import Role, type_of
from rocketaudit.formats.uki import Uki, parse_uki
from rocketaudit.formats.vmlinuz import parse_vmlinuz
from rocketaudit.model import bytepath
from rocketaudit.model.disk import Bank, BootEntry, BootKind, Partition, Problem
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.source.initrd import what_runs_first
from rocketaudit.source.tree import Tree

MAX_GRUB = 1 << 20
MAX_ENTRY = 64 << 10
MAX_FILES = 256
MAX_KERNELS = 8
GRUB_PLACES = ("/grub/grub.cfg", "/grub2/grub.cfg", "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_UKI_FOLDERS = ("/EFI/BOOT", "/EFI/Linux")
_ROOT_HASH = ("roothash", "usrhash")
_BOOT_ROLES = frozenset({Role.ESP, Role.ESP_BACKUP, Role.BOOT, Role.XBOOTLDR})


def find_boot_entries(
    trees: Sequence[tuple[Partition, Tree]], partitions: Sequence[Partition], banks: Sequence[Bank]
) -> tuple[tuple[BootEntry, ...], tuple[Problem, ...]]:
    """All entries, in the order of partitions, and what was wrong with boot files that could not be read."""
    entries: list[BootEntry] = []
    problems: list[Problem] = []
    names = _device_names(partitions)
    for partition, tree in trees:
        if type_of(partition.type_guid).role not in _BOOT_ROLES and len(partitions) > 1:
            continue
        bank = bank_of(partition.number, banks)
        for found in _entries_of(partition, tree, names, bank):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                first = what_runs_first(found.initrd_paths, (partition, tree), trees)
                undecided = found.undecided or doubt_about(found.command_line)
                entry = _with_root_hash(found, partitions, banks)
                entries.append(replace(entry, runs_first=first, undecided=undecided))
    return tuple(entries), tuple(problems)


def _with_root_hash(entry: BootEntry, partitions: Sequence[Partition], banks: Sequence[Bank]) -> BootEntry:
    """The entry with its roothash= or usrhash=, in the bank whose partition carries the hash's first half as GUID.

    Discoverable Partitions Specification: the unique GUIDs of data and hash partition are the halves of the root hash.
    """
    try:
        words = parse_kernel_arguments(entry.command_line).kernel
    except FormatError:
        return entry
    stated = {word.name: word.value.lower() for word in words if word.name in _ROOT_HASH and word.value}
    root_hash = next((stated[name] for name in _ROOT_HASH if name in stated), "")
    if not root_hash or entry.verity_table:
        return entry
    by_number = {partition.number: partition for partition in partitions}
    prefix = "usr-" if "roothash" not in stated else "bank-"
    mine = [bank for bank in banks if bank.scope.startswith(prefix) and bank.root is not None]
    exact = [b for b in mine if by_number[b.root or 0].unique_guid.replace("-", "") == root_hash[:32]]
    bank = (exact or mine[:1]) if exact or len(mine) == 1 else []
    return replace(entry, root_hash=root_hash, bank=bank[0].scope if bank else entry.bank)


def bank_of(number: int, banks: Sequence[Bank]) -> str:
    """The scope of the bank that a partition belongs to; a partition of no bank serves the only one, or none."""
    for bank in banks:
        if number in (bank.boot, bank.efi, bank.root, bank.hash):
            return bank.scope
    return banks[0].scope if len(banks) == 1 else ""


def _device_names(partitions: Sequence[Partition]) -> dict[str, str]:
    """What GRUB finds by itself before it reads grub.cfg: the private partition's device."""
    private = [p for p in partitions if type_of(p.type_guid).role is Role.PRIVATE]
    return {"private": f"hd0,gpt{private[0].number}"} if private else {}


def _entries_of(partition: Partition, tree: Tree, names: Mapping[str, str], bank: str) -> Iterator[BootEntry | Problem]:
    yield from _grub_entries(partition, tree, names, bank)
    yield from _loader_entries(partition, tree, bank)
    for folder in _UKI_FOLDERS:
        for path, node in _files(tree, folder):
            if path.lower().endswith(".efi"):
                yield from _uki_entry(partition, tree, path, node, bank)


def _grub_entries(
    partition: Partition, tree: Tree, names: Mapping[str, str], bank: str
) -> Iterator[BootEntry | Problem]:
    for path in GRUB_PLACES:
        try:
            data = tree.read(path, MAX_GRUB)
        except EntryNotFoundError:
            continue
        except RocketauditError as error:
            yield Problem(f"{path}: {error}", partition.scope)
            continue
        device = f"hd0,gpt{partition.number}"
        environment = {"root": device, "boot_dev": device, "prefix": f"({device})/grub", **names}
        environment["boot_uuid"] = partition.unique_guid
        try:
            config = parse_grub_cfg(data, environment)
        except FormatError as error:
            yield Problem(f"{path}: {error}", partition.scope)
            continue
        for problem in config.problems:
            yield Problem(f"{path}: {problem.what}", partition.scope)
        kernels = dict.fromkeys(entry.kernel_path for entry in config.entries)
        releases = {kernel: _kernel_release(tree, kernel) for kernel in islice(kernels, MAX_KERNELS)}
        for entry in config.entries:
            yield BootEntry(
                kind=BootKind.GRUB,
                scope=partition.scope,
                partition=partition.number,
                path=path,
                bank=bank,
                title=entry.title,
                command_line=entry.command_line,
                verity_table=verity_table_of(entry.command_line),
                kernel_path=entry.kernel_path,
                initrd_paths=entry.initrd_paths,
                is_default=entry.is_default,
                kernel_version=releases.get(entry.kernel_path, ""),
                undecided=entry.undecided,
            )


def _kernel_release(tree: Tree, path: str) -> str:
    """The release that a kernel beside its configuration states in its header; "" where it cannot be told."""
    if not path:
        return ""
    try:
        _, node = tree.lookup(bytepath.encode(path.encode()))
        return parse_vmlinuz(FileReader(tree, node)).release
    except RocketauditError:
        return ""


def _loader_entries(partition: Partition, tree: Tree, bank: str) -> Iterator[BootEntry | Problem]:
    for path, node in _files(tree, "/loader/entries"):
        if not path.endswith(".conf") or node.type is not FileType.REGULAR:
            continue
        try:
            entry = parse_loader_entry(tree.read(path, MAX_ENTRY))
        except RocketauditError as error:
            yield Problem(f"{path}: {error}", partition.scope)
            continue
        yield BootEntry(
            kind=BootKind.LOADER_ENTRY,
            scope=partition.scope,
            partition=partition.number,
            path=path,
            bank=bank,
            title=entry.title,
            command_line=entry.options,
            verity_table=verity_table_of(entry.options),
            kernel_path=entry.linux,
            initrd_paths=entry.initrd,
            kernel_version=entry.version,
        )


def _uki_entry(partition: Partition, tree: Tree, path: str, node: Node, bank: str) -> Iterator[BootEntry | Problem]:
    try:
        uki = parse_uki(FileReader(tree, node))
    except FormatError as error:
        yield Problem(f"{path}: {error}", partition.scope)
        return
    if uki.is_unified:
        yield uki_boot_entry(uki, partition, path, bank)


def uki_boot_entry(uki: Uki, partition: Partition, path: str, bank: str) -> BootEntry:
    """The one entry that a unified kernel image is; which of several profiles boots is decided at boot."""
    overrides = uki.image.profile_overrides()
    return BootEntry(
        kind=BootKind.UKI,
        scope=partition.scope,
        partition=partition.number,
        path=path,
        bank=bank,
        title=dict(uki.os_release).get("PRETTY_NAME", ""),
        command_line=uki.command_line,
        verity_table=verity_table_of(uki.command_line),
        kernel_path=path,
        is_default=path.upper().startswith("/EFI/BOOT/BOOT"),
        kernel_version=uki.kernel_version,
        undecided=f"profiles of the image bring their own {', '.join(overrides)}" if overrides else "",
    )


def verity_table_of(command_line: str) -> str:
    """The value of dm-mod.create, "" when there is none; several different ones joined, so that none is believed.

    The last one would hold, but a kernel cuts long command lines off before it.
    """
    return ";".join(dict.fromkeys(find_tables(command_line)))


def _files(tree: Tree, folder: str) -> list[tuple[str, Node]]:
    try:
        listed = tree.list(folder)
    except RocketauditError:
        return []
    return [
        (f"{folder}/{name}", node)
        for name, node in listed[:MAX_FILES]
        if not isinstance(node, BadNode) and node.type is FileType.REGULAR
    ]


class FileReader:
    """A Reader over one file of a tree."""

    __slots__ = ("_node", "_tree")

    def __init__(self, tree: Tree, node: Node) -> None:
        self._tree = tree
        self._node = node

    @property
    def size(self) -> int:
        return self._node.size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, or TruncatedError."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(f"{length} bytes wanted, the file has {self.size}", offset=offset)
        data = self._tree.fs.read(self._node, offset, length)
        if len(data) != length:
            raise TruncatedError(f"{length} bytes wanted, {len(data)} there", offset=offset)
        return data
