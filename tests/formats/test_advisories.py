"""Advisories are read as their publishers write them, matched by package versions, and never guessed."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rocketaudit.analysis.advisories import compare_advisories, has_one_version, match_advisories
from rocketaudit.cli.main import main
from rocketaudit.errors import BudgetError, FormatError, UsageError
from rocketaudit.formats import updateinfo
from rocketaudit.formats.advisory_toml import parse_advisory
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.formats.updateinfo import parse_updateinfo
from rocketaudit.model.advisory import Advisory, AdvisoryMove, AdvisoryStatus, FixedPackage
from rocketaudit.model.package import Package
from rocketaudit.model.target import Tool
from rocketaudit.model.verdict import Severity
from rocketaudit.report.vex import write_vex
from rocketaudit.report.vex_cyclonedx import write_vex_cyclonedx
from tests.analysis.drift.samples import sound
from tests.report.cyclonedx_schema import problems
from tests.report.samples import HOSTILE
from tests.support import shared_data

TOML = b"""
[advisory]
id = "BRSA-one"
title = "kernel CVE-2024-36933"
cve = "CVE-2024-36933"
severity = "moderate"
description = "text"

[[advisory.products]]
package-name = "kernel-5.15"
patched-version = "kernel-5.15.160-104.158.amzn2"

[[advisory.products]]
package-name = "runc"
patched-version = "1.1.14"
patched-release = "0"
patched-epoch = "0"

[updateinfo]
author = "someone"
issue-date = 2024-07-08T23:14:32Z
arches = ["aarch64", "x86_64"]
version = "2.1.0"
"""
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<updates>
 <update author="a" from="b" status="final" type="security" version="1.4">
  <id>BRSA-two</id><title>glibc CVE-2025-15281</title><issued date="2026-03-17T16:22:44Z"/>
  <severity>important</severity><description>text</description>
  <references><reference href="http://x" id="CVE-2025-15281" type="cve"/>
  <reference href="http://y" id="BRSA-two" type="brsa"/></references>
  <pkglist><collection short="bottlerocket"><name>bottlerocket</name>
   <package arch="x86_64" name="glibc" version="2.43" release="1.1773716061.e2e9d7a9.br1" epoch="1"/>
   <package arch="aarch64" name="glibc" version="2.43" release="1.1773716061.e2e9d7a9.br1" epoch="1"/>
  </collection></pkglist>
 </update>
 <update type="enhancement"><id>NOISE</id></update>
</updates>
"""


def package(name: str, version: str, release: str = "1.br1", epoch: str = "", arch: str = "x86_64") -> Package:
    return Package(name, version, release, epoch, arch, scope="bank-a")


OTHER = package("filesystem", "1.0")


def advisory(name: str, version: str, release: str = "", epoch: str = "0", **changes: object) -> Advisory:
    found = Advisory("A", "t", ("CVE-1",), Severity.HIGH, (FixedPackage(name, epoch, version, release),))
    return replace(found, **changes)  # type: ignore[arg-type]


def status(installed: Package, one: Advisory) -> AdvisoryStatus | None:
    found = match_advisories((installed, OTHER), (one,))
    return found[0].status if found else None


def test_a_toml_advisory_names_what_it_fixes() -> None:
    found = parse_advisory(TOML)
    assert (found.id, found.aliases, found.severity) == ("BRSA-one", ("CVE-2024-36933",), Severity.MEDIUM)
    assert found.arches == ("aarch64", "x86_64")
    kernel, runc = found.fixed
    assert (kernel.name, kernel.version, kernel.release) == ("kernel-5.15", "5.15.160", "?")
    assert (runc.name, runc.epoch, runc.version, runc.release) == ("runc", "0", "1.1.14", "")


def test_updateinfo_is_read_plain_and_compressed() -> None:
    (found,) = parse_updateinfo(XML)
    assert (found.id, found.aliases, found.severity) == ("BRSA-two", ("CVE-2025-15281",), Severity.HIGH)
    assert {(p.name, p.epoch, p.version, p.arch) for p in found.fixed} == {
        ("glibc", "1", "2.43", "x86_64"),
        ("glibc", "1", "2.43", "aarch64"),
    }
    assert parse_updateinfo(gzip.compress(XML, mtime=0)) == (found,)


