"""Judges integrity: do all places agree, does the recomputed tree bear them out, and who vouches for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rocketaudit.analysis.ownership import owners as owners_of_files
from rocketaudit.model.bank_verity import BankVerity, BlockOwner
from rocketaudit.model.disk import Bank
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Locator, Plane, State
from rocketaudit.model.integrity import BadBlockReport, BankVerdict, Integrity, IntegrityVerdict, Place
from rocketaudit.model.target import TargetKind
from rocketaudit.model.trust import IMAGE_LINK, RELEASED, ROOT_HASH_LINK, ChainLink, LinkState, first_failure, holds
from rocketaudit.model.verity import BadBlock, TreeCheck, TreeVerdict, VerityParameters

COMPARED = (
    "root_hash",
    "algorithm",
    "salt",
    "data_blocks",
    "data_block_size",
    "hash_block_size",
    "hash_type",
    "hash_start_block",
)
TREE = "recomputed tree"
UNCOVERED = (
    "superblock UUID and padding: no digest covers them",
    "bytes of the HASH partition behind the tree and of ROOT behind its last block: no digest covers them",
    "text of grub.cfg other than the verity table, kernel, EFI and PRIVATE partitions: only signatures cover them",
)


def judge_integrity(evidence: Evidence, chain: Sequence[ChainLink] = ()) -> Integrity:
    """The verdict over all populated banks and the chain of trust; without a bank to check it is unknown."""
    banks = tuple(_judge_bank(evidence, bank) for bank in evidence.verity)
    places = tuple(place for bank in evidence.verity for place in _places(bank))
    bad = tuple(report for bank in evidence.verity for report in _bad_blocks(evidence, bank))
    total = sum(bank.check.bad_blocks_total for bank in evidence.verity if bank.check is not None)
    verdict, why = _combine(evidence, banks, chain)
    if verdict is IntegrityVerdict.VERIFIED:
        signed = _signed(evidence, chain)
        banks = tuple(_vouched(bank) if bank.populated and bank.scope in signed else bank for bank in banks)
    uncovered = UNCOVERED if evidence.verity else ()
    return Integrity(verdict, why, banks, places, tuple(chain), bad, total, uncovered)


def _combine(
    evidence: Evidence, banks: tuple[BankVerdict, ...], chain: Sequence[ChainLink]
) -> tuple[IntegrityVerdict, str]:
    used = tuple(bank for bank in banks if bank.populated)
    if not used:
        return IntegrityVerdict.UNKNOWN, f"{evidence.target.kind} holds no bank with a verity tree to check"
    for wanted in (IntegrityVerdict.BROKEN, IntegrityVerdict.UNKNOWN):
        hits = tuple(bank for bank in used if bank.verdict is wanted)
        if hits:
            return wanted, "; ".join(f"{bank.scope}: {bank.why}" for bank in hits)
    if not chain:
        return (
            IntegrityVerdict.CONSISTENT_UNSIGNED,
            "all places agree with the recomputed tree; no trust anchor was given",
        )
    failed = first_failure(chain)
    if failed is None and holds(chain):
        return IntegrityVerdict.VERIFIED, "a chain from your anchor reaches the recomputed tree"
    if failed is not None and failed.state is LinkState.BROKEN:
        return IntegrityVerdict.BROKEN, f"chain of trust: {failed.name}: {failed.why}"
    reason = "nothing was checked" if failed is None else f"{failed.name}: {failed.why}"
    return IntegrityVerdict.UNKNOWN, f"chain of trust: {reason}"


def _signed(evidence: Evidence, chain: Sequence[ChainLink]) -> set[str]:
    """Banks that a chain which holds ends at: by a signed root hash, or since the whole image is signed."""
    verified = [link for link in chain if link.state is LinkState.VERIFIED]
    if any(link.name == IMAGE_LINK for link in verified):
        return {bank.scope for bank in evidence.verity}
    found = {link.where for link in verified if ROOT_HASH_LINK in link.name}
    if evidence.target.kind is TargetKind.NODE and RELEASED in found:
        found = (found - {RELEASED}) | {evidence.judged}  # a release ships as bank-a, a node runs it from either
    return found


def _vouched(bank: BankVerdict) -> BankVerdict:
    return replace(bank, verdict=IntegrityVerdict.VERIFIED, why="a chain from your anchor reaches its recomputed tree")


def _judge_bank(evidence: Evidence, bank: BankVerity) -> BankVerdict:
    stated = _stated_root(bank)
    known = _bank_of(evidence, bank.scope)
    version = _version(evidence, bank.scope)
    boots_next = known is not None and known.boots_next

    def verdict(kind: IntegrityVerdict, why: str, odd: tuple[str, ...] = ()) -> BankVerdict:
        return BankVerdict(bank.scope, kind, why, stated, bank.populated, boots_next, version, odd)

    if not bank.populated:
        return verdict(IntegrityVerdict.UNKNOWN, "empty")
    problems = _statement_problems(bank)
    odd = _odd_ones_out(bank)
    check = bank.check
    if odd:
        problems.append(f"{' and '.join(odd)} disagree{'s' if len(odd) == 1 else ''} with the other places")
    if check is not None and check.verdict is TreeVerdict.CORRUPT:
        problems.append(_describe_damage(check))
    if problems:
        return verdict(IntegrityVerdict.BROKEN, "; ".join(problems), odd)
    if bank.unread is not None or check is None or check.verdict is TreeVerdict.UNREAD:
        return verdict(IntegrityVerdict.UNKNOWN, bank.unread or _unread_reason(check))
    return verdict(IntegrityVerdict.CONSISTENT_UNSIGNED, "boot text, superblock and recomputed tree agree")


def _statement_problems(bank: BankVerity) -> list[str]:
    problems = [f"{one.source}: {problem}" for one in bank.statements for problem in one.problems]
    if not any(statement.binds_kernel for statement in bank.statements) and bank.unread is None:
        problems.append("no boot text puts a verity tree under this root")
    return problems


def _odd_ones_out(bank: BankVerity) -> tuple[str, ...]:
    odd: dict[str, None] = {}
    for parameter in COMPARED:
        values = _values(bank, parameter)
        if len(set(values.values())) < 2:
            continue
        truth = _truth(bank, parameter, values)
        odd.update((name, None) for name, value in values.items() if value not in truth)
    return tuple(odd)


def _truth(bank: BankVerity, parameter: str, values: dict[str, str]) -> set[str]:
    """The values that the stored tree bears out; none when it bears out nobody, or both sides."""
    if parameter == "root_hash":
        rebuilt = values.get(TREE)
        if rebuilt is None or rebuilt == bank.stored_root:
            return {rebuilt} if rebuilt else set()
        return {value for value in values.values() if value == bank.stored_root} or {
            value for name, value in values.items() if name != TREE
        }
    vouched = {values[name] for name in bank.tree_matches if name in values}
    return vouched if len(vouched) == 1 else set()


def _values(bank: BankVerity, parameter: str) -> dict[str, str]:
    values = {s.source: _text(s.parameters, parameter) for s in bank.statements}
    if bank.check is not None and parameter == "root_hash" and bank.check.recomputed_root_hash is not None:
        values[TREE] = bank.check.recomputed_root_hash
    return {name: value for name, value in values.items() if value}


def _text(parameters: VerityParameters, parameter: str) -> str:
    value = getattr(parameters, parameter)
    return "-" if parameter == "salt" and not value else str(value)


def _places(bank: BankVerity) -> Iterable[Place]:
    odd = set(_odd_ones_out(bank))
    for parameter in COMPARED:
        values = _values(bank, parameter)
        disputed = len(set(values.values())) > 1
        for statement in bank.statements:
            if statement.source in values:
                agrees = None if len(values) < 2 else not (disputed and statement.source in odd)
                text = values[statement.source]
                yield Place(bank.scope, statement.source, parameter, text, statement.where, agrees)
        if TREE in values:
            agrees = None if len(values) < 2 else not disputed or TREE not in odd
            where = Locator(partition=bank.data_partition)
            yield Place(bank.scope, TREE, parameter, values[TREE], where, agrees)


def _describe_damage(check: TreeCheck) -> str:
    total = check.bad_blocks_total
    blocks = "1 block is" if total == 1 else f"{total} blocks are"
    if check.first_bad_position is None:
        return f"{blocks} not what the tree says"
    where = f"byte {check.first_bad_position} of the {check.first_bad_on} device"
    return f"{blocks} not what the tree says, the first at {where}"


def _unread_reason(check: TreeCheck | None) -> str:
    if check is None:
        return "the tree was not recomputed"
    return (
        "; ".join(f"data blocks {r.first} to {r.last}: {r.reason}" for r in check.unread[:3])
        or "not everything was read"
    )


def _bad_blocks(evidence: Evidence, bank: BankVerity) -> Iterable[BadBlockReport]:
    if bank.check is None or not bank.check.bad_blocks:
        return
    packages = owners_of_files(evidence, bank.scope)
    languages = {one.path: one.language.value for one in evidence.binaries if one.scope == bank.scope}
    owners: dict[tuple[str, int], list[BlockOwner]] = {}
    for owner in bank.owners:
        owners.setdefault((owner.level, owner.block), []).append(owner)
    for block in bank.check.bad_blocks:
        for report in _reports(bank, block, owners.get((block.level, block.block), [])):
            package = packages.get(report.path or "")
            language = languages.get(report.path or "")
            yield replace(report, package=None if package is None else package.package, language=language)


def _reports(bank: BankVerity, block: BadBlock, owners: list[BlockOwner]) -> Iterable[BadBlockReport]:
    base = bank.data_start if block.level == "data" else bank.hash_start
    offset = base + block.offset
    if not owners:
        yield BadBlockReport(bank.scope, block.level, block.block, offset, block.length, what=block.why)
    for owner in owners:
        yield BadBlockReport(
            bank.scope,
            block.level,
            block.block,
            offset,
            block.length,
            owner.path,
            owner.offset_in_file,
            None,
            owner.what or block.why,
        )


def _stated_root(bank: BankVerity) -> str | None:
    return next((s.parameters.root_hash for s in bank.statements if s.parameters.root_hash), None)


def _bank_of(evidence: Evidence, scope: str) -> Bank | None:
    banks = evidence.disk.banks if evidence.disk is not None else ()
    return next((bank for bank in banks if bank.scope == scope), None)


def _version(evidence: Evidence, scope: str) -> str:
    fact = evidence.get(Key("os_release", ("VERSION_ID",)), Plane.STATIC, scope)
    return str(fact.value) if fact.state is State.PRESENT else ""
