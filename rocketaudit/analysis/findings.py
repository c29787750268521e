"""What a person should look at although no rule of a benchmark asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from rocketaudit.analysis.linking import shadowing_libraries
from rocketaudit.formats.release_version import release_numbers
from rocketaudit.model.disk import Bank
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.integrity import BadBlockReport, BankVerdict, Integrity, IntegrityVerdict
from rocketaudit.model.report import Finding
from rocketaudit.model.update import AnswerState
from rocketaudit.model.verdict import Severity

MAX_LISTED = 200

_UPDATES = {
    "release-offered": Severity.MEDIUM,
    "update-newer": Severity.LOW,
    "update-waves": Severity.LOW,
    "update-migrations": Severity.MEDIUM,
    "update-images": Severity.MEDIUM,
    "update-root": Severity.HIGH,
    "metadata-expiry": Severity.LOW,
}
_SEVERITY_ORDER = tuple(Severity)


def find_oddities(evidence: Evidence, integrity: Integrity) -> tuple[Finding, ...]:
    """All findings, the most severe first, then by id and place."""
    found = [
        *_integrity_findings(integrity),
        *_uncovered_bytes(evidence),
        *_disk_problems(evidence),
        *_bank_findings(evidence, integrity),
        *_boot_findings(evidence),
        *_update_findings(evidence, integrity),
        *_file_findings(evidence),
        *_library_findings(evidence),
    ]
    return tuple(sorted(found, key=lambda f: (_SEVERITY_ORDER.index(f.severity), f.id, str(f.where), f.detail)))


def _integrity_findings(integrity: Integrity) -> Iterable[Finding]:
    for bank in integrity.banks:
        if bank.populated and bank.verdict is IntegrityVerdict.BROKEN:
            yield Finding(
                "integrity-broken", Severity.CRITICAL, f"{bank.scope} is not what its hash tree says",
                Locator(partition=bank.scope), bank.why,
            )  # fmt: skip
    for block in integrity.bad_blocks[:MAX_LISTED]:
        yield Finding(
            "bad-block",
            Severity.CRITICAL,
            f"a {block.level} block does not match the hash tree",
            Locator(partition=block.scope, path=block.path, offset=block.offset),
            _in_block(block),
        )


def _in_block(block: BadBlockReport) -> str:
    """What is known of the block's content, in words."""
    inside = "" if block.offset_in_file is None else f"byte {block.offset_in_file} of the file"
    known = (("package", block.package), ("language", block.language))
    return ", ".join(filter(None, (block.what or inside, *(f"{name} {value}" for name, value in known if value))))


def _uncovered_bytes(evidence: Evidence) -> Iterable[Finding]:
    for bank in evidence.verity:
        for statement in bank.statements:
            for remark in statement.remarks:
                yield Finding("bytes-outside-tree", Severity.MEDIUM, remark, statement.where)
        check = bank.check
        if check is None:
            continue
        for slack in check.slack:
            yield Finding(
                "bytes-outside-tree",
                Severity.MEDIUM,
                f"{slack.count} bytes that no digest covers are not zero: {slack.what}",
                Locator(partition=bank.hash_partition, offset=slack.first),
                f"bytes {slack.first} to {slack.last}",
            )
        if check.hidden_total:
            yield Finding(
                "hidden-data",
                Severity.HIGH,
                f"{check.hidden_total} blocks hold data where the tree says zeros (ignore_zero_blocks hides them)",
                Locator(partition=bank.data_partition),
                f"data blocks {', '.join(map(str, check.hidden[:10]))}",
            )


def _disk_problems(evidence: Evidence) -> Iterable[Finding]:
    if evidence.disk is None:
        return
    disk = evidence.disk
    for problem in dict.fromkeys((*disk.container.problems, *disk.table.problems, *disk.problems)):
        where = Locator(evidence.target.name, problem.partition, None, problem.offset)
        if problem.in_doubt:
            yield Finding("image-in-doubt", Severity.HIGH, problem.what, where)
        else:
            yield Finding("disk-problem", Severity.MEDIUM, problem.what, where)
    for partition in disk.partitions:
        for warning in partition.warnings:
            where = Locator(evidence.target.name, partition.name or partition.scope, None, partition.start)
            yield Finding("file-system-warning", Severity.LOW, warning, where)