def test_every_advisory_of_the_core_kit_is_read() -> None:
    paths = sorted(shared_data("bottlerocket", "advisories", "core-kit").rglob("*.toml"))
    found = [parse_advisory(path.read_bytes()) for path in paths]
    assert len(found) == 112
    assert all(one.id == path.stem and one.fixed for one, path in zip(found, paths, strict=True))
    assert all(fixed.version[0].isdigit() for one in found for fixed in one.fixed)


def test_real_broken_updateinfo_is_refused() -> None:
    folder = shared_data("bottlerocket", "advisories", "vuln-list-update")
    for name in ("invalid_xml.gz", "updateinfo_invalid.xml.gz"):
        with pytest.raises(FormatError):
            parse_updateinfo((folder / name).read_bytes())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE updates [<!ENTITY a 'b'>]><updates>&a;</updates>", "document type"),
        (b"<!DOCTYPE u SYSTEM 'file:///etc/passwd'><updates/>", "document type"),
        (b"<updates><update><id></id></update></updates>", "no id"),
        (b"<updates><update><id>x</id><pkglist><package name='a'/></pkglist></update></updates>", "no version"),
        (b"<other/>", "<updates> expected"),
        (b"<updates>", "not XML"),
        (b"<updates>&undefined;</updates>", "not XML"),
        (b"<updates>" + b"<a>" * 100 + b"</a>" * 100 + b"</updates>", "deeper than"),
        (b"", "not XML"),
        (gzip.compress(XML, mtime=0)[:-9], "ends too early"),
        (gzip.compress(XML, mtime=0)[:12] + b"\xff" * 40, "not gzip"),
    ],
)
def test_what_is_no_updateinfo_says_why(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_updateinfo(data)


def test_all_members_of_a_gzip_file_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parse_updateinfo(XML)
    parts = [gzip.compress(XML[at : at + 100], mtime=0) for at in range(0, len(XML), 100)]
    assert whole and parse_updateinfo(b"".join(parts)) == whole
    assert parse_updateinfo(gzip.compress(XML, mtime=0) + bytes(512)) == whole
    with pytest.raises(FormatError, match="not gzip"):
        parse_updateinfo(gzip.compress(XML, mtime=0) + b"more")
    monkeypatch.setattr(updateinfo, "MAX_SIZE", 1 << 16)
    with pytest.raises(BudgetError):
        parse_updateinfo(gzip.compress(b" " * (1 << 15), mtime=0) * 3)
    monkeypatch.setattr(updateinfo, "MAX_MEMBERS", 3)
    with pytest.raises(BudgetError, match="members"):
        parse_updateinfo(b"".join(parts[:5]))


def test_a_compressed_bomb_ends_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updateinfo, "MAX_SIZE", 1 << 16)
    with pytest.raises(BudgetError):
        parse_updateinfo(gzip.compress(b"<updates>" + b" " * (1 << 20) + b"</updates>", mtime=0))
    monkeypatch.setattr(updateinfo, "MAX_ELEMENTS", 10)
    with pytest.raises(BudgetError):
        parse_updateinfo(b"<updates>" + b"<a/>" * 20 + b"</updates>")


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_advisory, parse_updateinfo):
        with pytest.raises(FormatError):
            parse(data)


@pytest.mark.parametrize(
    "change",
    [b"id = 7", b'severity = ["x"]', b"products = 3", b"products = []", b'products = ["x"]', b'title = "\xff"'],
)
def test_an_advisory_of_wrong_types_is_refused(change: bytes) -> None:
    with pytest.raises(FormatError):
        parse_advisory(b"[advisory]\n" + change)


