"""Identity, partitions, banks, boot text and verity trees."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.analysis.drift.sides import Sides, difference, place, unreadable
from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.change import Change
from rocketaudit.model.disk import Bank, BootEntry, DiskSummary, Partition
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.target import TargetKind


def compare_identity(sides: Sides) -> Iterator[Change]:
    """What the two targets say they are."""
    one, two = sides.before.target, sides.after.target
    where = (Locator(one.name), Locator(two.name))
    for name in ("os_id", "os_name", "variant", "version", "build", "arch", "layout"):
        left, right = getattr(one, name), getattr(two, name)
        if name == "layout" and one.kind is not two.kind:
            continue
        yield from difference("identity", "release", name, left or None, right or None, where)


def compare_disks(sides: Sides) -> Iterator[Change]:
    """Partitions, banks with their GPT bits, and boot entries; only where both sides have a disk at hand."""
    one, two = sides.before.disk, sides.after.disk
    where = (Locator(sides.before.target.name), Locator(sides.after.target.name))
    if one is None or two is None:
        if one is not two and sides.before.target.kind is sides.after.target.kind:
            yield unreadable("partitions", "disk", "table", None, None, where, "one side has no partition table")
        return
    yield from difference("partitions", "table", "kind", one.table.kind.value, two.table.kind.value, where)
    yield from difference("partitions", "table", "disk_guid", one.table.disk_guid, two.table.disk_guid, where)
    yield from _partitions(one, two, where)
    yield from _banks(one, two, where)
    yield from _boots(one, two, where)


def _partitions(one: DiskSummary, two: DiskSummary, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old = {partition.number: partition for partition in one.partitions}
    new = {partition.number: partition for partition in two.partitions}
    for number in sorted(old.keys() | new.keys()):
        left, right = old.get(number), new.get(number)
        known = right or left
        subject = f"{number} {known.name or known.scope}" if known else str(number)
        if left is None or right is None:
            yield from difference("partitions", subject, "partition", _text(left), _text(right), where)
            continue
        for name in ("name", "type_guid", "unique_guid", "start", "length", "label", "uuid"):
            yield from difference("partitions", subject, name, getattr(left, name), getattr(right, name), where)
        yield from difference("partitions", subject, "content", left.content.value, right.content.value, where)
        if not left.scope.startswith("boot"):  # the boot partitions' bits are told as the bank's
            yield from difference("partitions", subject, "attributes", left.attributes, right.attributes, where)


def _text(partition: Partition | None) -> JsonValue:
    return None if partition is None else f"{partition.type_guid} {partition.start}+{partition.length}"


def _banks(one: DiskSummary, two: DiskSummary, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old = {bank.scope: bank for bank in one.banks}
    new = {bank.scope: bank for bank in two.banks}
    for scope in sorted(old.keys() | new.keys()):
        yield from difference("banks", scope, "state", _bits(old.get(scope)), _bits(new.get(scope)), where)


def _bits(bank: Bank | None) -> JsonValue:
    if bank is None:
        return None
    return {
        "priority": bank.priority,
        "tries_left": bank.tries_left,
        "successful": bank.successful,
        "populated": bank.populated,
    }


def _boots(one: DiskSummary, two: DiskSummary, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old, new = _entries(one), _entries(two)
    for name in sorted(old.keys() | new.keys()):
        left, right = old.get(name), new.get(name)
        if left is None or right is None:
            yield from difference("boot", name, "entry", _command(left), _command(right), where)
            continue
        for attribute in ("command_line", "verity_table", "kernel_path", "initrd_paths", "kernel_version"):
            before, after = getattr(left, attribute), getattr(right, attribute)
            if attribute == "command_line":
                before, after = _without_table(left), _without_table(right)
            yield from difference("boot", name, attribute, before, after, where)


def _entries(disk: DiskSummary) -> dict[str, BootEntry]:
    found: dict[str, BootEntry] = {}
    for entry in disk.boot_entries:
        name = f"{entry.scope}:{entry.path} {entry.title}".strip()
        found.setdefault(name if name not in found else f"{name} ({len(found)})", entry)
    return found


def _command(entry: BootEntry | None) -> JsonValue:
    return None if entry is None else entry.command_line


def _without_table(entry: BootEntry) -> str:
    """The command line with the verity table taken out, which is compared by itself."""
    return entry.command_line.replace(entry.verity_table, "...") if entry.verity_table else entry.command_line


def compare_verity(sides: Sides) -> Iterator[Change]:
    """What each bank's tree is stated to be, and whether it holds."""
    one = {bank.scope: bank for bank in sides.before.verity}
    two = {bank.scope: bank for bank in sides.after.verity}
    both_images = sides.before.target.kind is sides.after.target.kind is TargetKind.IMAGE
    pairs = [(label, before, after) for label, before, after in sides.scopes if before in one or after in two]
    for label, before, after in pairs:
        left, right = one.get(before or ""), two.get(after or "")
        where = (place(sides.before, before), place(sides.after, after))
        if left is None or right is None:
            if both_images:
                yield from difference("integrity", label, "tree", _state(left), _state(right), where)
            elif left is not None or right is not None:
                yield unreadable("integrity", label, "tree", None, None, where, "one side has no verity tree at hand")
            continue
        yield from _statements(label, left, right, where)
        yield from _check(label, left, right, where)


