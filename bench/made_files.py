"""Evidence of 10,000 files and a store of 10,000 scans, for the cases that measure drift and history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.history import ScanRecord, StoredFact
from rocketaudit.source.store import open_store
from tests.model.test_codec import sample

FILES, SCANS, CHANGED = 10_000, 10_000, 100


def write_evidence(path: Path, *, changed: bool = False, programs: int = 500) -> None:
    """10,000 files and some programs; `changed`: one file in a hundred has another digest."""
    evidence = replace(sample(FILES, programs), walked=("bank-a",))
    if changed:
        files = [replace(f, sha256="cd" * 32) if i % CHANGED == 0 else f for i, f in enumerate(evidence.files)]
        evidence = replace(evidence, files=tuple(files))
    path.write_bytes(dump_evidence(evidence))


def write_store(path: Path) -> None:
    """10,000 scans of ten nodes with 50 facts each, one of which changes every hundred scans."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with open_store(path, create=True) as store:
        for number in range(SCANS):
            moment = (start + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            facts = [StoredFact(f"sysctl:kernel.x{i}", "static", "bank-a", "present", str(i)) for i in range(49)]
            facts.append(StoredFact("sysctl:kernel.y", "static", "bank-a", "present", str(number // 1000)))
            record = ScanRecord(
                f"node-{number % 10}", moment, f"sha256:{number:064x}", "verified", "direct", 0, "bottlerocket",
                "aws-k8s-1.34", f"1.{number // 1000}.0", "abc", "x86_64", number % 7, 17.5, 40.0,
                {"container-host": (80.0, 90.0), "bottlerocket": (70.0, 85.0)}, {"pass": 40, "fail": 5},
            )  # fmt: skip
            store.add(record, facts)