@pytest.mark.parametrize(
    ("installed", "fixed", "expected"),
    [
        (package("runc", "1.1.13"), advisory("runc", "1.1.14"), AdvisoryStatus.AFFECTED),
        (package("runc", "1.1.14"), advisory("runc", "1.1.14"), AdvisoryStatus.FIXED),
        (package("runc", "1.1.9"), advisory("runc", "1.1.10"), AdvisoryStatus.AFFECTED),
        (package("runc", "1.2.0"), advisory("runc", "1.1.14"), AdvisoryStatus.FIXED),
        (package("glibc", "2.40", epoch="1"), advisory("glibc", "2.43"), AdvisoryStatus.FIXED),
        (package("glibc", "2.43", epoch=""), advisory("glibc", "2.42", epoch="1"), AdvisoryStatus.AFFECTED),
        (package("k", "6.1", "1.1740.a.br1"), advisory("k", "6.1", "1.1749.b.br1"), AdvisoryStatus.AFFECTED),
        (package("k", "6.1", "1.1750.a.br1"), advisory("k", "6.1", "1.1749.b.br1"), AdvisoryStatus.FIXED),
        (package("k", "6.1", ""), advisory("k", "6.1", "1.1749.b.br1"), AdvisoryStatus.CANNOT_SAY),
        (package("k", "5.15.160"), advisory("k", "5.15.160", "?"), AdvisoryStatus.CANNOT_SAY),
        (package("k", "5.15.161"), advisory("k", "5.15.160", "?"), AdvisoryStatus.FIXED),
        (package("k", "5.15.159"), advisory("k", "5.15.160", "?"), AdvisoryStatus.AFFECTED),
        (package("k", ""), advisory("k", "1"), AdvisoryStatus.CANNOT_SAY),
        (package("bottlerocket-kernel-6.1", "6.1.1"), advisory("kernel-6.1", "6.1.2"), AdvisoryStatus.AFFECTED),
        (package("kernel-6.1", "6.1.1"), advisory("bottlerocket-kernel-6.1", "6.1.2"), AdvisoryStatus.AFFECTED),
        (package("kernel-6.10", "6.10"), advisory("kernel-6.1", "6.1.999"), None),
        (package("runc", "1", arch="x86_64"), advisory("runc", "2", arches=("aarch64",)), None),
        (package("runc", "1", arch=""), advisory("runc", "2", arches=("aarch64",)), AdvisoryStatus.AFFECTED),
    ],
)
def test_a_package_is_behind_a_fix_by_its_own_version(
    installed: Package, fixed: Advisory, expected: AdvisoryStatus | None
) -> None:
    assert status(installed, fixed) is expected


def test_an_inventory_that_gives_all_packages_the_releases_version_cannot_be_matched() -> None:
    """As releases before the core kit do, where every package is 1.19.2."""
    rows = json.loads(shared_data("bottlerocket", "inventory", "trivy-no-epoch-1.19.2.json").read_text())["Content"]
    packages = tuple(package(row["Name"], row["Version"], row["Release"]) for row in rows)
    assert has_one_version(packages)
    found = match_advisories(packages, (advisory("systemd", "252.23"),))
    assert [match.status for match in found] == [AdvisoryStatus.CANNOT_SAY]


def test_a_version_id_that_lies_flags_nothing() -> None:
    evidence = sound()
    lying = replace(evidence, target=replace(evidence.target, version="1.0.0"))
    assert lying.target.version == "1.0.0"
    assert match_advisories(lying.packages, (advisory("glibc", "2.42"),))[0].status is AdvisoryStatus.FIXED


def test_between_releases_advisories_open_close_and_stay() -> None:
    known = (
        advisory("runc", "1.5", id="closed"),
        advisory("glibc", "2.44", id="still"),
        advisory("new", "2.0", id="opened"),
        advisory("old", "2.0", id="gone"),
        advisory("runc", "1.0", id="never"),
    )
    before = (package("runc", "1.1"), package("glibc", "2.43"), package("old", "1.0"))
    after = (package("runc", "1.6"), package("glibc", "2.43"), package("new", "1.0"))
    moves = {change.id: change.move for change in compare_advisories(before, after, known)}
    assert moves == {
        "closed": AdvisoryMove.CLOSED,
        "still": AdvisoryMove.STILL_OPEN,
        "opened": AdvisoryMove.OPENED,
        "gone": AdvisoryMove.CLOSED,
    }
    back = {change.id: change.move for change in compare_advisories(after, before, known)}
    assert back["closed"] is AdvisoryMove.OPENED and back["opened"] is AdvisoryMove.CLOSED


