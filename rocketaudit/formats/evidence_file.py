"""Evidence on disk: a header (who, when, where, how sure) around a body that alone carries the digest.

The document is one JSON object on three lines, the body on a line of its own, so that its digest is checked over
the bytes as they stand. A file that was laid out anew by another program is read as well, only slower.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.model import codec
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance
from rocketaudit.model.records import dataclass
from rocketaudit.model.schemas import EVIDENCE_SCHEMA
from rocketaudit.model.target import Tool

MAX_SIZE = 1 << 30
HEADER_FIELDS = {"when", "host", "assurance", "collected_by"}  # at their defaults in the body, so not written
_BODY_START = b',"body":\n'
_BODY_END = b"\n}\n"


@dataclass(frozen=True, slots=True)
class EvidenceHeader:
    """What surrounds the body; `digest` is "sha256:<hex>" over the body's canonical bytes."""

    schema: str
    digest: str
    assurance: Assurance
    tool: Tool
    when: str = ""
    host: str = ""


def dump_evidence(evidence: Evidence) -> bytes:
    """The evidence file: header, body, and the body's digest."""
    body = _body(evidence)
    header = EvidenceHeader(
        EVIDENCE_SCHEMA, _digest(body), evidence.assurance, evidence.collected_by, evidence.when, evidence.host
    )
    return b'{"header":' + codec.canonical(codec.encode(header, full=True)) + _BODY_START + body + _BODY_END


def load_evidence(data: bytes) -> Evidence:
    """The evidence of a file; FormatError for a wrong digest, an unknown field, a wrong type, another schema, or
    two records of one fact, file or program."""
    return build_evidence(*parse_evidence(data))


def parse_evidence(data: bytes) -> tuple[object, object]:
    """Header and body of a file as plain values, once its digest is checked; `build_evidence` makes evidence of them.

    Two steps, so that another process can do the first.
    """
    if len(data) > MAX_SIZE:
        raise FormatError(f"an evidence file of {len(data)} bytes; at most {MAX_SIZE} are read")
    start = data.find(_BODY_START) if data.startswith(b'{"header":') and data.endswith(_BODY_END) else -1
    if start >= 0:
        header = codec.parse(memoryview(data)[len(b'{"header":') : start])
        body = memoryview(data)[start + len(_BODY_START) : -len(_BODY_END)]
        _check_digest(_header(header), _digest(body))
        return header, codec.parse(body)
    whole = codec.parse(data)
    if not isinstance(whole, dict) or set(whole) != {"header", "body"}:
        raise FormatError("not an evidence file: an object with header and body expected")
    _check_digest(_header(whole["header"]), _digest(codec.canonical(whole["body"])))
    return whole["header"], whole["body"]


def build_evidence(raw_header: object, raw: object) -> Evidence:
    """The evidence of what `parse_evidence` gave; FormatError as `load_evidence`."""
    header = _header(raw_header)
    if not isinstance(raw, dict) or raw.keys() & HEADER_FIELDS:
        raise FormatError("the evidence body is no object, or holds what belongs into the header")
    return replace(
        told_once(codec.decode(Evidence, raw)),
        when=header.when,
        host=header.host,
        assurance=header.assurance,
        collected_by=header.tool,
        _facts={},
        _files={},
        _children={},
    )


def stated_digest(data: bytes) -> str:
    """The digest in the header of an evidence file; true of its body once `load_evidence` has read it."""
    if data.startswith(b'{"header":') and (end := data.find(_BODY_START)) >= 0:
        return _header(codec.parse(memoryview(data)[len(b'{"header":') : end])).digest
    return _header(codec.parse(data)["header"]).digest


def evidence_digest(evidence: Evidence) -> str:
    """ "sha256:<hex>" over the canonical body: equal for equal observations, whoever made them and when."""
    return _digest(_body(evidence))


def in_order(evidence: Evidence) -> Evidence:
    """The same evidence with everything that has an identity sorted by it."""
    return replace(
        evidence,
        facts=tuple(sorted(evidence.facts, key=lambda f: (str(f.key), f.plane, f.scope))),
        files=tuple(sorted(evidence.files, key=lambda f: (f.scope, f.path))),
        binaries=tuple(sorted(evidence.binaries, key=lambda b: (b.scope, b.path))),
        packages=tuple(sorted(evidence.packages, key=lambda p: (p.scope, p.name, p.version, p.release, p.arch))),
        blobs=tuple(sorted(evidence.blobs, key=lambda b: (b.scope, b.name, str(b.where)))),
        covered=tuple(sorted(evidence.covered, key=lambda c: (c.plane, c.scope, c.pattern))),
        walked=tuple(sorted(evidence.walked)),
        gaps=tuple(sorted(evidence.gaps, key=lambda g: (g.scope, g.path, g.reason))),
        _facts={},
        _files={},
        _children={},
    )


def _body(evidence: Evidence) -> bytes:
    bare = replace(
        in_order(evidence), when="", host="", assurance=Assurance.DIRECT, collected_by=Tool("rocketaudit", "")
    )
    return codec.dumps(bare)


def _header(raw: object) -> EvidenceHeader:
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != EVIDENCE_SCHEMA:
        raise UnsupportedError(f"not an evidence file that we read: schema {schema!r:.80}, {EVIDENCE_SCHEMA} expected")
    return codec.decode(EvidenceHeader, raw)


def _check_digest(header: EvidenceHeader, found: str) -> None:
    if header.digest != found:
        raise FormatError(
            f"the evidence was changed after it was written: its header says {header.digest[:80]}, its body has {found}"
        )


def told_once(evidence: Evidence) -> Evidence:
    """The same evidence; FormatError where two records tell of one thing, since one analysis could believe another."""
    told: tuple[tuple[str, list[tuple[object, ...]]], ...] = (
        ("fact", [(fact.scope, fact.plane, fact.key) for fact in evidence.facts]),
        ("file", [(record.scope, record.path) for record in evidence.files]),
        ("program", [(binary.scope, binary.path) for binary in evidence.binaries]),
    )
    for kind, names in told:
        if len(set(names)) != len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise FormatError(f"the evidence tells of a {kind} more than once: {' '.join(map(str, twice))[:160]}")
    return evidence


def _digest(body: bytes | memoryview) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
