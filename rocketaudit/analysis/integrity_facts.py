"""The integrity verdict as facts, so that rules can ask for it like for anything else."""

from __future__ import annotations

from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.integrity import BankVerdict, Integrity, IntegrityVerdict

IMAGE = "image"


def integrity_facts(integrity: Integrity) -> tuple[Fact, ...]:
    """`integrity:image#verdict` and, for every bank, `integrity:<bank>#verdict`, `#why`, `#populated`, `#odd_ones_out`.

    An unknown verdict is an unread fact with the analysis' own reason: it never looks like an answer.
    """
    facts = [_verdict(IMAGE, "", integrity.verdict, integrity.why)]
    facts += [fact for bank in integrity.banks for fact in _bank(bank)]
    facts.append(_fact(IMAGE, "bad_blocks", "", integrity.bad_blocks_total))
    return tuple(facts)


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
