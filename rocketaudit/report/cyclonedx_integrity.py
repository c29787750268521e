"""What integrity analysis says of each bank, as a standard of our own words: is it whole, and who vouches for it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from rocketaudit.model.component import Component
from rocketaudit.model.integrity import BankVerdict, IntegrityVerdict
from rocketaudit.model.report import Report
from rocketaudit.model.trust import ChainLink, LinkState
from rocketaudit.report.document import timestamp

STANDARD = "standard:rocketaudit-integrity"
WHOLE, VOUCHED = "hash-tree", "chain-of-trust"
_TITLES = {
    WHOLE: "The recomputed hash tree is the one that every place states",
    VOUCHED: "A chain from a trust anchor of the user reaches the root hash",
}


def integrity_standard(report: Report) -> dict[str, Any]:
    """Two requirements for each bank that holds something."""
    return {
        "bom-ref": STANDARD,
        "name": "Integrity of the root file system",
        "version": report.tool.version,
        "description": "What dm-verity and the signatures above it can show of the root file system.",
        "requirements": [
            {"bom-ref": _ref("requirement", bank, kind), "identifier": f"{kind}-{bank.scope}", "title": _TITLES[kind]}
            for bank, kind in _asked(report)
        ],
    }


def integrity_attestation(report: Report, assessor: str) -> dict[str, Any]:
    """Which requirement holds; one that nobody could decide has no score."""
    return {
        "summary": f"Integrity: {report.integrity.verdict.value.replace('_', ' ')}",
        "assessor": assessor,
        "map": [_map(report, bank, kind) for bank, kind in _asked(report)],
    }


def integrity_claims(report: Report, root: Component) -> Iterator[dict[str, Any]]:
    """A claim for what holds, a claim of the contrary for what does not."""
    for bank, kind in _asked(report):
        score = _score(report, bank, kind)
        if score is not None:
            yield {
                "bom-ref": _ref("claim", bank, kind),
                "target": f"target:{root.ref}",
                "predicate": f"{bank.scope}: {_TITLES[kind] if score else f'It does not hold: {_TITLES[kind]}'}",
                "reasoning": bank.why,
                "evidence": [_ref("evidence", bank, kind)],
            }


def integrity_evidence(report: Report) -> Iterator[dict[str, Any]]:
    """The places and links that the verdict of a bank stands on."""
    created = timestamp(report.evidence.when) or timestamp(report.created)
    for bank, kind in _asked(report):
        out: dict[str, Any] = {
            "bom-ref": _ref("evidence", bank, kind),
            "propertyName": f"rocketaudit:integrity:{bank.verdict.value}",
            "description": bank.why or bank.verdict.value,
        }
        lines = _places(report, bank) if kind == WHOLE else [_link(link) for link in report.integrity.chain]
        if lines:
            content = base64.b64encode("\n".join(lines).encode()).decode()
            attachment = {"contentType": "text/plain", "encoding": "base64", "content": content}
            out["data"] = [{"name": "facts", "contents": {"attachment": attachment}}]
        yield {**out, "created": created} if created else out


def _asked(report: Report) -> Iterator[tuple[BankVerdict, str]]:
    for bank in report.integrity.banks:
        if bank.populated:
            yield bank, WHOLE
            yield bank, VOUCHED


def _score(report: Report, bank: BankVerdict, kind: str) -> float | None:
    """1 holds, 0 does not, None: not decided. Without an anchor nobody looked for a chain."""
    match bank.verdict:
        case IntegrityVerdict.VERIFIED:
            return 1.0
        case IntegrityVerdict.CONSISTENT_UNSIGNED:
            return 1.0 if kind == WHOLE else None
        case IntegrityVerdict.BROKEN:
            is_chain = any(link.state is LinkState.BROKEN for link in report.integrity.chain)
            is_tree = bool(bank.odd_ones_out) or any(b.scope == bank.scope for b in report.integrity.bad_blocks)
            if kind == WHOLE:
                return 0.0 if is_tree or not is_chain else None
            return 0.0 if is_chain else None
        case IntegrityVerdict.UNKNOWN:
            return None


def _map(report: Report, bank: BankVerdict, kind: str) -> dict[str, Any]:
    score = _score(report, bank, kind)
    conformance: dict[str, Any] = {"rationale": f"{bank.verdict.value.replace('_', ' ')}: {bank.why}"}
    out: dict[str, Any] = {"requirement": _ref("requirement", bank, kind), "conformance": conformance}
    if score is None:
        return {**out, "confidence": {"score": 0.0, "rationale": "not decided"}}
    conformance["score"] = score
    return {**out, "claims" if score else "counterClaims": [_ref("claim", bank, kind)]}


def _places(report: Report, bank: BankVerdict) -> list[str]:
    return [
        f"{place.source} {place.parameter} {place.value} at {place.where}"
        for place in report.integrity.places
        if place.scope == bank.scope
    ]


def _link(link: ChainLink) -> str:
    return f"{link.chain}: {link.name}: {link.state.value} {link.why}".rstrip()


def _ref(what: str, bank: BankVerdict, kind: str) -> str:
    return f"{what}:integrity:{bank.scope}:{kind}"
