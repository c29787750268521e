"""Signed texts and signatures: byte by byte, and the lines that differ where they are text."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256

from rocketaudit.analysis.drift.sides import Sides, difference, is_empty_bank, not_comparable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence, SignedBlob
from rocketaudit.model.fact import JsonValue, Locator

_SHOWN = 20
_LONGEST = 500
ROOT_OF_UPDATES = "root.json"
NOT_KEPT = "one side does not keep such texts"


def compare_blobs(sides: Sides) -> Iterator[Change]:
    """Blobs by name and label of their scope; a scope that one side lacks, or has empty, is told elsewhere."""
    labels = {(before, after): label for label, before, after in sides.scopes}
    for (before, after), label in sorted(labels.items(), key=lambda item: item[1]):
        if before is None or after is None:
            continue
        if is_empty_bank(sides.before, before) or is_empty_bank(sides.after, after):
            continue
        old, new = _blobs(sides.before, before), _blobs(sides.after, after)
        for name in sorted(old.keys() | new.keys()):
            left, right = old.get(name), new.get(name)
            area = "tuf-root" if name == ROOT_OF_UPDATES else "signed-texts"
            where = (_where(sides.before, left), _where(sides.after, right))
            if (left is None or right is None) and not sides.same_kind:
                yield not_comparable(area, f"{label}:{name}", "bytes", where, NOT_KEPT)
            elif left is None or right is None or left.data != right.data:
                yield from difference(area, f"{label}:{name}", "bytes", _shown(left, right), _shown(right, left), where)
    paired = {scope for _, *scopes in sides.scopes for scope in scopes}
    if not sides.same_kind and any(b.scope not in paired for b in (*sides.before.blobs, *sides.after.blobs)):
        yield not_comparable("signed-texts", "outside of the root", "bytes", sides.where, NOT_KEPT)


def _blobs(evidence: Evidence, scope: str) -> dict[str, SignedBlob]:
    return {blob.name: blob for blob in evidence.blobs if blob.scope == scope}


def _where(evidence: Evidence, blob: SignedBlob | None) -> Locator:
    return Locator(evidence.target.name) if blob is None else blob.where


def _shown(blob: SignedBlob | None, other: SignedBlob | None) -> JsonValue:
    if blob is None:
        return None
    data = _bytes(blob)
    found: dict[str, JsonValue] = {"sha256": sha256(data).hexdigest(), "size": len(data)}
    lines = _lines(data)
    if lines is not None and other is not None:
        others = Counter(_lines(_bytes(other)) or ())
        found["lines"] = tuple(line[:_LONGEST] for line in (Counter(lines) - others).elements())[:_SHOWN]
    return found


def _bytes(blob: SignedBlob) -> bytes:
    try:
        return base64.b64decode(blob.data, validate=True)
    except (binascii.Error, ValueError):
        return blob.data.encode()


def _lines(data: bytes) -> list[str] | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.splitlines()