def test_of_several_versions_of_a_package_the_worst_counts() -> None:
    two = (package("runc", "1.6"), package("runc", "1.1"), OTHER)
    (change,) = compare_advisories(two, two, (advisory("runc", "1.5"),))
    assert change.move is AdvisoryMove.STILL_OPEN


# --- the command


def run(tmp_path: Path, *words: str, text: bytes = TOML) -> int:
    folder = tmp_path / "advisories" / "2.1.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "BRSA-one.toml").write_bytes(text)
    packages = (package("runc", "1.1.13"), package("glibc", "2.43"))
    evidence = tmp_path / "e.json"
    evidence.write_bytes(dump_evidence(replace(sound(), packages=packages)))
    return main(["advisories", str(evidence), "--advisories", str(tmp_path / "advisories"), *words])


def test_the_command_lists_what_is_affected_and_gives_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 1
    assert "runc 1.1.13-1.br1, fixed in 1.1.14" in capsys.readouterr().out
    assert run(tmp_path, "--fail-on", "never") == 0
    assert run(tmp_path, text=TOML.replace(b"1.1.14", b"1.1.10")) == 0


def test_a_folder_with_a_file_that_is_no_advisory_is_not_half_read(tmp_path: Path) -> None:
    assert run(tmp_path, text=b"[advisory") == 3
    assert main(["advisories", str(tmp_path / "e.json"), "--advisories", str(tmp_path / "none")]) == 3
    (tmp_path / "empty").mkdir()
    assert main(["advisories", str(tmp_path / "e.json"), "--advisories", str(tmp_path / "empty")]) == 2


def test_vex_states_what_is_affected(tmp_path: Path) -> None:
    out = tmp_path / "vex.json"
    assert run(tmp_path, "-o", f"vex={out}") == 1
    document = json.loads(out.read_text())
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert vex_problems(document) == []
    (statement,) = document["statements"]
    assert statement["status"] == "affected" and "1.1.14" in statement["action_statement"]
    assert statement["products"][0]["@id"].startswith("pkg:rpm/bottlerocket/runc@1.1.13-1.br1?")
    assert statement["vulnerability"] == {"name": "CVE-2024-36933", "aliases": ["BRSA-one"]}


