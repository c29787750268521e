"""Bills of materials of other programs: what they list, and nothing that they do not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.baseline_statement import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    BaselineStatement,
    dump_statement,
    parse_statement,
)
from rocketaudit.formats.sbom_json import parse_sbom
from rocketaudit.report.cyclonedx import write_cyclonedx
from tests.report.samples import ordinary


def bom(components: object, **more: object) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, **more}).encode()


def test_cyclonedx_components_are_read_with_those_inside_them() -> None:
    inner = {"type": "library", "group": "org", "name": "b", "version": "2", "purl": "pkg:cargo/b@2"}
    outer = {"type": "file", "name": "/a", "hashes": [{"alg": "SHA-256", "content": "ab"}], "components": [inner]}
    target, parts = parse_sbom(
        bom([outer], metadata={"component": {"type": "operating-system", "name": "X", "version": "3"}}), "x.json"
    )
    assert (target.os_name, target.version) == ("X", "3")
    assert [(part.name, part.version, part.hashes) for part in parts] == [
        ("/a", "", (("SHA-256", "ab"),)),
        ("org/b", "2", ()),
    ]


def test_our_own_document_comes_back_with_every_component() -> None:
    report = ordinary()
    _, parts = parse_sbom(write_cyclonedx(report), "x.json")
    names = {part.name for part in parts}
    assert {component.name for component in report.components if component.kind != "operating-system"} <= names


def test_a_document_of_spdx_is_of_the_one_system_that_it_lists() -> None:
    def spdx_3(*names: str) -> bytes:
        system = {
            "type": "software_Package",
            "software_primaryPurpose": "operatingSystem",
            "software_packageVersion": "1",
        }
        file = {"type": "software_File", "spdxId": "f", "name": "/a", "verifiedUsing": [
            {"type": "Hash", "algorithm": "sha256", "hashValue": "ab"}]}  # fmt: skip
        graph = [file, {"type": "Tool", "name": "x"}, *({**system, "spdxId": n, "name": n} for n in names)]
        return json.dumps({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}).encode()

    target, parts = parse_sbom(spdx_3("X"), "x.json")
    assert (target.os_id, target.os_name, target.version) == ("x", "X", "1")
    assert [(part.kind, part.name, part.hashes) for part in parts] == [
        ("file", "/a", (("SHA-256", "ab"),)), ("operating-system", "X", ()),
    ]  # fmt: skip
    assert parse_sbom(spdx_3("X", "Y"), "x.json")[0].os_name == ""
    assert parse_sbom(spdx_3(), "x.json")[0].os_name == ""
    with pytest.raises(FormatError, match="no name"):
        parse_sbom(spdx_3(""), "x.json")


def test_spdx_packages_and_files_are_read() -> None:
    record = {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {
                "SPDXID": "p",
                "name": "glibc",
                "versionInfo": "2.43",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:rpm/x/glibc@2.43"}],
            }
        ],
        "files": [
            {"SPDXID": "f", "fileName": "./usr/a", "checksums": [{"algorithm": "SHA256", "checksumValue": "ab"}]}
        ],
    }
    _, parts = parse_sbom(json.dumps(record).encode(), "x.json")
    assert [(part.name, part.version, part.purl) for part in parts] == [
        ("glibc", "2.43", "pkg:rpm/x/glibc@2.43"),
        ("/usr/a", "", ""),
    ]
    assert parts[1].hashes == (("SHA-256", "ab"),)


def deep(levels: int) -> dict[str, Any]:
    record: dict[str, Any] = {"name": "x"}
    for _ in range(levels):
        record = {"name": "x", "components": [record]}
    return record


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"\xff",
        bom({}),
        bom([{"type": "file"}]),
        bom(["x"]),
        bom([deep(40)]),
        b'{"bomFormat":"CycloneDX","bomFormat":"CycloneDX"}',
        b'{"spdxVersion":"SPDX-2.3","packages":{}}',
        b'{"spdxVersion":"SPDX-2.3","packages":[{}]}',
    ],
)
def test_another_document_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_sbom(data, "x.json")


STATEMENT = BaselineStatement("sha256:" + "ab" * 32, "disk.img", "aws", "1.62.0", "x86_64", "2026-01-01T00:00:00Z")


def test_a_baseline_statement_comes_back() -> None:
    assert parse_statement(dump_statement(STATEMENT)) == STATEMENT
    record = json.loads(dump_statement(STATEMENT))
    assert (record["_type"], record["predicateType"]) == (STATEMENT_TYPE, PREDICATE_TYPE)


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "x"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": []},
        {"subject": [{"name": "a", "digest": {"sha256": "AB" * 32}}]},
        {"subject": [{"name": "a", "digest": {"sha512": "ab" * 64}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "ab" * 32}}] * 2},
        {"predicate": {}},
        {"predicate": None},
    ],
)
def test_a_statement_of_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        parse_statement(json.dumps(json.loads(dump_statement(STATEMENT)) | change).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_no_statement_and_no_bill_of_materials(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_statement(data)
    with pytest.raises(FormatError):
        parse_sbom(data, "x")


CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "metadata": {"component": {"type": "operating-system", "name": "B", "version": "1", "properties": [{"name": "a"}]}},
    "components": [
        {"type": "file", "name": "x", "hashes": [{"alg": "SHA-256", "content": "ab"}], "components": [{"name": "y"}]}
    ],
}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "name": "a",
            "versionInfo": "1",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:rpm/a@1"}],
            "checksums": [{"algorithm": "SHA256", "checksumValue": "ab"}],
        }
    ],
    "files": [{"fileName": "./x", "checksums": [{"algorithm": "SHA256", "checksumValue": "ab"}]}],
}


def changed(value: Any, other: Any) -> Iterator[Any]:
    """The document with one value, at any depth, replaced."""
    yield other
    if isinstance(value, dict):
        for name, part in value.items():
            yield from ({**value, name: one} for one in changed(part, other))
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from ([*value[:index], one, *value[index + 1 :]] for one in changed(part, other))


@pytest.mark.parametrize("document", [CYCLONEDX, SPDX], ids=["CycloneDX", "SPDX"])
@pytest.mark.parametrize("other", [7, None, True, "x", [], {}, [7], {"a": 7}, [[]], [None]], ids=repr)
def test_any_value_of_another_type_is_read_or_refused(document: dict[str, Any], other: object) -> None:
    for one in changed(document, other):
        with contextlib.suppress(FormatError):
            parse_sbom(json.dumps(one).encode(), "x.json")
