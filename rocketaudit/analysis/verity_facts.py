"""What a bank's boot files, superblock and recomputed tree say of dm-verity, as facts that rules can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.model.bank_verity import BankVerity, Statement
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.target import TargetKind

ASPECTS = ("algorithm", "salt_bytes", "on_corruption", "check", "agree", "data_blocks", "slack", "block_sizes")
_COMPARED = ("hash_type", "algorithm", "data_block_size", "hash_block_size", "data_blocks", "salt", "root_hash")


def verity_facts(evidence: Evidence) -> tuple[Fact, ...]:
    """`verity:root#...` for every bank; a bank that nothing states a tree for has facts that are absent."""
    facts = tuple(fact for bank in evidence.verity for fact in _bank_facts(bank, evidence.target.name))
    if evidence.target.kind is not TargetKind.NODE:
        return facts
    # of the running bank the kernel's own statements are part of what was compared: the facts hold on both planes
    return facts + tuple(replace(fact, plane=Plane.RUNTIME) for fact in facts if fact.scope == evidence.judged)


def _bank_facts(bank: BankVerity, source: str) -> Iterator[Fact]:
    place = Locator(source, bank.data_partition or bank.scope)
    if not bank.populated:
        for aspect in ASPECTS:
            yield _fact(bank, aspect, State.UNREAD, place, reason="the bank is empty")
        return
    booted = next((one for one in bank.statements if one.binds_kernel), None)
    if booted is None:
        for aspect in ("algorithm", "salt_bytes", "on_corruption", "data_blocks", "block_sizes"):
            yield _fact(bank, aspect, State.ABSENT, place)
    else:
        yield from _stated(bank, booted)
    yield _agreement(bank, place)
    if bank.check is None:
        yield _fact(bank, "check", State.UNREAD, place, reason=bank.unread or "the tree was not recomputed")
    else:
        yield _fact(bank, "check", State.PRESENT, place, bank.check.verdict.value)
    if bank.check is None and not bank.slack:
        yield _fact(bank, "slack", State.UNREAD, place, reason=bank.unread or "nobody looked behind the tree")
    else:
        checked = bank.check.slack if bank.check is not None else ()
        yield _fact(bank, "slack", State.PRESENT, place, len({*bank.slack, *(str(one) for one in checked)}))


def _stated(bank: BankVerity, booted: Statement) -> Iterator[Fact]:
    given = booted.parameters
    values: tuple[tuple[str, JsonValue], ...] = (
        ("algorithm", given.algorithm),
        ("salt_bytes", len(given.salt.removeprefix("-")) // 2),
        ("on_corruption", given.on_corruption),
        ("data_blocks", given.data_blocks),
        ("block_sizes", f"{given.data_block_size}/{given.hash_block_size}"),
    )
    for name, value in values:
        yield _fact(bank, name, State.PRESENT, booted.where, value)


def _agreement(bank: BankVerity, place: Locator) -> Fact:
    """Whether all statements give the same parameters; with a single one there is nothing to compare."""
    if len(bank.statements) < 2:
        reason = "only one place states the tree" if bank.statements else "no place states a tree"
        return _fact(bank, "agree", State.UNREAD, place, reason=reason)
    differing = []
    for name in _COMPARED:
        known = {value for one in bank.statements if (value := getattr(one.parameters, name)) not in ("", 0, None)}
        if len(known) > 1:
            differing.append(name)
    return _fact(bank, "agree", State.PRESENT, place, ", ".join(differing) or "yes")


def _fact(
    bank: BankVerity, aspect: str, state: State, where: Locator, value: JsonValue = None, *, reason: str = ""
) -> Fact:
    return Fact(Key("verity", ("root",), aspect), Plane.STATIC, state, where, value, reason, bank.scope)
