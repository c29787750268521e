"""Whether a side tells everything once: of two records of one thing each analysis could believe another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rocketaudit.analysis.drift.sides import Sides, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence

AREA = "evidence"
_SHOWN = 8


def compare_identities(sides: Sides) -> Iterator[Change]:
    """One word per kind of record that a side holds twice; nothing for what a collector makes."""
    before, after = _twice(sides.before), _twice(sides.after)
    for kind in sorted(before.keys() | after.keys()):
        why = f"{kind} are told more than once, so nobody can say which of them is so"
        yield unreadable(AREA, kind, "records", before.get(kind), after.get(kind), sides.where, why)


def _twice(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    named: dict[str, Iterable[tuple[object, ...]]] = {
        "facts": ((fact.scope, fact.key, fact.plane) for fact in evidence.facts),
        "files": ((record.scope, record.path) for record in evidence.files),
        "programs": ((binary.scope, binary.path) for binary in evidence.binaries),
        "banks": ((bank.scope,) for bank in evidence.verity),
        "signed texts": ((blob.scope, blob.name) for blob in evidence.blobs),
        "partitions": ((one.number,) for one in (() if evidence.disk is None else evidence.disk.partitions)),
    }
    found = {}
    for kind, names in named.items():
        seen = list(names)
        if len(set(seen)) != len(seen):
            twice = sorted(":".join(map(str, name)) for name, count in Counter(seen).items() if count > 1)
            found[kind] = tuple(twice[:_SHOWN])
    return found
