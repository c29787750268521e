"""Opens one side of a comparison, whatever it is: image, folder, node, evidence, report, bill of materials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.cli.drift_ahead import MAX_FILE, Ahead
from rocketaudit.cli.input_file import read_input
from rocketaudit.errors import FormatError, SourceError, TrustError
from rocketaudit.formats.evidence_file import (
    evidence_digest,
    load_evidence,
    stated_digest,
)
from rocketaudit.formats.evidence_pair import unpack
from rocketaudit.model.change import DriftSide
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import REPORT_SCHEMA, Report
from rocketaudit.model.schemas import EVIDENCE_SCHEMA
from rocketaudit.model.target import Target

if TYPE_CHECKING:
    from rocketaudit.cli.running import Run
    from rocketaudit.formats.dsse import PublicKey
    from rocketaudit.model.rule import Benchmark

NODE = "node"
NODE_RATE = 100e6  # bytes per second, as `rocketaudit node` does unless told otherwise
MAX_ENVELOPE = 1 << 20
SIGNATURE_SUFFIX = ".dsse"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a side can tell: evidence is all there is to know, a report less, components least."""

    side: DriftSide
    target: Target
    evidence: Evidence | None = None
    report: Report | None = None
    components: tuple[Component, ...] = ()
    notes: tuple[str, ...] = ()


def open_both(ahead: Ahead, keys: Sequence[PublicKey], current_keys: Sequence[PublicKey]) -> tuple[Opened, Opened]:
    """Both sides, which `read_ahead` began with; errors as `open_side`."""
    before, after = unpack(ahead.packed())
    (baseline, current), (one, two) = ahead.paths, ahead.data
    return _of_evidence_file(baseline, one, keys, before), _of_evidence_file(current, two, current_keys, after)


def open_side(word: str, run: Run, benchmarks: tuple[Benchmark, ...], keys: Sequence[PublicKey]) -> Opened:
    """The side that the user named; UsageError, SourceError or FormatError when it is nothing that we read."""
    path = Path(word)
    if is_node(word):
        return _of_evidence(look_at_node(run, benchmarks), NODE)
    if path.is_file() and _is_json(path):
        return _of_file(path, keys)
    evidence = look_at_target(replace(run, target=path), benchmarks)
    return _of_evidence(evidence, evidence.target.kind.value)


def is_node(word: str) -> bool:
    """Whether the machine that this runs on is meant, and no file of that name."""
    return word == NODE and not Path(word).exists()


def look_at_target(run: Run, benchmarks: tuple[Benchmark, ...]) -> Evidence:
    """As much evidence as there is, so that two sides that are looked at by different rules still compare."""
    from rocketaudit.audit import look
    from rocketaudit.cli.progress import shown_progress
    from rocketaudit.cli.running import read_looking, with_shipped

    with shown_progress(quiet=run.quiet) as progress:
        return look(run.target, replace(read_looking(run), signatures=True), with_shipped(benchmarks), progress)


def look_at_node(run: Run, benchmarks: tuple[Benchmark, ...]) -> Evidence:
    """As `look_at_target`, of the node that this process runs on."""
    from rocketaudit.cli.running import NodeRun, node_evidence, with_shipped

    return node_evidence(run, NodeRun(rate=NODE_RATE), with_shipped(benchmarks))


def _is_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(256).lstrip()[:1] == b"{"
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def _of_evidence(evidence: Evidence, kind: str) -> Opened:
    side = DriftSide(evidence.target.name, kind, evidence_digest(evidence), evidence.when, evidence.assurance)
    return Opened(side, evidence.target, evidence)


def _of_file(path: Path, keys: Sequence[PublicKey]) -> Opened:
    data = read_input(path, MAX_FILE)
    schema = _schema(data)
    if schema == EVIDENCE_SCHEMA:
        return _of_evidence_file(path, data, keys, load_evidence(data))
    if schema == REPORT_SCHEMA:
        return _of_report(path, data)
    if schema == "":
        from rocketaudit.formats.sbom_json import parse_sbom

        target, components = parse_sbom(data, path.name)
        return Opened(DriftSide(path.name, "sbom"), target, components=components)
    raise FormatError(f"{path}: schema {schema!r:.80} is no evidence, report or bill of materials that we read")


def _schema(data: bytes) -> str:
    """Which of our documents it is, by the schema that it states; "" for another program's."""
    head = data[:4096]
    for schema in (EVIDENCE_SCHEMA, REPORT_SCHEMA):
        if f'"{schema}"'.encode() in head:
            return schema
    if b'"schema"' not in head:
        return ""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}"[:200]) from None
    header = raw.get("header") if isinstance(raw, dict) else None
    found = (header if isinstance(header, dict) else raw).get("schema", "") if isinstance(raw, dict) else ""
    return found if isinstance(found, str) else ""


def _of_evidence_file(path: Path, data: bytes, keys: Sequence[PublicKey], evidence: Evidence) -> Opened:
    """Evidence from a file: as sure as its signature, which is looked for beside it."""
    digest = stated_digest(data)
    signers = verify_signature(signature_path(path), digest, keys) if keys else ()
    if signers:
        notes: tuple[str, ...] = ()
        assurance = Assurance.ASSERTED if evidence.assurance is Assurance.ASSERTED else Assurance.SIGNED_EVIDENCE
    else:
        notes = (f"{path.name} is used unsigned: whoever can write the file decides what it says",)
        assurance = Assurance.ASSERTED
    evidence = replace(evidence, assurance=assurance, _facts={}, _files={}, _children={})
    side = DriftSide(path.name, "evidence", digest, evidence.when, assurance, signers)
    return Opened(side, evidence.target, evidence, notes=notes)


def _of_report(path: Path, data: bytes) -> Opened:
    from rocketaudit.report.report_json import read_json

    report = read_json(data)
    digest = (report.extra or {}).get("evidence_digest", "")
    side = DriftSide(path.name, "report", digest, report.evidence.when, Assurance.ASSERTED)
    return Opened(side, report.target, report=report, components=report.components)


def signature_path(path: Path) -> Path:
    """Where the signature of an evidence file lies."""
    return path.with_name(path.name + SIGNATURE_SUFFIX)


def verify_signature(path: Path, digest: str, keys: Sequence[PublicKey], threshold: int = 1) -> tuple[str, ...]:
    """Ids of the given keys that signed this digest; TrustError when none did, or when it is another's signature."""
    from rocketaudit.formats.baseline_statement import PAYLOAD_TYPE, parse_statement
    from rocketaudit.formats.dsse import parse_envelope, verify_envelope

    try:
        envelope = parse_envelope(read_input(path, MAX_ENVELOPE))
    except SourceError as error:
        raise TrustError(f"the evidence has no signature: {error.message}") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise TrustError(f"{path} signs something else: {envelope.payload_type!r:.80}")
    signers = verify_envelope(envelope, keys, threshold)
    statement = parse_statement(envelope.payload)
    if statement.digest != digest:
        raise TrustError(f"{path} signs other evidence: {statement.digest}, not {digest}")
    return signers
