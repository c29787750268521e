"""Evidence files come back equal, and nothing in them can be changed unnoticed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.evidence_file import dump_evidence, evidence_digest, in_order, load_evidence
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance, Fact, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.target import Target, TargetKind, Tool

FACTS = tuple(
    Fact(Key("sysctl", (name,)), Plane.STATIC, State.PRESENT, Locator("i"), 1, scope="bank-a") for name in "cab"
)
EVIDENCE = Evidence(
    Target("image.img", TargetKind.IMAGE),
    "bank-a",
    FACTS,
    when="2026-01-01T00:00:00Z",
    host="builder",
    assurance=Assurance.ASSERTED,
    collected_by=Tool("rocketaudit", "9.9"),
)


def test_evidence_comes_back_equal_with_its_header() -> None:
    assert load_evidence(dump_evidence(EVIDENCE)) == in_order(EVIDENCE)


def test_the_digest_leaves_out_who_looked_when_and_in_which_order() -> None:
    other = replace(EVIDENCE, when="2027-01-01T00:00:00Z", host="x", facts=FACTS[::-1])
    assert evidence_digest(other) == evidence_digest(EVIDENCE)
    assert json.loads(dump_evidence(EVIDENCE))["header"]["digest"] == evidence_digest(EVIDENCE)
    assert evidence_digest(replace(EVIDENCE, judged="bank-b")) != evidence_digest(EVIDENCE)


def test_a_file_that_another_program_laid_out_anew_is_still_read() -> None:
    pretty = json.dumps(json.loads(dump_evidence(EVIDENCE)), indent=2).encode()
    assert load_evidence(pretty) == in_order(EVIDENCE)


@pytest.mark.parametrize("old_new", [(b'"value":1', b'"value":2'), (b"present", b"absent"), (b"bank-a", b"bank-b")])
def test_a_changed_body_is_refused(old_new: tuple[bytes, bytes]) -> None:
    changed = dump_evidence(EVIDENCE).replace(*old_new, 1)
    with pytest.raises(FormatError, match="changed after it was written"):
        load_evidence(changed)
    with pytest.raises(FormatError, match="changed after it was written"):
        load_evidence(json.dumps(json.loads(changed)).encode())


def test_another_schema_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"rocketaudit-evidence-2\.0"):
        load_evidence(dump_evidence(EVIDENCE).replace(b"evidence-1.0", b"evidence-2.0"))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"header":1,"body":2}', b'{"header":{},"body":\n{}\n}\n'])
def test_what_is_no_evidence_file_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        load_evidence(data)


def test_a_body_may_not_speak_for_the_header() -> None:
    from hashlib import sha256

    body = b'{"assurance":"direct","judged":"x","target":{"kind":"image","name":"x"}}'
    header = json.dumps({"schema": "rocketaudit-evidence-1.0", "digest": f"sha256:{sha256(body).hexdigest()}",
                         "assurance": "asserted", "tool": {"name": "x", "version": ""}}).encode()  # fmt: skip
    with pytest.raises(FormatError, match="belongs into the header"):
        load_evidence(b'{"header":' + header + b',"body":\n' + body + b"\n}\n")


def test_two_records_of_one_thing_are_refused_not_believed_in_turns() -> None:
    file = FileRecord("bank-a", "/usr/bin/x", FileType.REGULAR, 0o755, 0, 0, 1, 0, 1, 7)
    for twice, what in (
        (replace(EVIDENCE, facts=(*FACTS, replace(FACTS[0], value=2))), "fact more than once: .*sysctl:c"),
        (replace(EVIDENCE, files=(file, replace(file, mode=0o4755))), "file more than once: bank-a /usr/bin/x"),
    ):
        with pytest.raises(FormatError, match=what):
            load_evidence(dump_evidence(twice))
    elsewhere = replace(EVIDENCE, facts=(*FACTS, replace(FACTS[0], scope="bank-b")))
    assert load_evidence(dump_evidence(elsewhere)) == in_order(elsewhere)
