"""A disk image as a target: its container, partitions, banks, file systems, boot entries and release."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rocketaudit.errors import FormatError, RocketauditError, UnsupportedError
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.formats.partition_types import type_of
from rocketaudit.formats.uki import parse_uki
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import (
    Bank,
    BootEntry,
    Content,
    DiskSummary,
    Layout,
    Partition,
    Problem,
    Release,
    TableKind,
)
from rocketaudit.model.gap import Gap
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader, Window
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.source.banks import find_banks, judged_partition, layout_of
from rocketaudit.source.boot_files import find_boot_entries, uki_boot_entry
from rocketaudit.source.disk import Disk, open_disk
from rocketaudit.source.gaps import gaps_of
from rocketaudit.source.partitions import read_table
from rocketaudit.source.split import SplitDisk, data_partitions, join_data_disk
from rocketaudit.source.tree import Tree
from rocketaudit.source.volumes import Volume, open_volumes

_OWN = "/usr/share/bottlerocket"
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release", "/lib/os-release", "/os-release")
_SYS_ROOT = "-bottlerocket-linux-gnu"


@dataclass(slots=True)
class ImageSource:
    """An opened image; `reader` is the raw disk, in bytes that `Partition.start` counts."""

    opened: Disk | SplitDisk
    target: Target
    judged: str
    trees: tuple[Tree, ...]
    disk: DiskSummary
    gaps: tuple[Gap, ...]
    budget: Budget

    @property
    def reader(self) -> Reader:
        return self.opened.reader

    def use_map(self) -> None:
        """For forked workers: read the disk through a map from now on."""
        self.opened.use_map()

    def check_unchanged(self) -> tuple[Problem, ...]:
        """Problems when the input file is no longer what was opened; asked at the end of a scan."""
        return self.opened.check_unchanged()

    @property
    def has_content_to_check(self) -> bool:
        """Whether `check_content` has anything to do."""
        return self.opened.has_content_to_check

    def check_content(self) -> tuple[Problem, ...]:
        """Problems where what was expanded is not what its packer noted."""
        return self.opened.check_content()

    def sha256(self) -> str:
        """Digest of the input file as given."""
        return self.opened.sha256()

    def partition_reader(self, partition: Partition) -> Window:
        """The bytes of one partition."""
        return Window(self.reader, partition.start, partition.length)

    def close(self) -> None:
        self.opened.close()


def open_image(
    path: Path,
    *,
    budget: Budget,
    tmp_dir: Path | None,
    progress: Progress,
    workers: int | None = None,
    data_disk: Path | None = None,
    looks_beside: bool = False,
) -> ImageSource:
    """Open a disk image, a bare file system or a unified kernel image in any container that `open_disk` reads.

    `data_disk` is the other disk of a split plan; `looks_beside`: without one, that which lies beside the image under
    the builder's name for it. Parts that cannot be read are `gaps`; SourceError, UnsupportedError or FormatError when
    nothing can.
    """
    count = workers or len(os.sched_getaffinity(0))
    opened: Disk | SplitDisk = open_disk(path, budget=budget, tmp_dir=tmp_dir, progress=progress, workers=count)
    try:
        beside = opened.container.data_image
        other = data_disk or (path.with_name(beside) if looks_beside and beside else None)
        if other is not None and isinstance(opened, Disk):
            opened = join_data_disk(
                opened,
                other,
                is_asked=data_disk is not None,
                budget=budget,
                tmp_dir=tmp_dir,
                progress=progress,
                workers=count,
            )
        return open_parts(path, opened, budget)
    except BaseException:
        opened.close()
        raise


def open_parts(path: Path, opened: Disk | SplitDisk, budget: Budget) -> ImageSource:
    """Everything behind a disk that is already open; errors as `open_image`."""
    table, partitions = read_table(opened.system.reader if isinstance(opened, SplitDisk) else opened.reader)
    own = len(partitions)
    of_data: tuple[Problem, ...] = ()
    if isinstance(opened, SplitDisk):
        more, of_data = data_partitions(opened, partitions)
        partitions += more
    volumes = open_volumes(opened.reader, partitions, budget)
    described = [_describe(partition, volume) for partition, volume in zip(partitions, volumes, strict=True)]
    if table.kind is TableKind.NONE:
        described = [_name_bare(described[0], volumes[0])]
    trees = [
        (partition, Tree(partition.scope, partition.name or partition.scope, volume.fs, path.name))
        for partition, volume in zip(described, volumes, strict=True)
        if volume.fs is not None
    ]
    # what boots is on the disk that the loader was started from
    system, system_trees = described[:own], [(one, tree) for one, tree in trees if one in described[:own]]
    banks = find_banks(system)
    entries, problems = find_boot_entries(system_trees, system, banks)
    entries += _bare_uki(opened.reader, system)
    layout = layout_of(system, entries) if system and system[0].number else _bare_layout(system)
    chosen = judged_partition(banks, system)
    judged = chosen.scope if chosen else ""
    release = _release_of(next((tree for _, tree in trees if tree.scope == judged), None))
    summary = DiskSummary(
        container=opened.container,
        table=table,
        partitions=tuple(described),
        layout=layout,
        banks=banks,
        boot_entries=entries,
        release=release,
        problems=(*opened.container.problems, *table.problems, *of_data, *_bank_problems(banks), *problems),
    )
    return ImageSource(
        opened=opened,
        target=_target_of(path, opened, summary, trees, judged),
        judged=judged,
        trees=tuple(tree for _, tree in trees),
        disk=summary,
        gaps=gaps_of(described),
        budget=budget,
    )


def _describe(partition: Partition, volume: Volume) -> Partition:
    return replace(
        partition,
        content=volume.content,
        detail=volume.detail,
        label=volume.label,
        uuid=volume.uuid,
        features=() if volume.fs is None else volume.fs.features,
        warnings=() if volume.fs is None else volume.fs.warnings,
    )


def _name_bare(partition: Partition, volume: Volume) -> Partition:
    """The scope of a bare image by what it holds: root, boot, efi, hash, uki; FormatError for what nobody knows."""
    if not partition.length:
        raise UnsupportedError("the file is empty")
    if volume.content is Content.UNREAD:
        raise FormatError(volume.detail)
    if volume.content in (Content.UNKNOWN, Content.BLANK):
        what = "only zeros" if volume.content is Content.BLANK else volume.detail
        raise UnsupportedError(f"the image has no partition table and holds {what}")
    if volume.fs is None:
        names = {Content.VERITY_HASH: "hash", Content.UKI: "uki", Content.VERITY_SIGNATURE: "signature"}
        return replace(partition, scope=names.get(volume.content, "root"), name=names.get(volume.content, "root"))
    tree = Tree("root", "root", volume.fs)
    for name, path in (("boot", "/grub/grub.cfg"), ("efi", "/EFI/BOOT")):
        try:
            tree.lookup(path)
        except RocketauditError:
            continue
        return replace(partition, scope=name, name=name)
    return partition


def _bare_layout(described: Sequence[Partition]) -> Layout:
    if not described:
        return Layout.OTHER
    match described[0].content:
        case Content.UKI:
            return Layout.BARE_UKI
        case Content.VERITY_HASH:
            return Layout.BARE_HASH_DEVICE
        case Content.EXT4 | Content.EROFS | Content.FAT | Content.SQUASHFS:
            return Layout.BARE_FILE_SYSTEM
        case _:
            return Layout.OTHER


def _bare_uki(reader: Reader, described: Sequence[Partition]) -> tuple[BootEntry, ...]:
    if not described or described[0].number or described[0].content is not Content.UKI:
        return ()
    uki = parse_uki(reader)
    if not uki.is_unified:
        raise UnsupportedError("the image is an EFI program without a kernel in it")
    return (uki_boot_entry(uki, described[0], "/", ""),)


def _bank_problems(banks: Sequence[Bank]) -> tuple[Problem, ...]:
    problems = []
    if len(banks) > 2:
        problems.append(Problem(f"{len(banks)} banks; Bottlerocket has two at most"))
    if banks and not any(bank.boots_next for bank in banks):
        problems.append(Problem("no bank will boot: none has priority and tries left, none is marked successful"))
    for bank in banks:
        if bank.boots_next and not bank.populated:
            problems.append(Problem("the bank that boots next is empty", bank.scope))
    return tuple(problems)


def _release_of(tree: Tree | None) -> Release:
    """os-release and the feature files of the judged tree; what cannot be read is left out here (facts say why)."""
    if tree is None:
        return Release()
    found = {
        name: _assignments(tree, paths)
        for name, paths in (
            ("os", _OS_RELEASE),
            ("features", (f"{_OWN}/image-features.env",)),
            ("format", (f"{_OWN}/image-format.env",)),
        )
    }
    return Release(found["os"], found["features"], found["format"])


def _assignments(tree: Tree, paths: Sequence[str]) -> tuple[tuple[str, str], ...]:
    for path in paths:
        try:
            values = parse_key_values(tree.read(path, 1 << 20))
        except RocketauditError:
            continue
        return tuple((name, value) for name, (value, _) in values.items())
    return ()


def _target_of(
    path: Path, opened: Disk | SplitDisk, summary: DiskSummary, trees: Sequence[tuple[Partition, Tree]], judged: str
) -> Target:
    release = dict(summary.release.os_release)
    kernel = next((entry.kernel_version for entry in summary.boot_entries if entry.kernel_version), "")
    return Target(
        name=path.name,
        kind=TargetKind.IMAGE,
        container=opened.container.kind,
        size=opened.container.input_size,
        os_id=release.get("ID", ""),
        os_name=release.get("PRETTY_NAME", ""),
        variant=release.get("VARIANT_ID", ""),
        version=release.get("VERSION_ID", ""),
        build=release.get("BUILD_ID", ""),
        arch=_arch_of(summary, next((tree for _, tree in trees if tree.scope == judged), None)),
        layout=summary.layout.value,
        kernel_version=kernel,
    )


def _arch_of(summary: DiskSummary, root: Tree | None) -> str:
    """The architecture as the root's own folder, the partition's type or the UKI's name states it; else ""."""
    if root is not None:
        try:
            names = [name for name, _ in root.list("/")]
        except RocketauditError:
            names = []
        for name in names:
            if name.endswith(_SYS_ROOT):
                return name.removesuffix(_SYS_ROOT)
    for partition in summary.partitions:
        if type_of(partition.type_guid).arch:
            return type_of(partition.type_guid).arch
    for entry in summary.boot_entries:
        for suffix, arch in (("BOOTX64.EFI", "x86_64"), ("BOOTAA64.EFI", "aarch64")):
            if entry.path.upper().endswith(suffix):
                return arch
    return ""
