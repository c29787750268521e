"""What an image states about itself, taken from evidence: the other side of a signed manifest."""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.analysis.trust.manifest_chain import CHAIN, ImageClaims, ManifestChain
from rocketaudit.analysis.trust.tree_link import tree_link
from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.target import TargetKind
from rocketaudit.model.trust import RELEASED, ChainLink
from rocketaudit.model.verity import VerityParameters


def claims_of(evidence: Evidence, file_digests: Mapping[str, str] | None = None) -> ImageClaims:
    """Release and banks as the image states them; a populated bank without a boot text that binds it is left out."""
    named = ((released_scope(evidence, bank), stated_parameters(bank)) for bank in evidence.verity)
    banks = {scope: stated for scope, stated in named if scope and stated is not None}
    target = evidence.target
    return ImageClaims(target.variant, target.version, target.build, target.arch, banks, file_digests or {})


def stated_parameters(bank: BankVerity) -> VerityParameters | None:
    """What a kernel would enforce on a populated bank: the first statement that binds it."""
    if not bank.populated:
        return None
    return next((one.parameters for one in bank.statements if one.binds_kernel), None)


def released_scope(evidence: Evidence, bank: BankVerity) -> str:
    """What a release's manifest calls a bank; "" for one that it does not speak of.

    A release ships as bank-a of its image. A node may run it from either bank, and the other one holds another release.
    """
    if evidence.target.kind is not TargetKind.NODE:
        return bank.scope
    return RELEASED if bank.scope == evidence.judged else ""


def manifest_links(chain: ManifestChain, evidence: Evidence) -> tuple[ChainLink, ...]:
    """The links of a manifest, down to the recomputed tree of every bank that it signs."""
    if chain.manifest is None:
        return chain.links
    checks = {released_scope(evidence, bank): bank.check for bank in evidence.verity}
    trees = (
        tree_link(CHAIN, scope, signed, checks.get(scope)) for scope, signed in sorted(chain.manifest.banks.items())
    )
    return (*chain.links, *trees)
