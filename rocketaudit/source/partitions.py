"""The partition table of a raw disk as the model has it."""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.formats.gpt import Gpt, GptEntry, looks_like_gpt, read_gpt
from rocketaudit.formats.mbr import Mbr, MbrKind, read_mbr
from rocketaudit.formats.partition_types import type_of
from rocketaudit.model.disk import Partition, PartitionTable, Problem, TableKind
from rocketaudit.model.reader import Reader
from rocketaudit.source.banks import scopes_of


def read_table(reader: Reader) -> tuple[PartitionTable, list[Partition]]:
    """The partitions of a GPT or MBR; one partition 0 that is everything when there is no table."""
    if looks_like_gpt(reader):
        gpt = read_gpt(reader)
        problems = tuple(Problem(problem.what, "", problem.offset) for problem in gpt.problems)
        table = PartitionTable(TableKind.GPT, gpt.sector_size, gpt.disk_guid, gpt.used_backup, problems)
        return table, _of_gpt(gpt)
    mbr = _dos_table(reader)
    if mbr is not None:
        problems = tuple(Problem(problem.what, "", problem.offset) for problem in mbr.problems)
        return PartitionTable(TableKind.MBR, problems=problems), [
            Partition(e.number, f"partition-{e.number}", "", f"{e.type:02x}", "", "", e.start, e.length)
            for e in mbr.entries
        ]
    return PartitionTable(TableKind.NONE), [Partition(0, "root", "", "", "", "", 0, reader.size)]


def _of_gpt(gpt: Gpt) -> list[Partition]:
    scopes = scopes_of(gpt.entries)

    def partition(entry: GptEntry) -> Partition:
        return Partition(
            number=entry.number,
            scope=scopes[entry.number],
            name=entry.name,
            type_guid=entry.type_guid,
            type_name=type_of(entry.type_guid).name,
            unique_guid=entry.unique_guid,
            start=entry.start,
            length=entry.length,
            attributes=entry.attributes,
        )

    return [partition(entry) for entry in gpt.entries]


def _dos_table(reader: Reader) -> Mbr | None:
    """A DOS table, unless the boot signature belongs to a file system that fills the whole image."""
    try:
        mbr = read_mbr(reader)
    except FormatError:
        return None
    return mbr if mbr.kind is MbrKind.DOS else None
