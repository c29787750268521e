"""Opens a disk image as it is shipped: whatever it is packed in, a Reader over the raw disk comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.errors import BudgetError, FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.containers.sniff import Packing, name_foreign_packing, size_before_vhd_footer, sniff
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Container, Problem
from rocketaudit.model.progress import NoProgress, Progress
from rocketaudit.model.reader import Reader, Window
from rocketaudit.source.raw import Identity, RawFile, changes_since, open_raw, sha256_of

if TYPE_CHECKING:
    from rocketaudit.formats.containers.extents import DiskMap
    from rocketaudit.formats.containers.tar_members import TarMember
    from rocketaudit.formats.containers.vmdk import PartFile
    from rocketaudit.source.sparse import SparseFile

MAX_LAYERS = 4


@dataclass(slots=True)
class Disk:
    """An opened image: `reader` is the raw disk, `container` says what it was packed in."""

    path: Path
    reader: Reader
    container: Container
    identity: Identity
    _input: RawFile
    _base: RawFile
    _others: list[tuple[Path, RawFile, Identity]] = field(default_factory=list)
    _stated: list[tuple[int, int, int]] = field(default_factory=list)
    _budget: Budget = field(default_factory=Budget)

    def use_map(self) -> None:
        """For forked workers: read the disk through a map from now on."""
        self._base.use_map()

    def check_unchanged(self) -> tuple[Problem, ...]:
        """Problems when the input file is no longer what was opened."""
        problems = changes_since(self.path, self._input, self.identity)
        for path, raw, before in self._others:
            problems += changes_since(path, raw, before)
        return problems

    @property
    def has_content_to_check(self) -> bool:
        """Whether `check_content` has anything to do."""
        return bool(self._stated)

    def check_content(self) -> tuple[Problem, ...]:
        """Problems where what was expanded is not what its packer noted; takes 0.3 s a GiB."""
        return _compare(self._base, self._stated, self._budget)

    def sha256(self) -> str:
        """Digest of the input file as given, before expansion; "" for a descriptor, since other files hold the disk."""
        return "" if self._others else sha256_of(self._input)

    def close(self) -> None:
        for raw in (self._base, self._input, *(raw for _, raw, _ in self._others)):
            raw.close()


def open_disk(
    path: Path,
    *,
    budget: Budget,
    tmp_dir: Path | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> Disk:
    """Open an image and expand what packs it into an unnamed file below `tmp_dir`.

    SourceError when the file cannot be opened or expanded for want of room, UnsupportedError for a packing that
    we name but do not read, FormatError for damage, BudgetError for a bomb.
    """
    raw, identity = open_raw(path)
    opening = _Opening(path, raw, raw, raw, budget, tmp_dir, progress or NoProgress(), workers)
    try:
        while (packing := sniff(opening.reader)) is not Packing.RAW:
            if len(opening.layers) >= MAX_LAYERS:
                raise FormatError(f"packed more than {MAX_LAYERS} times")
            opening.layers.append(packing)
            opening.unpack(packing)
        foreign = name_foreign_packing(opening.reader)
        if foreign:
            raise UnsupportedError(f"{path.name} holds {foreign}, which is not read")
        opening.leave_out_footer()
    except BaseException:
        opening.close()
        raise
    return opening.disk(identity)


@dataclass(slots=True)
class _Opening:
    """A disk while its layers are taken off."""

    path: Path
    input: RawFile
    base: RawFile
    reader: Reader
    budget: Budget
    tmp_dir: Path | None
    progress: Progress
    workers: int
    layers: list[Packing] = field(default_factory=list)
    expanded: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: list[tuple[Path, RawFile, Identity]] = field(default_factory=list)
    stated: list[tuple[int, int, int]] = field(default_factory=list)

    def unpack(self, packing: Packing) -> None:
        self.progress.phase(f"Expanding {packing}", 0)
        # one allocation just under glibc's ceiling raises its mmap and trim thresholds, so that buffers are reused
        bytes((32 << 20) - 65536)
        match packing:  # each packing loads its own code: most images are raw, and `verity` starts 10 ms sooner
            case Packing.LZ4:
                from rocketaudit.source.expand_lz4 import expand_lz4

                self._expand_stream(
                    packing, lambda out: expand_lz4(self.reader, out, self.budget, workers=self.workers)
                )
            case Packing.GZIP:
                from rocketaudit.source.expand_streams import expand_gzip

                self._expand_stream(packing, lambda out: expand_gzip(self.reader, out))
            case Packing.XZ:
                from rocketaudit.source.expand_streams import expand_xz

                self._expand_stream(packing, lambda out: expand_xz(self.reader, out))
            case Packing.ZSTD:
                from rocketaudit.source.expand_streams import expand_zstd

                self._expand_stream(packing, lambda out: expand_zstd(self.reader, out, self.budget))
            case Packing.QCOW2:
                from rocketaudit.formats.containers.qcow2 import map_qcow2

                self._expand_map(packing, map_qcow2(self.reader, self.budget))
            case Packing.VMDK:
                from rocketaudit.formats.containers.vmdk import map_vmdk

                self._expand_map(packing, map_vmdk(self.reader, self.budget))
            case Packing.VMDK_DESCRIPTOR:
                self._open_parts()
            case Packing.TAR:
                self._open_archive()
            case Packing.RAW:
                raise ValueError("a raw disk needs no expanding")

    def leave_out_footer(self) -> None:
        """A fixed VHD is the disk as it is, and a footer."""
        size = size_before_vhd_footer(self.reader)
        if size is not None:
            self.reader = Window(self.reader, 0, size)
            self.notes.append("a fixed VHD: the 512 bytes behind the disk are its footer")

    def _expand_map(self, packing: Packing, disk: DiskMap) -> None:
        from rocketaudit.source.expand_map import expand_map

        self.notes += disk.notes
        self._expand(packing, lambda out: expand_map(self.reader, disk, out, workers=self.workers))

    def _open_archive(self) -> None:
        """Look at the digests that an OVA states, and go on with its first disk where it lies."""
        from rocketaudit.formats.containers.ova import pick_disk
        from rocketaudit.formats.containers.tar_members import list_members
        from rocketaudit.source.ova_digests import check_manifest

        members = list_members(self.reader, self.budget)
        descriptor = next((m for m in members if m.name.endswith(".ovf")), None)
        text = None if descriptor is None else _text_of(self.reader, descriptor)
        disk, others = pick_disk(members, text)
        self.notes += [f"disk {member.name} in the archive is not looked at" for member in others]
        notes, problems = check_manifest(self.reader, members, self.budget)
        self.notes += notes
        self.problems += problems
        self.reader = Window(self.reader, disk.offset, disk.size)

    def _open_parts(self) -> None:
        """Open the files that a VMDK descriptor names, from its own folder only."""
        from rocketaudit.formats.containers.vmdk import MAX_DESCRIPTOR, parse_descriptor
        from rocketaudit.source.expand_map import expand_parts

        if self.reader.size > MAX_DESCRIPTOR:
            raise FormatError(f"a VMDK descriptor of {self.reader.size} bytes; at most {MAX_DESCRIPTOR} are read")
        extents = parse_descriptor(bytes(self.reader.read(0, self.reader.size)))
        parts: list[tuple[PartFile, RawFile | None]] = []
        for extent in extents:
            parts.append((extent, self._open_beside(extent.name) if extent.name else None))
        extent, raw = parts[0]
        if len(parts) == 1 and raw is not None and not extent.is_sparse:
            if extent.offset + extent.length > raw.size:
                raise TruncatedError(f"{extent.name} is shorter than its descriptor says", offset=raw.size)
            self.base = raw
            self.reader = Window(raw, extent.offset, extent.length)
            return
        self._expand(Packing.VMDK_DESCRIPTOR, lambda out: expand_parts(parts, out, self.budget))

    def _open_beside(self, name: str) -> RawFile:
        if "/" in name or name in ("", ".", "..") or "\0" in name or self.input is not self.base:
            raise FormatError(f"the VMDK descriptor names {name[:80]!r}, which is not a file beside it")
        path = self.path.with_name(name)
        if path.is_symlink():
            raise FormatError(f"the VMDK descriptor names {name[:80]!r}, which is a symbolic link")
        raw, identity = open_raw(path)
        self.others.append((path, raw, identity))
        return raw

    def _expand(self, packing: Packing, write: Callable[[SparseFile], int]) -> None:
        from rocketaudit.source.sparse import SparseFile

        packed = self.input.size + sum(raw.size for _, raw, _ in self.others)
        out = SparseFile(self.tmp_dir, self.budget, packed)
        try:
            size = write(out)
        except BaseException:
            out.close()
            raise
        self.problems += _compare(self.base, self.stated, self.budget)  # of a layer that goes away
        if self.base is not self.input and all(self.base is not raw for _, raw, _ in self.others):
            self.base.close()
        self.base = RawFile(out.descriptor, size)
        self.reader = self.base
        self.problems += [Problem(what) for what in out.problems]
        self.stated = out.stated
        if out.stated:
            self.notes.append("the checksum of the LZ4 frame's content is compared while the image is looked at")
        self.expanded.append(f"{packing}: {size} bytes, {out.taken} of them not holes")

    def _expand_stream(self, packing: Packing, write: Callable[[SparseFile], int]) -> None:
        """Expand what comes out in order: where it is damaged, the disk ends, if anything came out before."""

        def write_what_comes(out: SparseFile) -> int:
            try:
                return write(out)
            except FormatError as error:
                if isinstance(error, BudgetError | UnsupportedError) or not out.end:
                    raise
                out.finish(out.end)
                what = f"the {packing} file is damaged, {error}: the disk ends after the {out.end} bytes before that"
                self.problems.append(Problem(what, in_doubt=True))
                return out.end

        self._expand(packing, write_what_comes)

    def disk(self, identity: Identity) -> Disk:
        container = Container(
            kind=_kind_of(self.layers),
            layers=tuple(layer.value for layer in self.layers) or (Packing.RAW.value,),
            input_size=self.input.size,
            raw_size=self.reader.size,
            expanded="; ".join(self.expanded),
            notes=tuple(self.notes),
            problems=tuple(self.problems),
            data_image=_data_image_beside(self.path),
        )
        return Disk(
            self.path, self.reader, container, identity, self.input, self.base, self.others, self.stated, self.budget
        )

    def close(self) -> None:
        for raw in (self.base, self.input, *(raw for _, raw, _ in self.others)):
            raw.close()


def _compare(raw: RawFile, stated: list[tuple[int, int, int]], budget: Budget) -> tuple[Problem, ...]:
    if not stated:
        return ()
    from rocketaudit.source.expand_lz4 import compare_content

    return compare_content(raw, stated, budget.check_time)


def _text_of(reader: Reader, member: TarMember) -> bytes:
    from rocketaudit.formats.containers.ova import MAX_TEXT

    if member.size > MAX_TEXT:
        raise FormatError(f"{member.name} has {member.size} bytes; at most {MAX_TEXT} are read", offset=member.offset)
    return bytes(reader.read(member.offset, member.size))


def _kind_of(layers: list[Packing]) -> str:
    """The packing that the file is known by: its outermost one."""
    if not layers:
        return "raw"
    if layers[0] is Packing.TAR:
        return "ova"
    return "vmdk" if layers[0] is Packing.VMDK_DESCRIPTOR else layers[0].value


def _data_image_beside(path: Path) -> str:
    """The name of the data disk of a split plan, which Bottlerocket's builder puts beside the OS disk.

    No link: whoever gave the image could have it lead to any file of the user's.
    """
    stem, dot, rest = path.name.partition(".img")
    if not dot:
        stem, dot, rest = path.name.rpartition(".")
    if not dot or stem.endswith("-data"):
        return ""
    beside = path.with_name(f"{stem}-data{dot}{rest}")
    try:
        return beside.name if beside.is_file() and not beside.is_symlink() else ""
    except OSError:
        return ""
