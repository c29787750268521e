"""Identity, partitions, banks and boot entries."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from rocketaudit.analysis.drift.sides import Sides, difference, not_comparable, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.disk import Bank, BootEntry, DiskSummary, Partition, PartitionTable
from rocketaudit.model.fact import JsonValue, Locator

_BANK_BITS = 0x1FF << 48  # priority 48-51, tries 52-55, successful 56: told as the bank's
Places = tuple[Locator, Locator]


def compare_identity(sides: Sides) -> Iterator[Change]:
    """What the two targets say they are."""
    one, two = sides.before.target, sides.after.target
    for name in ("os_id", "os_name", "variant", "version", "build", "arch", "layout", "kernel_version"):
        left, right = getattr(one, name), getattr(two, name)
        if not sides.same_kind and (name == "layout" or not (left and right)):
            continue
        yield from difference("identity", "release", name, left or None, right or None, sides.where)


def compare_disks(sides: Sides) -> Iterator[Change]:
    """Partitions, banks with their GPT bits, and boot entries; only where both sides have a disk at hand."""
    one, two = sides.before.disk, sides.after.disk
    where = sides.where
    if one is None or two is None:
        if one is not two and sides.same_kind:
            yield unreadable("partitions", "disk", "table", None, None, where, "one side has no partition table")
        elif one is not two:
            why = "one side has no disk at hand"
            yield from (not_comparable(area, "disk", "all", where, why) for area in ("partitions", "banks", "boot"))
        return
    one, two = _as_shipped(one), _as_shipped(two)
    yield from _tables(one, two, where)
    yield from _partitions(one, two, where)
    yield from _banks(one, two, where)
    yield from _boots(one, two, where)


def _as_shipped(disk: DiskSummary) -> DiskSummary:
    """A node calls the bank that it runs from "node": here it has the name that an image gives it."""
    names = {bank.scope: f"bank-{bank.name}" for bank in disk.banks if bank.scope == "node"}
    if not names:
        return disk
    banks = tuple(replace(bank, scope=names.get(bank.scope, bank.scope)) for bank in disk.banks)
    entries = tuple(replace(entry, bank=names.get(entry.bank, entry.bank)) for entry in disk.boot_entries)
    return replace(disk, banks=banks, boot_entries=entries)


def _tables(one: DiskSummary, two: DiskSummary, where: Places) -> Iterator[Change]:
    left, right = one.table, two.table
    yield from difference("partitions", "table", "kind", left.kind.value, right.kind.value, where)
    for name in ("disk_guid", "sector_size", "used_backup"):
        yield from difference("partitions", "table", name, getattr(left, name), getattr(right, name), where)
    yield from difference("partitions", "table", "problems", _problems(one, left), _problems(two, right), where)


def _problems(disk: DiskSummary, table: PartitionTable) -> JsonValue:
    found = (*table.problems, *disk.problems)
    places = (
        (p.what, p.partition, "" if p.offset is None else f"byte {p.offset}", "(in doubt)" if p.in_doubt else "")
        for p in found
    )
    return tuple(" ".join(part for part in texts if part) for texts in places) or None


def _partitions(one: DiskSummary, two: DiskSummary, where: Places) -> Iterator[Change]:
    old = {partition.number: partition for partition in one.partitions}
    new = {partition.number: partition for partition in two.partitions}
    for number in sorted(old.keys() | new.keys()):
        left, right = old.get(number), new.get(number)
        names = {partition.name for partition in (left, right) if partition is not None}
        subject = f"{number} {names.pop()}" if len(names) == 1 else str(number)
        if left is None or right is None:
            yield from difference("partitions", subject, "partition", _text(left), _text(right), where)
            continue
        for name in ("name", "type_guid", "unique_guid", "start", "length", "label", "uuid", "features", "detail"):
            yield from difference("partitions", subject, name, getattr(left, name), getattr(right, name), where)
        yield from difference("partitions", subject, "content", left.content.value, right.content.value, where)
        yield from difference("partitions", subject, "warnings", left.warnings, right.warnings, where)
        yield from difference("partitions", subject, "attributes", _attributes(left), _attributes(right), where)


def _attributes(partition: Partition) -> str:
    bits = partition.attributes & ~_BANK_BITS if partition.scope.startswith("boot") else partition.attributes
    return f"{bits:#018x}"


def _text(partition: Partition | None) -> JsonValue:
    return None if partition is None else f"{partition.type_guid} {partition.start}+{partition.length}"


def _banks(one: DiskSummary, two: DiskSummary, where: Places) -> Iterator[Change]:
    old = {bank.scope: bank for bank in one.banks}
    new = {bank.scope: bank for bank in two.banks}
    for scope in sorted(old.keys() | new.keys()):
        left, right = old.get(scope), new.get(scope)
        if left is None or right is None:
            yield from difference("banks", scope, "bank", _bits(left), _bits(right), where)
            continue
        yield from difference("banks", scope, "state", _bits(left), _bits(right), where)
        yield from difference("banks", scope, "populated", left.populated, right.populated, where)
        yield from difference("banks", scope, "partitions", _numbers(left), _numbers(right), where)


def _bits(bank: Bank | None) -> JsonValue:
    if bank is None:
        return None
    return {
        "priority": bank.priority,
        "tries_left": bank.tries_left,
        "successful": bank.successful,
        "boots_next": bank.boots_next,
        "will_boot": bank.will_boot,
    }


def _numbers(bank: Bank) -> JsonValue:
    names = ("boot", "root", "hash", "efi", "signature")
    return {name: number for name in names if (number := getattr(bank, name)) is not None}


def _boots(one: DiskSummary, two: DiskSummary, where: Places) -> Iterator[Change]:
    for name, left, right in _paired(one.boot_entries, two.boot_entries):
        if left is None or right is None:
            yield from difference("boot", name, "entry", _command(left), _command(right), where)
            continue
        for attribute in ("title", "verity_table", "kernel_path", "initrd_paths", "kernel_version", "bank",
                          "is_default", "partition", "root_hash", "undecided", "runs_first"):  # fmt: skip
            yield from difference("boot", name, attribute, getattr(left, attribute), getattr(right, attribute), where)
        yield from difference("boot", name, "kind", left.kind.value, right.kind.value, where)
        if left.command_line != right.command_line:
            yield from difference("boot", name, "command_line", without_table(left), without_table(right), where)


def _paired(
    one: tuple[BootEntry, ...], two: tuple[BootEntry, ...]
) -> Iterator[tuple[str, BootEntry | None, BootEntry | None]]:
    """Entries of the same file by their titles; what is left over, in their order."""
    before, after = _by_file(one), _by_file(two)
    for scope, path in sorted(before.keys() | after.keys()):
        old, new = before.get((scope, path), []), after.get((scope, path), [])
        titled: defaultdict[str, deque[int]] = defaultdict(deque)
        for index, entry in enumerate(new):
            titled[entry.title].append(index)
        matched = [titled[entry.title].popleft() if titled.get(entry.title) else None for entry in old]
        pairs: list[tuple[BootEntry | None, BootEntry | None]] = [
            (entry, new[index]) for entry, index in zip(old, matched, strict=True) if index is not None
        ]
        taken = set(matched)
        rest = [entry for entry, index in zip(old, matched, strict=True) if index is None]
        pairs += zip_longest(rest, [entry for index, entry in enumerate(new) if index not in taken])
        for number, (left, right) in enumerate(pairs):
            name = f"{scope}:{path}"
            yield (name if number == 0 else f"{name} ({number + 1})"), left, right


def _by_file(entries: tuple[BootEntry, ...]) -> dict[tuple[str, str], list[BootEntry]]:
    found: defaultdict[tuple[str, str], list[BootEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.scope, entry.path].append(entry)
    return found


def _command(entry: BootEntry | None) -> JsonValue:
    return None if entry is None else entry.command_line


def without_table(entry: BootEntry) -> str:
    """The command line with the verity table taken out, which is compared by itself."""
    return entry.command_line.replace(entry.verity_table, "...") if entry.verity_table else entry.command_line
