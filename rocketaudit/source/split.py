"""A split plan: the OS disk and the data disk of one machine, read as one image.

The data disk's bytes follow those of the OS disk, from the next MiB on. What the data disk holds is listed and read;
nothing that boots is looked for there, since the loader reads the disk that it started from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from rocketaudit.errors import FormatError, RocketauditError, UsageError
from rocketaudit.formats.partition_types import Role, type_of
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Container, Partition, Problem
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader, stored_extents
from rocketaudit.source.disk import Disk, open_disk
from rocketaudit.source.partitions import read_table

_ALIGNMENT = 1 << 20
DATA_SCOPE = "data-b"


class JoinedDisks:
    """The bytes of one disk and, from `second_at` on, those of another; between them lies nothing."""

    __slots__ = ("_first", "_second", "second_at", "size")

    def __init__(self, first: Reader, second: Reader) -> None:
        self._first, self._second = first, second
        self.second_at = -(-first.size // _ALIGNMENT) * _ALIGNMENT
        self.size = self.second_at + second.size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes of one of the disks; TruncatedError where a disk ends."""
        if offset < self.second_at:
            return self._first.read(offset, length)
        return self._second.read(offset - self.second_at, length)

    def stored_extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Ranges (start, end) that may hold other bytes than zero."""
        if start < self._first.size:
            yield from stored_extents(self._first, start, min(end, self._first.size))
        if end > self.second_at:
            begin = max(0, start - self.second_at)
            for first, last in stored_extents(self._second, begin, end - self.second_at):
                yield first + self.second_at, last + self.second_at


@dataclass(slots=True)
class SplitDisk:
    """Both disks, opened: in everything like the OS disk, but with the bytes of both."""

    system: Disk
    data: Disk
    reader: JoinedDisks
    container: Container

    def use_map(self) -> None:
        """For forked workers: read the disks through maps from now on."""
        self.system.use_map()
        self.data.use_map()

    def check_unchanged(self) -> tuple[Problem, ...]:
        """Problems when an input file is no longer what was opened."""
        return self.system.check_unchanged() + _named(self.data, self.data.check_unchanged())

    @property
    def has_content_to_check(self) -> bool:
        """Whether `check_content` has anything to do."""
        return self.system.has_content_to_check or self.data.has_content_to_check

    def check_content(self) -> tuple[Problem, ...]:
        """Problems where what was expanded is not what its packer noted."""
        return self.system.check_content() + _named(self.data, self.data.check_content())

    def sha256(self) -> str:
        """Digest of the OS disk's file as given: it is what the release is known by."""
        return self.system.sha256()

    def close(self) -> None:
        self.system.close()
        self.data.close()


def join_data_disk(
    system: Disk, path: Path, *, is_asked: bool, budget: Budget, tmp_dir: Path | None, progress: Progress, workers: int
) -> Disk | SplitDisk:
    """The OS disk together with the data disk at `path`.

    Errors of the data disk are raised if it was asked for; else they become a problem of the container.
    """
    try:
        if is_asked and path.exists() and path.samefile(system.path):
            raise UsageError(f"{path} is the image itself and not its data disk")
        if any(one.start + one.length > system.reader.size for one in read_table(system.reader)[1]):
            raise FormatError(
                "a partition of the OS disk reaches beyond it, so where the data disk begins is not clear"
            )
        data = open_disk(path, budget=budget, tmp_dir=tmp_dir, progress=progress, workers=workers)
    except RocketauditError as error:
        if is_asked:
            error.message = error.message if path.name in error.message else f"{path}: {error.message}"
            raise
        problem = Problem(f"the data disk {path.name} beside it is not read: {error.message}")
        system.container = replace(system.container, problems=(*system.container.problems, problem))
        return system
    reader = JoinedDisks(system.reader, data.reader)
    note = f"bytes from {reader.second_at} on are those of the data disk {path.name}"
    container = replace(
        system.container,
        data_image=path.name,
        notes=(*system.container.notes, note, *(f"{path.name}: {text}" for text in data.container.notes)),
        problems=system.container.problems + _named(data, data.container.problems),
    )
    return SplitDisk(system, data, reader, container)


def data_partitions(disk: SplitDisk, own: Sequence[Partition]) -> tuple[list[Partition], tuple[Problem, ...]]:
    """The data disk's partitions, numbered on from those of the OS disk, and what is wrong with them."""
    try:
        table, partitions = read_table(disk.data.reader)
    except FormatError as error:
        return [], _named(disk.data, (Problem(str(error)),))
    problems = list(_named(disk.data, table.problems))
    numbers = count(max((partition.number for partition in own), default=0) + 1)
    guids = {partition.unique_guid for partition in own if partition.unique_guid}
    names = iter((DATA_SCOPE,))
    found = []
    for partition, number in zip(partitions, numbers, strict=False):
        is_data = type_of(partition.type_guid).role is Role.DATA or not partition.number
        scope = next(names, "") if is_data else ""
        if not is_data:
            what = partition.type_name or partition.type_guid
            problems.append(Problem(f"the data disk holds a partition of type {what}", f"partition-{number}"))
        if partition.unique_guid in guids:
            what = f"both disks have a partition {partition.unique_guid}: the kernel may take either"
            problems.append(Problem(what, scope or f"partition-{number}"))
        found.append(
            replace(
                partition,
                number=number,
                scope=scope or f"partition-{number}",
                name=partition.name if partition.number else "data",
                start=partition.start + disk.reader.second_at,
            )
        )
    return found, tuple(problems)


def _named(disk: Disk, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(replace(problem, what=f"{disk.path.name}: {problem.what}") for problem in problems)
