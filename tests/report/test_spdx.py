"""SPDX 2.3 and 3.0.1: valid by the libraries' own validators, complete, honest, the same bytes every time."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.cli import output
from rocketaudit.cli.main import main
from rocketaudit.errors import UsageError
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Gap
from rocketaudit.model.fact import Locator
from rocketaudit.model.report import Report
from rocketaudit.report.cyclonedx import split_root
from rocketaudit.report.spdx_2 import write_spdx
from rocketaudit.report.spdx_3 import write_spdx3
from rocketaudit.report.spdx_bill import NO_TEXT, element_id
from tests.images import Built
from tests.report.samples import HOSTILE, clean, hostile, ordinary
from tests.report.spdx_schema import check_with_schema
from tests.report.test_cyclonedx import full

every_report = pytest.mark.parametrize("make", [ordinary, clean, hostile, full], ids=lambda make: make.__name__)
ELF = Component("file:/usr/bin/a", "file", "/usr/bin/a", hashes=(("SHA-256", "a" * 64),), found_by="elf", parent="os")


def with_parts(*parts: Component) -> Report:
    report = full()
    root, _ = split_root(report)
    return replace(report, components=(root, *parts))


def spdx_2(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_spdx(report))
    return found


def graph(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(write_spdx3(report))["@graph"]
    return found


def of_type(report: Report, kind: str) -> list[dict[str, Any]]:
    return [one for one in graph(report) if one["type"] == kind]


def problems_2(data: bytes) -> list[str]:
    """What spdx-tools says of a document that it reads back."""
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    document = JsonLikeDictParser().parse(json.loads(data))
    return [message.validation_message for message in validate_full_spdx_document(document)]


def read_3(data: bytes) -> Any:
    """The elements as SPDX's bindings read them: they refuse what the model does not allow, and write the same."""
    from spdx_python_model import load_data

    model, elements = load_data(json.loads(data))
    assert model.JSONLDSerializer().serialize_data(elements, force_at_graph=True) == json.loads(data)
    assert {str(one) for one in elements.missing_ids} <= {
        f"https://spdx.org/rdf/3.0.1/terms/Core/{name}" for name in ("NoneElement", "NoAssertionElement")
    }
    return elements


