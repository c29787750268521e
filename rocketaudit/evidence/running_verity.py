"""What a running kernel says of the tree under its root, as statements beside those of boot files and superblock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rocketaudit.errors import FormatError
from rocketaudit.evidence.device_mapper import table_line
from rocketaudit.evidence.kernel_arguments import shown_command_line
from rocketaudit.formats.dm_verity_table import SECTOR, VerityTable, find_tables, parse_table
from rocketaudit.formats.kernel_arguments import parse_kernel_arguments
from rocketaudit.model.bank_verity import Statement
from rocketaudit.model.disk import BootEntry, BootKind
from rocketaudit.model.fact import Locator
from rocketaudit.model.verity import VerityParameters
from rocketaudit.source.live import LiveSource
from rocketaudit.source.protocol import Source

COMMAND_LINE = "kernel command line"
TABLE = "device-mapper table"
_NOTHING = VerityParameters(1, "", 0, 0, 0, "", "", 0)


def running_statements(source: Source) -> Mapping[str, tuple[Statement, ...]]:
    """{scope of the running bank: what its kernel states}; empty for what is no node, or says nothing of verity."""
    if not isinstance(source, LiveSource):
        return {}
    found = (*_from_command_line(source), *_from_table(source))
    moved = tuple(_moved(source))
    if found and moved:
        found = (replace(found[0], problems=(*found[0].problems, *moved)), *found[1:])
    return {source.judged: found} if found else {}


def _moved(source: LiveSource) -> Iterator[str]:
    """Where the disk's partition table no longer says what the kernel read of it at start: we read other bytes then."""
    if source.disk is None:
        return
    stated = {one.number: (one.start, one.length) for one in source.disk.partitions}
    for part in source.running.parts:
        if part.partition is not None and stated.get(part.partition) != (part.start, part.size):
            yield f"the kernel uses partition {part.partition} elsewhere than the partition table on the disk says"
    disks = {part.disk for part in source.running.parts}
    if len(disks) > 1:  # numbers of partitions then say nothing
        yield f"the parts of the root lie on {len(disks)} disks, of which one was read"


def running_entry(source: LiveSource) -> BootEntry | None:
    """The running command line as if a boot file stated it, to be checked like one."""
    text = source.running.command_line
    return None if text is None else entry_of_text(text, source.judged)


def entry_of_text(text: str, scope: str) -> BootEntry | None:
    """A running command line as a boot entry; None when it sets up no verity."""
    tables = list(find_tables(text))
    if not tables:
        return None
    return BootEntry(
        kind=BootKind.GRUB,
        scope=scope,
        partition=0,
        path="/proc/cmdline",
        bank=scope,
        command_line=text,
        verity_table=";".join(dict.fromkeys(tables)),  # several different ones: none is believed
    )


def _from_command_line(source: LiveSource) -> Iterator[Statement]:
    entry = running_entry(source)
    if entry is not None:
        yield statement_of(entry, Locator(source.target.name, "", "/proc/cmdline"), tuple(_differences(source, entry)))


def statement_of(entry: BootEntry, where: Locator, problems: tuple[str, ...] = ()) -> Statement:
    """What a running command line states of the tree."""
    try:
        table = parse_table(entry.verity_table)
    except FormatError as error:
        return Statement(COMMAND_LINE, _NOTHING, where, problems=(f"no usable verity table: {error}",))
    return Statement(COMMAND_LINE, table.parameters, where, binds_kernel=True, problems=problems)


def _differences(source: LiveSource, entry: BootEntry) -> Iterator[str]:
    """Where the kernel was told to start something else than the boot files of the running bank say.

    Other arguments may come from the node's own boot configuration: see `kernel_command_line:added`.
    """
    if source.disk is None:
        return
    mine = [one for one in source.disk.boot_entries if one.bank == source.judged]
    if not mine:
        return
    stated = min(mine, key=lambda one: not one.is_default)
    try:
        before, now = (_arguments(one.command_line) for one in (stated, entry))
    except FormatError as error:
        yield str(error)
        return
    added = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    if added:
        yield f"the running kernel was given more than {stated.path} says: {', '.join(sorted(added)[:10])}"
    if gone:
        yield f"the running kernel was not given what {stated.path} says: {', '.join(sorted(gone)[:10])}"
    yield from _options(stated, entry)


def _options(stated: BootEntry, entry: BootEntry) -> Iterator[str]:
    """Options of the tree that weaken it, which no digest depends on."""
    try:
        before, now = (parse_table(one.verity_table).parameters for one in (stated, entry))
    except FormatError:
        return  # whoever states the table that cannot be read is a problem already
    if before.options != now.options:
        told, given = (" ".join(one.options) or "no option" for one in (before, now))
        yield f"the tree was set up with {given}, {stated.path} says {told}"


def _arguments(text: str) -> dict[str, None]:
    """Arguments before `--` that decide what is started, as name or name=value where the value may be shown."""
    kernel = parse_kernel_arguments(text).kernel
    watched = ("root", "init", "rdinit", "rd.break", "single")
    return {
        shown_command_line(f"{one.name}={one.value}" if one.value is not None else one.name): None
        for one in kernel
        if one.name in watched
    }


def _from_table(source: LiveSource) -> Iterator[Statement]:
    mapped = source.running.mapped
    if mapped is None:
        return
    where = Locator(source.target.name, "", f"device-mapper:{mapped.name}")
    if len(mapped.table) != 1:
        yield Statement(TABLE, _NOTHING, where, problems=(f"{len(mapped.table)} targets, one is expected",))
        return
    try:
        table = parse_table(table_line(mapped))
    except FormatError as error:
        yield Statement(TABLE, _NOTHING, where, problems=(f"no usable verity table: {error}",))
        return
    problems = tuple(_table_problems(source, table))
    remarks = tuple(_status_remarks(mapped.status))
    yield Statement(TABLE, table.parameters, where, binds_kernel=True, problems=problems + remarks)


def _table_problems(source: LiveSource, table: VerityTable) -> Iterator[str]:
    mapped = source.running.mapped
    if mapped is not None and not mapped.read_only:
        yield "the mapping is not read-only"
    covered = table.parameters.data_blocks * table.parameters.data_block_size
    if table.start_sector or table.sectors * SECTOR != covered:
        yield f"the mapping has {table.sectors} sectors from {table.start_sector}, the tree covers {covered // SECTOR}"
    entry = running_entry(source)
    if entry is not None:
        try:
            asked = parse_table(entry.verity_table).parameters.on_corruption
        except FormatError:
            asked = table.parameters.on_corruption
        if asked != table.parameters.on_corruption:
            yield f"the kernel answers corruption with {table.parameters.on_corruption}, its command line says {asked}"
    if source.disk is None:
        return
    bank = next((one for one in source.disk.banks if one.scope == source.judged), None)
    known = {part.device: part.partition for part in source.running.parts}
    for what, device, partition in (
        ("data", table.data_device, None if bank is None else bank.root),
        ("hash", table.hash_device, None if bank is None else bank.hash),
    ):
        if device not in known or partition is None or known[device] != partition:
            yield f"the {what} device {device} is not the {what} partition of the running bank"


def _status_remarks(status: tuple[tuple[int, int, str, str], ...]) -> Iterator[str]:
    if any(kind == "verity" and text.split()[:1] == ["C"] for _, _, kind, text in status):
        yield "the kernel has met corrupt blocks since it started (status C)"