def _bank_findings(evidence: Evidence, integrity: Integrity) -> Iterable[Finding]:
    if evidence.disk is None:
        return
    verdicts = {bank.scope: bank for bank in integrity.banks}
    usable = [bank for bank in evidence.disk.banks if bank.will_boot]
    if len(evidence.disk.banks) > 1 and not usable:
        yield Finding("no-bank-boots", Severity.HIGH, "no bank is marked to boot", Locator(evidence.target.name))
    for bank in evidence.disk.banks:
        verdict = verdicts.get(bank.scope)
        where = Locator(evidence.target.name, bank.scope)
        if bank.will_boot and not bank.populated:
            yield Finding("empty-bank-boots", Severity.HIGH, "a bank that is empty is marked to boot", where)
        if bank.populated and not bank.boots_next and verdict is not None:
            yield from _rollback_finding(bank, verdict, where)
            yield from _older_finding(verdict, [one for one in integrity.banks if one.boots_next], where)


def _boot_findings(evidence: Evidence) -> Iterable[Finding]:
    """What makes a sound tree worth little: a kernel that does not enforce it, or code that runs before it."""
    for entry in evidence.disk.boot_entries if evidence.disk is not None else ():
        if entry.runs_first:
            title = "an initrd that no tree covers may run before the root is mounted"
            where = Locator(evidence.target.name, entry.scope, entry.path)
            yield Finding("initrd-runs-first", Severity.HIGH, title, where, entry.runs_first)
    for bank in evidence.verity:
        for statement in bank.statements:
            options, fec = statement.parameters.options, statement.parameters.fec
            if fec is not None:
                title = "the kernel repairs blocks by forward error correction, which was not tried here"
                detail = f"{fec.roots} roots on {fec.device}, {fec.blocks} blocks from block {fec.start_block}"
                yield Finding("verity-corrects-errors", Severity.INFO, title, statement.where, detail)
            if "ignore_corruption" in options:
                title = "the kernel only logs blocks that do not fit the tree (ignore_corruption)"
                yield Finding("verity-not-enforced", Severity.HIGH, title, statement.where, " ".join(options))
            elif "check_at_most_once" in options:
                title = "the kernel checks a block only when it is first read (check_at_most_once)"
                yield Finding("verity-checked-once", Severity.MEDIUM, title, statement.where, " ".join(options))


def _update_findings(evidence: Evidence, integrity: Integrity) -> Iterable[Finding]:
    for one in integrity.updates:
        if one.state is AnswerState.ATTENTION:
            where = Locator(evidence.target.name, one.scope, one.where or None)
            yield Finding(one.id, _UPDATES[one.id], f"update side: not so: {one.question}", where, one.answer)


def _rollback_finding(bank: Bank, verdict: BankVerdict, where: Locator) -> Iterable[Finding]:
    if verdict.verdict is IntegrityVerdict.UNKNOWN:
        yield Finding(
            "rollback-unverifiable", Severity.MEDIUM, "the inactive bank could not be verified", where, verdict.why
        )
    elif not bank.will_boot:
        yield Finding("bank-cannot-boot", Severity.LOW, "the inactive bank holds data but is not marked to boot", where)


def _older_finding(other: BankVerdict, booting: list[BankVerdict], where: Locator) -> Iterable[Finding]:
    """Which way a change of banks would go: the inactive one may be older, or what boots next may be."""
    for one in booting:
        now, then = release_numbers(one.version), release_numbers(other.version)
        if now is None or then is None or now == then:
            continue
        detail = f"{one.scope} boots next with {one.version}, {other.scope} holds {other.version}"
        if then < now:
            yield Finding("rollback-older", Severity.LOW, "rolling back would start an older release", where, detail)
        else:
            title = "what boots next is older than the release in the other bank"
            yield Finding("boots-older", Severity.MEDIUM, title, where, detail)


def _file_findings(evidence: Evidence) -> Iterable[Finding]:
    for record in evidence.files:
        where = Locator(evidence.target.name, record.scope, record.path)
        if record.content == "image":
            title = "a disk image inside the tree was not scanned"
            yield Finding("embedded-image", Severity.MEDIUM, title, where, f"{record.size} bytes")
        if record.content == "script" and record.scope == evidence.judged:
            yield Finding("script", Severity.LOW, f"a script for {record.interpreter or 'nobody'}", where)


def _library_findings(evidence: Evidence) -> Iterable[Finding]:
    for binary, link in islice(shadowing_libraries(evidence), MAX_LISTED):
        where = Locator(evidence.target.name, binary.scope, binary.path)
        title = "a program's own search path leads to another library than the system's"
        yield Finding("library-shadowed", Severity.LOW, title, where, f"{link.name}: {link.path} before {link.shadows}")
