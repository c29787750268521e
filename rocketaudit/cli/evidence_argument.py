"""Evidence from a file: nobody here read the target, so it is as sure as the signature beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rocketaudit.cli.drift_sides import signature_path, verify_signature
from rocketaudit.cli.key_files import read_public_keys
from rocketaudit.cli.running import read_evidence
from rocketaudit.formats.evidence_file import evidence_digest
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance


def judged_evidence(path: Path, keys: Sequence[Path]) -> Evidence:
    """The evidence as `asserted`, or as `signed-evidence` when a given key signed exactly it (`baseline sign`).

    TrustError when keys are given and none of them did. What was asserted when it was collected stays so.
    """
    evidence = read_evidence(path)
    assurance = Assurance.ASSERTED
    if keys:
        verify_signature(signature_path(path), evidence_digest(evidence), read_public_keys(keys))
        if evidence.assurance is not Assurance.ASSERTED:
            assurance = Assurance.SIGNED_EVIDENCE
    return replace(evidence, assurance=assurance, _facts={}, _files={}, _children={})