def vex_problems(document: dict[str, Any]) -> list[str]:
    """What OpenVEX 0.2.0 would refuse: the rules of its schema in our own words."""
    text, moment = {"type": "string"}, {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
    uri = {"type": "string", "pattern": r"^[a-z][a-z0-9+.-]*:([A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-F]{2}|\[|\])+$"}
    names = {"type": "array", "uniqueItems": True, "items": text}
    found = {"name": text, "description": text, "aliases": names, "@id": uri}
    product = {"type": "object", "required": ["@id"], "properties": {"@id": uri}, "additionalProperties": False}
    statement = {
        "type": "object",
        "required": ["vulnerability", "status"],
        "additionalProperties": False,
        "properties": {
            "vulnerability": {"required": ["name"], "properties": found, "additionalProperties": False},
            "timestamp": moment,
            "products": {"type": "array", "uniqueItems": True, "items": product},
            "status": {"enum": ["not_affected", "affected", "fixed", "under_investigation"]},
            "status_notes": text,
            "action_statement": text,
        },
        "if": {"properties": {"status": {"const": "affected"}}},
        "then": {"required": ["action_statement"]},
    }
    whole = {
        "type": "object",
        "required": ["@context", "@id", "author", "timestamp", "version", "statements"],
        "additionalProperties": False,
        "properties": {
            "@context": uri,
            "@id": uri,
            "author": text,
            "role": text,
            "timestamp": moment,
            "version": {"type": "integer", "minimum": 1},
            "tooling": text,
            "statements": {"type": "array", "minItems": 1, "uniqueItems": True, "items": statement},
        },
    }
    return [f"{list(one.absolute_path)}: {one.message}" for one in Draft202012Validator(whole).iter_errors(document)]


def test_openvex_stays_valid_whatever_an_advisory_or_an_inventory_states() -> None:
    installed = (*(package(text, text, text, text) for text in HOSTILE if text), OTHER)
    known = [
        advisory(text, version, text, text, title=text, id=text, aliases=(text, "CVE-1", "CVE-1"))
        for text in HOSTILE
        if text
        for version in (text, f"{text}.1", "")
    ]
    matches = [(match, "") for match in match_advisories(installed, known)]
    data = write_vex([*matches, *matches], sound().target, Tool("rocketaudit", "1"), "2026-01-01T00:00:00Z")
    assert vex_problems(json.loads(data)) == []
    assert b"\x1b" not in data and "\u202e".encode() not in data
    with pytest.raises(UsageError, match="OpenVEX cannot state"):
        write_vex([], sound().target, Tool("rocketaudit", "1"), "2026-01-01T00:00:00Z")


def test_cyclonedx_states_the_same_and_is_valid_by_its_schema(tmp_path: Path) -> None:
    out = tmp_path / "vex.json"
    assert run(tmp_path, "-o", f"cyclonedx={out}") == 1
    document = json.loads(out.read_text())
    assert problems(document, "1.6") == []
    (found,) = document["vulnerabilities"]
    assert (found["id"], found["references"][0]["id"]) == ("CVE-2024-36933", "BRSA-one")
    assert found["analysis"] == {"state": "in_triage", "detail": "older than the fixed version", "response": ["update"]}
    (affected,) = found["affects"]
    assert affected["versions"] == [{"version": "1.1.13-1.br1", "status": "affected"}]
    assert affected["ref"] in {component["bom-ref"] for component in document["components"]}


def test_cyclonedx_stays_valid_whatever_an_advisory_or_an_inventory_states() -> None:
    installed = (*(package(text, text, text, text) for text in HOSTILE if text), OTHER)
    known = [
        advisory(text, version, text, text, title=text, id=text, aliases=(text,))
        for text in HOSTILE
        if text
        for version in (text, f"{text}.1", "")
    ]
    matches = [(match, "") for match in match_advisories(installed, known)]
    assert {match.status for match, _ in matches} == set(AdvisoryStatus)
    target = replace(sound().target, os_name=HOSTILE[0], version=HOSTILE[1])
    data = write_vex_cyclonedx(matches, target, Tool("rocketaudit", "1"), "2026-01-01T00:00:00Z")
    assert problems(json.loads(data), "1.6") == []
    assert data == write_vex_cyclonedx(matches, target, Tool("rocketaudit", "1"), "2026-01-01T00:00:00Z")
    assert b"\x1b" not in data and "\u202e".encode() not in data
    nothing = json.loads(write_vex_cyclonedx([], target, Tool("rocketaudit", "1"), "yesterday"))
    assert problems(nothing, "1.6") == []


def test_drift_tells_which_advisories_an_update_closed(tmp_path: Path) -> None:
    run(tmp_path)
    newer = replace(sound(), packages=(package("runc", "1.2.0"), package("glibc", "2.43")))
    (tmp_path / "n.json").write_bytes(dump_evidence(newer))
    words = [str(tmp_path / "e.json"), str(tmp_path / "n.json"), "--advisories", str(tmp_path / "advisories")]
    main(["drift", *words, "-q", "-o", f"json={tmp_path / 'd.json'}", "--fail-on", "never"])
    found = json.loads((tmp_path / "d.json").read_text())["advisories"]
    assert [(one["id"], one["move"]) for one in found] == [("BRSA-one", "closed")]