@every_report
def test_the_libraries_accept_what_is_written(make: Callable[[], Report]) -> None:
    report = make()
    assert problems_2(write_spdx(report)) == []
    read = [one for one in read_3(write_spdx3(report)).objects if one.get_compact_type() == "software_File"]
    root, others = split_root(report)
    assert len(read) == sum(component.kind in ("file", "firmware") for component in others)
    assert len(spdx_2(report)["packages"]) == 1 + len(others)
    assert root.kind == "operating-system"


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: one.update(software_primaryPurpose="no-such-purpose"),
        lambda one: one.pop("creationInfo"),
        lambda one: one.update(verifiedUsing=[{"type": "Hash", "algorithm": "sha256"}]),
    ],
    ids=["purpose", "creation", "hash"],
)
def test_the_validator_of_3_refuses_what_is_wrong(damage: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(write_spdx3(full()))
    damage(next(one for one in document["@graph"] if one["type"] == "software_File"))
    with pytest.raises(ValueError, match=r"purpose|creationInfo|hashValue"):
        read_3(json.dumps(document).encode())


def test_the_schema_of_3_accepts_what_is_written_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    """Generated from the model as the bindings are, and stricter about what it does not name."""
    paths = []
    for make in (ordinary, clean, hostile, full):
        paths.append(tmp_path / f"{make.__name__}.json")
        paths[-1].write_bytes(write_spdx3(make()))
    assert check_with_schema(*paths) == ""
    document = json.loads(paths[-1].read_bytes())
    next(one for one in document["@graph"] if one["type"] == "software_File")["surprise"] = "x"
    paths[-1].write_text(json.dumps(document))
    assert "surprise" in check_with_schema(*paths)


def test_the_validator_of_2_refuses_what_is_wrong() -> None:
    document = spdx_2(full())
    document["relationships"][0]["relatedSpdxElement"] = "SPDXRef-nowhere"
    assert problems_2(json.dumps(document).encode()) != []


@every_report
def test_every_relationship_leads_to_something(make: Callable[[], Report]) -> None:
    report = make()
    found = spdx_2(report)
    known = {one["SPDXID"] for one in found["packages"]} | {"SPDXRef-DOCUMENT", "NONE", "NOASSERTION"}
    assert len(known) == len(found["packages"]) + 3
    for one in found["relationships"]:
        assert {one["spdxElementId"], one["relatedSpdxElement"]} <= known
    elements = graph(report)
    named = [one["spdxId"] for one in elements if "spdxId" in one]
    assert len(named) == len(set(named))
    for one in elements:
        if one["type"] == "Relationship":
            assert {one["from"], *one["to"]} <= {*named, "NoneElement", "NoAssertionElement"}


def test_files_packages_checksums_and_identifiers_are_there() -> None:
    report = full()
    packages = {one["name"]: one for one in spdx_2(report)["packages"]}
    program = packages["/usr/bin/apiserver"]
    assert program["primaryPackagePurpose"] == "FILE"
    assert program["packageFileName"] == "/usr/bin/apiserver"
    assert {one["algorithm"] for one in program["checksums"]} == {"SHA256", "SHA512"}
    reference = packages["apiserver"]["externalRefs"][0]
    assert reference["referenceType"] == "purl"
    assert reference["referenceLocator"].startswith("pkg:rpm/bottlerocket/apiserver@")
    assert "confidence 0.6" in packages["tokio"]["sourceInfo"]
    files = {one["name"]: one for one in of_type(report, "software_File")}
    assert {one["algorithm"] for one in files["/usr/bin/apiserver"]["verifiedUsing"]} == {"sha256", "sha512"}
    named = {one["name"]: one for one in of_type(report, "software_Package")}
    assert named["apiserver"]["software_packageUrl"] == reference["referenceLocator"]
    entries = files["/usr/bin/apiserver"]["extension"][0]["extension_cdxProperty"]
    assert {"rocketaudit:language", "rocketaudit:hardening:pie"} <= {one["extension_cdxPropName"] for one in entries}


def test_crates_are_said_to_lie_in_their_package_and_not_the_other_way_round() -> None:
    """Trivy takes everything that an OS package contains or needs for a package of the OS."""
    found = spdx_2(full())
    names = {one["SPDXID"]: one["name"] for one in found["packages"]}
    triples = {
        (names.get(one["spdxElementId"]), one["relationshipType"], names.get(one["relatedSpdxElement"]))
        for one in found["relationships"]
    }
    assert ("tokio", "CONTAINED_BY", "apiserver") in triples
    assert ("apiserver", "CONTAINS", "/usr/bin/apiserver") in triples
    assert ("/usr/bin/apiserver", "DEPENDS_ON", "serde") in triples
    (system,) = (one for one in found["packages"] if one["primaryPackagePurpose"] == "OPERATING_SYSTEM")
    assert system["SPDXID"].startswith("SPDXRef-OperatingSystem-")  # by that Trivy knows the distribution


def test_a_cpe_survives_and_a_false_one_does_not() -> None:
    right = "cpe:2.3:o:amazon:bottlerocket:1.57.0:*:*:*:*:*:*:*"
    report = full()
    root, others = split_root(report)
    for cpe, wanted in ((right, [right]), ("cpe:2.3:o:<b>", [])):
        stated = replace(report, components=(replace(root, cpe=cpe), *others))
        (system,) = (p for p in spdx_2(stated)["packages"] if p["primaryPackagePurpose"] == "OPERATING_SYSTEM")
        references = [
            r["referenceLocator"] for r in system.get("externalRefs", ()) if r["referenceType"] == "cpe23Type"
        ]
        assert references == wanted
        (package,) = (
            p for p in of_type(stated, "software_Package") if p["software_primaryPurpose"] == "operatingSystem"
        )
        assert [one["identifier"] for one in package.get("externalIdentifier", ())] == wanted


@pytest.mark.parametrize(
    ("licences", "expression", "texts"),
    [
        (("MIT OR Apache-2.0",), "MIT OR Apache-2.0", ()),
        (("MIT", "Zlib"), "MIT AND Zlib", ()),
        (("LicenseRef-Amazon AND MIT",), "LicenseRef-Amazon AND MIT", (NO_TEXT,)),
        (("Do what you want; <b>no</b>\x1b[2J\n",), None, ("Do what you want; <b>no</b>\x1b[2J",)),
        (("MIT WITH Zlib",), None, ("MIT WITH Zlib",)),
        (("DocumentRef-x:LicenseRef-y",), None, ("DocumentRef-x:LicenseRef-y",)),
        (("L" * 300_000,), None, ("L" * 300_000,)),
    ],
    ids=["expression", "two", "reference", "text", "no-exception", "elsewhere", "huge"],
)
def test_licences_are_expressions_or_texts_of_their_own(
    licences: tuple[str, ...], expression: str | None, texts: tuple[str, ...]
) -> None:
    report = with_parts(Component("package:x", "application", "x", "1", licences=licences, parent="os"))
    found = spdx_2(report)
    assert problems_2(json.dumps(found).encode()) == []
    (package,) = (one for one in found["packages"] if one["name"] == "x")
    listed = {one["licenseId"]: one["extractedText"] for one in found.get("hasExtractedLicensingInfos", ())}
    assert sorted(listed.values()) == sorted(texts)
    if expression is None:
        assert package["licenseDeclared"] in listed
    else:
        assert package["licenseDeclared"].replace("(", "").replace(")", "") == expression
    written = of_type(report, "simplelicensing_LicenseExpression")
    custom = of_type(report, "simplelicensing_SimpleLicensingText")
    assert len(written) == 1
    if licences != ("MIT WITH Zlib",):  # 3.0 has no list of exceptions to check it by
        assert sorted(one["simplelicensing_licenseText"] for one in custom) == sorted(texts)
        addresses = {entry["value"] for entry in written[0].get("simplelicensing_customIdToUri", ())}
        assert addresses == {one["spdxId"] for one in custom}


def test_what_is_not_known_is_said_plainly() -> None:
    report = replace(full(), unread=(Gap("bank-a", "/usr/lib/broken", "block 7 cannot be read"),))
    found = spdx_2(report)
    assert "bank-a:/usr/lib/broken: block 7 cannot be read" in found["comment"]
    assert "files-of-packages: incomplete." in found["comment"]
    known = {component.ref: element_id(component) for component in split_root(report)[1]}
    relations = {
        (one["spdxElementId"], one["relationshipType"], one["relatedSpdxElement"]) for one in found["relationships"]
    }
    assert (f"SPDXRef-{known['file:/usr/bin/apiserver']}", "DEPENDS_ON", "NOASSERTION") in relations  # from paths
    statements = [one["statement"] for one in of_type(report, "Annotation")]
    assert any("block 7 cannot be read" in text for text in statements)
    complete = {
        one["from"].rpartition("/")[2]: one.get("completeness")
        for one in of_type(report, "Relationship")
        if one["relationshipType"] == "dependsOn"
    }
    assert complete[known["file:/usr/bin/apiserver"]] == "incomplete"
    assert complete[known["file:/usr/bin/host"]] == "complete"
    contents = {
        one["from"].rpartition("/")[2]: one.get("completeness")
        for one in of_type(report, "Relationship")
        if one["relationshipType"] == "contains"
    }
    assert contents[element_id(split_root(report)[0])] == "incomplete"


def test_a_program_of_which_all_is_known_and_that_needs_nothing_says_none() -> None:
    alone = replace(ELF, depends_on=("go:x.org/m@v1",), properties=(("rocketaudit:go-modules", "stated"),))
    module = Component("go:x.org/m@v1", "library", "x.org/m", "v1", "pkg:golang/x.org/m@v1", found_by="go-buildinfo")
    found = spdx_2(with_parts(alone, module))
    origin = f"SPDXRef-{element_id(alone)}"
    mine = [one["relatedSpdxElement"] for one in found["relationships"] if one["spdxElementId"] == origin]
    assert mine == [f"SPDXRef-{element_id(module)}"]  # complete: no NOASSERTION beside it


def test_people_come_from_the_policy_and_from_nowhere_else() -> None:
    report = full()
    said = {
        "sbom:author-name": "Ada (release)",
        "sbom:author-email": "ada@example.org",
        "sbom:manufacturer": "Example",
        "sbom:contact-email": "psirt@example.org",
    }
    plain = spdx_2(report)["creationInfo"]["creators"]
    assert [one.partition(":")[0] for one in plain] == ["Tool"]
    assert [one["type"] for one in graph(report) if one["type"] in ("Person", "SoftwareAgent")] == ["SoftwareAgent"]
    named = replace(report, extra={**(report.extra or {}), **said})
    assert spdx_2(named)["creationInfo"]["creators"][1:] == [
        "Person: Ada [release] (ada@example.org)",
        "Organization: Example (psirt@example.org)",
    ]
    (person,) = of_type(named, "Person")
    assert person["name"] == "Ada (release)"
    assert person["externalIdentifier"][0]["identifier"] == "ada@example.org"


def test_a_licence_of_the_document_that_spdx_2_forbids_is_refused() -> None:
    report = replace(full(), extra={"sbom:licence": "CC-BY-4.0"})
    with pytest.raises(UsageError, match=r"CC0-1\.0"):
        write_spdx(report)
    (document,) = of_type(report, "SpdxDocument")
    (licence,) = (one for one in graph(report) if one.get("spdxId") == document["dataLicense"])
    assert licence["simplelicensing_licenseExpression"] == "CC-BY-4.0"


@pytest.mark.parametrize("write", [write_spdx, write_spdx3])
def test_hostile_names_survive(write: Callable[[Report], bytes]) -> None:
    parts = [
        Component(f"file:{name}", "file", name, name, hashes=(("SHA-256", "0" * 64),), found_by="elf", parent="os",
                  supplier=name, licences=(name,), copyright=name, properties=((name, name),),
                  where=(Locator("x", "bank-a", name),))
        for name in HOSTILE
    ]  # fmt: skip
    data = write(with_parts(*parts))
    data.decode("utf-8")
    assert b"\x1b" not in data
    document = json.loads(data)
    names = {one.get("name") for one in document.get("packages", document.get("@graph", ()))}
    assert set(HOSTILE) <= names
    if write is write_spdx:
        assert problems_2(data) == []
    else:
        read_3(data)


@pytest.mark.parametrize("write", [write_spdx, write_spdx3])
def test_a_cycle_of_dependencies_is_written_and_read(write: Callable[[Report], bytes]) -> None:
    first = replace(ELF, depends_on=("file:/usr/bin/b",))
    second = replace(ELF, ref="file:/usr/bin/b", name="/usr/bin/b", depends_on=("file:/usr/bin/a", "file:/usr/bin/b"))
    data = write(with_parts(first, second))
    if write is write_spdx:
        assert problems_2(data) == []
    else:
        read_3(data)


@pytest.mark.parametrize("write", [write_spdx, write_spdx3])
def test_the_same_report_gives_the_same_bytes_and_another_time_another_name_space(
    write: Callable[[Report], bytes],
) -> None:
    report = full()
    assert write(report) == write(full())
    assert write(report) != write(replace(report, created="2026-12-01T00:00:00Z"))


@pytest.mark.parametrize("write", [write_spdx, write_spdx3])
def test_many_components_are_written_in_bounded_time_and_memory(write: Callable[[Report], bytes]) -> None:
    parts = [
        Component(f"file:/usr/lib/{number}", "file", f"/usr/lib/{number}", hashes=(("SHA-256", f"{number:064x}"),),
                  found_by="elf", parent="os", depends_on=(f"file:/usr/lib/{number // 2}",))
        for number in range(4_000)
    ]  # fmt: skip
    report = with_parts(*parts)
    write(report)  # loads the library
    began = time.process_time()
    write(report)
    assert time.process_time() - began < 2.0
    tracemalloc.start()
    data = write(report)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * len(data)


def test_a_missing_library_is_said_before_the_target_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "find_spec", lambda name: None if name == "spdx_tools" else find_spec(name))
    assert main(["sbom", str(tmp_path / "no-such.img"), "-o", f"spdx={tmp_path / 'x.json'}"]) == 2
    said = capsys.readouterr().err
    assert "spdx-tools" in said
    assert "rocketaudit[spdx]" in said


def test_the_documents_of_a_real_image(
    small_erofs_image: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    written: list[Mapping[str, bytes]] = []
    for workers in ("1", "2"):
        paths = {name: tmp_path / f"{workers}.{name}.json" for name in ("spdx", "spdx3")}
        outputs = [word for name, path in paths.items() for word in ("-o", f"{name}={path}")]
        assert main(["sbom", str(small_erofs_image.path), "--workers", workers, "-q", *outputs]) == 0
        written.append({name: path.read_bytes() for name, path in paths.items()})
    assert written[0] == written[1]
    assert problems_2(written[0]["spdx"]) == []
    read_3(written[0]["spdx3"])
    assert check_with_schema(tmp_path / "1.spdx3.json") == ""
    assert json.loads(written[0]["spdx"])["creationInfo"]["created"] == "2026-09-21T14:13:20Z"