def _statements(label: str, left: BankVerity, right: BankVerity, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old = {statement.source: statement for statement in left.statements}
    new = {statement.source: statement for statement in right.statements}
    for source in sorted(old.keys() | new.keys()):
        before, after = old.get(source), new.get(source)
        if before is None or after is None:
            old_text = None if before is None else str(before.parameters)
            new_text = None if after is None else str(after.parameters)
            yield from difference("integrity", f"{label}:{source}", "statement", old_text, new_text, where)
            continue
        for name in ("root_hash", "salt", "algorithm", "hash_type", "data_blocks", "data_block_size",
                     "hash_block_size", "hash_start_block", "options"):  # fmt: skip
            values = getattr(before.parameters, name), getattr(after.parameters, name)
            yield from difference("integrity", f"{label}:{source}", name, *values, where)
        yield from difference("integrity", f"{label}:{source}", "problems", before.problems, after.problems, where)


def _check(label: str, left: BankVerity, right: BankVerity, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old, new = left.check, right.check
    if old is None or new is None:
        if left.populated and right.populated and (old is not new or left.unread != right.unread):
            why = left.unread or right.unread or "not recomputed"
            yield unreadable("integrity", label, "recomputed tree", _state(left), _state(right), where, why)
        return
    yield from difference("integrity", label, "verdict", old.verdict.value, new.verdict.value, where)
    if old.bad_blocks_total != new.bad_blocks_total or old.bad_blocks != new.bad_blocks:
        yield from difference("integrity", label, "bad_blocks", _bad(left), _bad(right), where)


def _bad(bank: BankVerity) -> JsonValue:
    if bank.check is None or not bank.check.bad_blocks_total:
        return None
    return {
        "total": bank.check.bad_blocks_total,
        "first": tuple(f"{block.level} {block.block}" for block in bank.check.bad_blocks[:8]),
    }


def _state(bank: BankVerity | None) -> JsonValue:
    if bank is None:
        return None
    return "empty" if not bank.populated else "unread" if bank.check is None else bank.check.verdict.value


def compare_blobs(sides: Sides) -> Iterator[Change]:
    """Signed texts and signatures, byte by byte."""
    old, new = _blobs(sides.before), _blobs(sides.after)
    both_images = sides.before.target.kind is sides.after.target.kind
    for name in sorted(old.keys() | new.keys()):
        left, right = old.get(name), new.get(name)
        if (left is None or right is None) and not both_images:
            continue
        where = (Locator(sides.before.target.name), Locator(sides.after.target.name))
        yield from difference("signed texts", name, "bytes", left, right, where)


def _blobs(evidence: Evidence) -> dict[str, JsonValue]:
    return {f"{blob.scope}:{blob.name}": blob.data for blob in evidence.blobs}
