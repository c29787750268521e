"""Reading a file beside another one gives what reading it alone gives, or refuses it in the same words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rocketaudit.errors import FormatError
from rocketaudit.formats.evidence_file import dump_evidence, load_evidence, parse_evidence
from rocketaudit.formats.evidence_pair import pack, unpack
from rocketaudit.model import codec
from rocketaudit.model.evidence import Evidence
from tests.analysis.drift.samples import sound
from tests.model.test_codec import sample

OTHER = replace(sample(300, 30), facts=sound().facts, walked=("bank-a",))


def beside(data: bytes, other: bytes) -> Evidence:
    """`data` as the first of both; that what it was read beside is as alone is checked here."""
    first, second = unpack(pack(parse_evidence(data), parse_evidence(other)))
    assert second == load_evidence(other)
    return first


def signed_anew(change: Callable[[dict[str, Any]], object]) -> bytes:
    """OTHER with a change of its body and the digest that fits it."""
    document = json.loads(dump_evidence(OTHER))
    change(document["body"])
    body = codec.canonical(document["body"])
    document["header"]["digest"] = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return b'{"header":' + codec.canonical(document["header"]) + b',"body":\n' + body + b"\n}\n"


@pytest.mark.parametrize(
    "evidence",
    [OTHER, sound(), replace(OTHER, files=()), replace(OTHER, files=OTHER.files[50:], binaries=()),
     replace(OTHER, files=tuple(replace(one, uid=7) for one in OTHER.files)), sample(300, 30)],
)  # fmt: skip
def test_evidence_is_the_same_beside_another_as_alone(evidence: Evidence) -> None:
    data, other = dump_evidence(evidence), dump_evidence(OTHER)
    assert beside(data, other) == load_evidence(data)
    assert beside(other, data) == load_evidence(other)


def test_records_that_both_tell_alike_are_made_once() -> None:
    data = dump_evidence(replace(OTHER, files=(replace(OTHER.files[0], uid=7), *OTHER.files[1:])))
    found, known = unpack(pack(parse_evidence(data), parse_evidence(dump_evidence(OTHER))))
    shared = {id(one) for one in known.files} & {id(one) for one in found.files}
    assert len(shared) == len(OTHER.files) - 1
    assert {id(one) for one in known.binaries} == {id(one) for one in found.binaries}


def put(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda body: body["files"][3].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        put("uid", False),  # equal to the 0 of the other file for Python, and yet no number
        put("uid", 0.0),
        put("size", None),
        put("mode", "493"),
        put("type", "folder"),
        put("unknown", 1),
        put("xattrs", [["user.x", 1]]),
        lambda body: body["files"].append(body["files"][3]),
        lambda body: body["files"].append([]),
        lambda body: body.update(files={}),
        lambda body: body.update(files=None),
        lambda body: body.update(binaries=7),
        lambda body: body["facts"].append({"key": "sysctl"}),
        lambda body: body["binaries"][0]["hardening"].update(bind_now=1),
        lambda body: body.update(when="now"),
        lambda body: body.pop("target"),
    ],
)
def test_what_is_refused_alone_is_refused_beside_another_with_the_same_words(
    change: Callable[[dict[str, Any]], object],
) -> None:
    data, other = signed_anew(change), dump_evidence(OTHER)
    with pytest.raises(FormatError) as alone:
        load_evidence(data)
    with pytest.raises(FormatError) as found:
        beside(data, other)
    assert str(found.value) == str(alone.value)


@pytest.mark.parametrize("where", ["files", "target"])
def test_values_that_are_nested_too_deeply_are_refused(where: str) -> None:
    value: object = 1
    for _ in range(3000):
        value = [value]
    with pytest.raises(FormatError, match="nested too deeply"):
        pack(({}, {where: [value]}), ({}, {}))
