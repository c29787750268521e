"""Plans the check of every bank's verity tree: who states what, and by which parameters the tree is recomputed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.evidence.verity_layout import choose_layout
from rocketaudit.formats.dm_verity_table import SECTOR, VerityTable, parse_table
from rocketaudit.formats.kernel_arguments import parse_kernel_arguments
from rocketaudit.formats.verity import SUPERBLOCK_SIZE, Layout, Superblock, parse_superblock
from rocketaudit.formats.verity_tree import range_size
from rocketaudit.model.bank_verity import Statement
from rocketaudit.model.disk import FILE_SYSTEMS, Bank, BootEntry, BootKind, DiskSummary, Partition
from rocketaudit.model.fact import Locator
from rocketaudit.model.reader import Reader, Window
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import BEHIND_DATA, VerityParameters

SLACK_BYTES = 64 << 20  # looked at by one task
SLACK_TASKS = 1024  # at most, of one kind; then they grow, and holes of a sparse image cost nothing
NO_DISK = "the raw partitions cannot be read from here"
KNOWN_OPTIONS = frozenset(
    {
        "ignore_corruption",
        "restart_on_corruption",
        "panic_on_corruption",
        "restart_on_error",
        "panic_on_error",
        "ignore_zero_blocks",
        "check_at_most_once",
        "try_verify_in_tasklet",
        "use_fec_from_device",
        "fec_roots",
        "fec_blocks",
        "fec_start",
        "root_hash_sig_key_desc",
    }
)
# the loader sets it to the partition that it read grub.cfg from
BOOT_VARIABLES = frozenset({"$boot_uuid", "${boot_uuid}"})
# what a kernel calls the first device that dm-mod.create makes
ROOT_DEVICES = frozenset({"/dev/dm-0", "254:0", "253:0"})
_OFFSET = re.compile(r"PARTUUID=(?P<uuid>[^/]+)/PARTNROFF=(?P<offset>-?[0-9]+)")


@dataclass(slots=True)
class VerityJob:
    """One bank's tree: what is stated, and the layout to check it by (None: then `unread` or `problems` say why)."""

    bank: Bank
    root: Partition | None
    hash: Partition | None
    data: Reader | None = None
    hashes: Reader | None = None
    statements: list[Statement] = field(default_factory=list)
    layout: Layout | None = None
    tree_matches: tuple[str, ...] = ()
    stored_root: str | None = None
    unread: str | None = None
    found_stretches: list[tuple[str, int, int]] | None = None

    def ranges(self) -> range:
        """The first level-0 hash block of every task; none for a tree of one block, which is checked at the end."""
        if self.layout is None or not self.layout.levels:
            return range(0)
        return range(0, self.layout.levels[0].blocks, range_size(self.layout))

    def stretches(self) -> list[tuple[str, int, int]]:
        """(what, start, end) of bytes behind the data, around the superblock and behind the tree."""
        if self.found_stretches is not None:
            return self.found_stretches
        if self.layout is None:
            return []
        assert self.data is not None and self.hashes is not None
        start = self.layout.parameters.hash_start_block * self.layout.parameters.hash_block_size
        wanted = [
            (BEHIND_DATA, True, self.layout.data_end, self.data.size),
            ("bytes between the superblock and the tree", False, SUPERBLOCK_SIZE, start),
            ("bytes of the hash partition behind the tree", False, self.layout.tree_end, self.hashes.size),
        ]
        self.found_stretches = [
            ("data:" + what if on_data else "hash:" + what, at, min(at + step, end))
            for what, on_data, begin, end in wanted
            for step in (max(SLACK_BYTES, -(-(end - begin) // SLACK_TASKS)),)
            for at in range(begin, end, step)
        ]
        return self.found_stretches


def plan_jobs(
    disk: DiskSummary | None,
    reader: Reader | None,
    source_name: str,
    running: Mapping[str, tuple[Statement, ...]] | None = None,
) -> list[VerityJob]:
    """A job for every bank that has a root; what cannot be checked carries the reason.

    `running`: what a running kernel states, by scope; it stands in the job even where no disk can be read.
    """
    stated = running or {}
    if disk is None or reader is None:
        return [
            VerityJob(Bank("", scope, populated=True), None, None, statements=list(found), unread=NO_DISK)
            for scope, found in stated.items()
        ]
    by_number = {partition.number: partition for partition in disk.partitions}
    jobs = []
    for bank in disk.banks:
        root = None if bank.root is None else by_number.get(bank.root)
        tree = None if bank.hash is None else by_number.get(bank.hash)
        job = VerityJob(bank, root, tree, statements=list(stated.get(bank.scope, ())))
        if bank.populated:
            _prepare(job, disk, reader, source_name)
        jobs.append(job)
    return jobs


def _prepare(job: VerityJob, disk: DiskSummary, reader: Reader, source_name: str) -> None:
    if job.root is None or job.hash is None:
        job.unread = f"the bank has no {'root' if job.root is None else 'hash'} partition"
        return
    try:
        job.data = Window(reader, job.root.start, job.root.length)
        job.hashes = Window(reader, job.hash.start, job.hash.length)
        job.statements = [*_statements(job, disk, reader, source_name), *job.statements]
        choose_layout(job)
    except FormatError as error:
        job.unread = str(error)
    if job.unread is None and not any(statement.binds_kernel or statement.problems for statement in job.statements):
        job.unread = _why_no_boot_text(job.bank, disk)
    doubtful = next((e for e in disk.boot_entries if e.bank == job.bank.scope and e.undecided), None)
    if job.unread is None and doubtful is not None:
        job.unread = f"what boots cannot be told from {doubtful.path}: {doubtful.undecided}"


def _why_no_boot_text(bank: Bank, disk: DiskSummary) -> str | None:
    """Why it cannot be said what a kernel would enforce; None when the boot files were read and say nothing."""
    carriers = [p for p in disk.partitions if p.number in (bank.boot, bank.efi)]
    if not carriers:
        signed = bank.signature is not None
        what = "but the signature partition, which binds nobody, " if signed else ""
        return f"the command line is not in this image, so nothing here {what}states the root hash"
    closed = next((p for p in carriers if p.content not in FILE_SYSTEMS), None)
    if closed is None:
        return None
    return (
        f"the boot files are out of reach: {closed.name or closed.scope} holds {closed.detail or closed.content.value}"
    )


def _statements(job: VerityJob, disk: DiskSummary, reader: Reader, source_name: str) -> Iterator[Statement]:
    """Boot text first, then the superblock; one that cannot be parsed is a problem of the bank."""
    for number, entry in enumerate(_entries(job.bank, disk), 1):
        name = "UKI command line" if entry.kind is BootKind.UKI else "boot text"
        name = name if number == 1 else f"{name} {number}"
        partition = next((p for p in disk.partitions if p.number == entry.partition), None)
        where = Locator(source_name, partition.name if partition else entry.scope, entry.path)
        if entry.root_hash and not entry.verity_table:
            yield _bare_root_hash(f"{name} (roothash=)", entry.root_hash, job, where)
            continue
        try:
            table = parse_table(entry.verity_table)
        except FormatError as error:
            yield Statement(name, _nothing(), where, problems=(f"no usable verity table: {error}",))
            continue
        problems = tuple(_table_problems(table, job, entry, disk))
        yield Statement(name, table.parameters, where, binds_kernel=True, problems=problems)
    assert job.hashes is not None and job.hash is not None
    where = Locator(source_name, job.hash.name, None, job.hash.start)
    try:
        superblock = parse_superblock(job.hashes.read(0, SUPERBLOCK_SIZE))
        size = None if job.root is None else job.root.length
        remarks = ("padding of the verity superblock is not zero",) if superblock.has_dirty_padding else ()
        yield Statement("superblock", superblock.parameters("", data_size=size), where, remarks=remarks)
    except FormatError as error:
        yield Statement("superblock", _nothing(), where, problems=(str(error),))
        return
    yield from _signed_root_hash(job, disk, reader, source_name, superblock)


def _signed_root_hash(
    job: VerityJob, disk: DiskSummary, reader: Reader, source_name: str, superblock: Superblock
) -> Iterator[Statement]:
    """What a verity signature partition states: only a system that is told to ask for it is bound by it."""
    partition = next((p for p in disk.partitions if p.number == job.bank.signature), None)
    if partition is None or job.bank.signature is None:
        return
    from rocketaudit.formats.verity_signature import read_verity_signature

    name, where = "signature partition", Locator(source_name, partition.name, None, partition.start)
    try:
        signed = read_verity_signature(Window(reader, partition.start, partition.length))
    except FormatError as error:
        yield Statement(name, _nothing(), where, problems=(str(error),))
        return
    size = None if job.root is None else job.root.length
    remarks = ("its signature is not checked",)
    yield Statement(name, superblock.parameters(signed.root_hash, data_size=size), where, remarks=remarks)


def _bare_root_hash(name: str, root_hash: str, job: VerityJob, where: Locator) -> Statement:
    """A command line that states only the root hash: an initrd takes everything else from the superblock."""
    assert job.hashes is not None
    try:
        superblock = parse_superblock(job.hashes.read(0, SUPERBLOCK_SIZE))
        size = None if job.root is None else job.root.length
        return Statement(name, superblock.parameters(root_hash, data_size=size), where, binds_kernel=True)
    except FormatError as error:
        return Statement(name, _nothing(), where, problems=(str(error),))


def _entries(bank: Bank, disk: DiskSummary) -> list[BootEntry]:
    """The boot entries of a bank that name different tables; the default one first."""
    mine = [entry for entry in disk.boot_entries if entry.bank == bank.scope]
    mine.sort(key=lambda entry: not entry.is_default)
    unique: dict[str, BootEntry] = {}
    for entry in mine:
        unique.setdefault(entry.verity_table or entry.root_hash, entry)
    return list(unique.values())


def _table_problems(table: VerityTable, job: VerityJob, entry: BootEntry, disk: DiskSummary) -> Iterator[str]:
    parameters = table.parameters
    covered = parameters.data_blocks * parameters.data_block_size
    if table.start_sector or table.sectors * SECTOR != covered:
        yield f"the mapping has {table.sectors} sectors from {table.start_sector}, the tree covers {covered // SECTOR}"
    if table.flags and not table.is_read_only:
        yield f"the mapping is {table.flags}, not read-only"
    for option in parameters.options:
        if option.split(" ")[0] not in KNOWN_OPTIONS:
            yield f"unknown verity option {option[:40]!r}: the kernel refuses the table"
    mounted = [one.value or "" for one in parse_kernel_arguments(entry.command_line).kernel if one.name == "root"]
    if mounted and mounted[-1] not in ROOT_DEVICES | {f"/dev/mapper/{table.name}"}:
        yield f"the kernel mounts {mounted[-1][:60]!r} as its root, not the verity device"
    for what, device, partition in (("data", table.data_device, job.root), ("hash", table.hash_device, job.hash)):
        yield from _device_problems(what, device, partition, entry, disk)


def _device_problems(
    what: str, device: str, partition: Partition | None, entry: BootEntry, disk: DiskSummary
) -> Iterator[str]:
    match = _OFFSET.fullmatch(device)
    if match is None:
        yield f"the {what} device {device[:60]!r} is not given relative to a partition of this disk"
        return
    base = next((p for p in disk.partitions if p.number == entry.partition), None)
    uuid = match["uuid"]
    if uuid not in BOOT_VARIABLES and (base is None or uuid.lower() != base.unique_guid.lower()):
        base = next((p for p in disk.partitions if p.unique_guid.lower() == uuid.lower()), None)
    number = None if base is None else base.number + int(match["offset"])
    if partition is None or number != partition.number:
        yield f"the {what} device {device[:60]!r} is not the {what} partition of this bank"


def _nothing() -> VerityParameters:
    return VerityParameters(1, "", 0, 0, 0, "", "", 0)
