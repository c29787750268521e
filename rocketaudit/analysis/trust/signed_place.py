"""A signed manifest as one more place that states the parameters of every bank's tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rocketaudit.analysis.trust.image_claims import claims_of, released_scope
from rocketaudit.analysis.trust.manifest_chain import manifest_chain
from rocketaudit.model.bank_verity import BankVerity, Statement
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.trust import Anchor

SOURCE = "signed manifest"


def with_signed_place(evidence: Evidence, keys: Sequence[Anchor], manifest: bytes, as_of: datetime) -> Evidence:
    """The evidence with what a given key signed beside what was found; the same evidence when no key signed it."""
    signed = manifest_chain(keys, manifest, claims_of(evidence), as_of=as_of).manifest
    if signed is None:
        return evidence

    def stated(bank: BankVerity) -> BankVerity:
        parameters = signed.banks.get(released_scope(evidence, bank))
        if parameters is None or not bank.populated:
            return bank
        statement = Statement(SOURCE, parameters, Locator(SOURCE, bank.scope))
        return replace(bank, statements=(*bank.statements, statement))

    return replace(evidence, verity=tuple(map(stated, evidence.verity)), _facts={}, _files={}, _children={})
