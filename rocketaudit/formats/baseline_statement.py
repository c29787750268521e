"""What the signature of a baseline covers: the digest of its evidence, and what that evidence is of.

An in-toto statement (github.com/in-toto/attestation, v1) with one subject, so that other tools can read it too.
"""

from __future__ import annotations

import json
import re

from rocketaudit.errors import FormatError
from rocketaudit.formats.strict_json import loads, member
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:rocketaudit:baseline:1.0"
MAX_PAYLOAD = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class BaselineStatement:
    """`digest` is "sha256:<hex>" over the evidence body; the rest says in words what was approved."""

    digest: str
    name: str
    variant: str = ""
    version: str = ""
    arch: str = ""
    created: str = ""


def statement_of(target: Target, digest: str, created: str) -> BaselineStatement:
    return BaselineStatement(digest, target.name, target.variant, target.version, target.arch, created)


def dump_statement(statement: BaselineStatement) -> bytes:
    """The bytes to sign: sorted keys, no blanks."""
    record = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": statement.name, "digest": {"sha256": statement.digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "variant": statement.variant,
            "version": statement.version,
            "arch": statement.arch,
            "created": statement.created,
        },
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def parse_statement(payload: bytes) -> BaselineStatement:
    """The statement in a payload; FormatError for another type, another predicate or several subjects."""
    what = "baseline statement"
    record = loads(payload, what=what, max_bytes=MAX_PAYLOAD)
    for name, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        found = member(record, name, str, what)
        if found != expected:
            raise FormatError(f"{what}: {name} is {found!r:.80}, {expected!r} expected")
    subjects = member(record, "subject", list, what)
    if len(subjects) != 1:
        raise FormatError(f"{what} has {len(subjects)} subjects, one expected")
    digest = member(member(subjects[0], "digest", dict, what), "sha256", str, what)
    if not _DIGEST.match(digest):
        raise FormatError(f"{what}: {digest!r:.80} is no SHA-256 digest")
    predicate = member(record, "predicate", dict, what)
    fields = {name: member(predicate, name, str, what) for name in ("variant", "version", "arch", "created")}
    return BaselineStatement(f"sha256:{digest}", member(subjects[0], "name", str, what), **fields)
