"""Opens a disk image as it is shipped: whatever it is packed in, a Reader over the raw disk comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.containers.sniff import Packing, name_foreign_packing, sniff
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Container, Problem
from rocketaudit.model.progress import NoProgress, Progress
from rocketaudit.model.reader import Reader
from rocketaudit.source.expand_lz4 import expand_lz4
from rocketaudit.source.raw import Identity, RawFile, changes_since, open_raw, sha256_of
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

    def use_map(self) -> None:
        """For forked workers: read the disk through a map from now on."""
        self._base.use_map()

    def check_unchanged(self) -> tuple[Problem, ...]:
        """Problems when the input file is no longer what was opened."""
        problems = changes_since(self.path, self._input, self.identity)
        for path, raw, before in self._others:
            problems += changes_since(path, raw, before)
        return problems

    def sha256(self) -> str:
        """Digest of the input file as given, before expansion."""
        return sha256_of(self._input)

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

    def unpack(self, packing: Packing) -> None:
        self.progress.phase(f"Expanding {packing}", 0)
        # one allocation just under glibc's ceiling raises its mmap and trim thresholds, so that buffers are reused
        bytes((32 << 20) - 65536)
        match packing:
            case Packing.LZ4:
                self._expand(packing, lambda out: expand_lz4(self.reader, out, self.budget, workers=self.workers))
            case _:
                raise UnsupportedError(f"{packing} is not read yet")

    def _expand(self, packing: Packing, write: Callable[[SparseFile], int]) -> None:
        out = SparseFile(self.tmp_dir, self.budget)
        try:
            size = write(out)
        except BaseException:
            out.close()
            raise
        if self.base is not self.input:
            self.base.close()
        self.base = RawFile(out.descriptor, size)
        self.reader = self.base
        self.expanded.append(f"{packing}: {out.written} of {size} bytes written")

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
        return Disk(self.path, self.reader, container, identity, self.input, self.base, self.others)

    def close(self) -> None:
        for raw in (self.base, self.input, *(raw for _, raw, _ in self.others)):
            raw.close()


def _kind_of(layers: list[Packing]) -> str:
    """The packing that the file is known by: its outermost one."""
    if not layers:
        return "raw"
    if layers[0] is Packing.TAR:
        return "ova"
    return "vmdk" if layers[0] is Packing.VMDK_DESCRIPTOR else layers[0].value


def _data_image_beside(path: Path) -> str:
    """The name of the data disk of a split plan, which Bottlerocket's builder puts beside the OS disk."""
    stem, dot, rest = path.name.partition(".img")
    if not dot:
        stem, dot, rest = path.name.rpartition(".")
    if not dot or stem.endswith("-data"):
        return ""
    beside = path.with_name(f"{stem}-data{dot}{rest}")
    try:
        return beside.name if beside.is_file() else ""
    except OSError:
        return ""
