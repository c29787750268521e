"""The integrity verdict as facts, so that rules can ask for it like for anything else."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.model.fact import Assurance, Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.integrity import BankVerdict, Integrity, IntegrityVerdict

IMAGE = "image"


def integrity_facts(integrity: Integrity, assurance: Assurance = Assurance.DIRECT) -> tuple[Fact, ...]:
    """`integrity:image#verdict` and, for every bank, `integrity:<bank>#verdict`, `#why`, `#populated`, `#odd_ones_out`.

    An unknown verdict is an unread fact with the analysis' own reason: it never looks like an answer. Nor does a
    verified one that follows only from what somebody asserts.
    """
    told = integrity if assurance is not Assurance.ASSERTED else _asserted(integrity)
    facts = [_verdict(IMAGE, "", told.verdict, told.why)]
    facts += [fact for bank in told.banks for fact in _bank(bank)]
    facts.append(_fact(IMAGE, "bad_blocks", "", integrity.bad_blocks_total))
    return tuple(facts)


def _asserted(integrity: Integrity) -> Integrity:
    """What may be said when nobody whom the user trusts read the bytes."""
    why = "verified by what an unsigned source asserts: nobody trusted read the bytes"
    banks = tuple(
        replace(bank, verdict=IntegrityVerdict.UNKNOWN, why=why) if bank.verdict is IntegrityVerdict.VERIFIED else bank
        for bank in integrity.banks
    )
    if integrity.verdict is not IntegrityVerdict.VERIFIED:
        return replace(integrity, banks=banks)
    return replace(integrity, verdict=IntegrityVerdict.UNKNOWN, why=why, banks=banks)


def _bank(bank: BankVerdict) -> tuple[Fact, ...]:
    values: tuple[tuple[str, JsonValue], ...] = (
        ("why", bank.why),
        ("populated", bank.populated),
        ("boots_next", bank.boots_next),
        ("root_hash", bank.root_hash),
        ("odd_ones_out", bank.odd_ones_out),
    )
    facts = [_fact(bank.scope, name, bank.scope, value) for name, value in values if value is not None]
    return (_verdict(bank.scope, bank.scope, bank.verdict, bank.why), *facts)


def _verdict(subject: str, scope: str, verdict: IntegrityVerdict, why: str) -> Fact:
    if verdict is IntegrityVerdict.UNKNOWN:
        key = Key("integrity", (subject,), "verdict")
        return Fact(key, Plane.STATIC, State.UNREAD, Locator("analysis"), reason=why or "not decided", scope=scope)
    return _fact(subject, "verdict", scope, verdict.value)


def _fact(subject: str, attribute: str, scope: str, value: JsonValue) -> Fact:
    return Fact(
        Key("integrity", (subject,), attribute), Plane.STATIC, State.PRESENT, Locator("analysis"), value, "", scope
    )
