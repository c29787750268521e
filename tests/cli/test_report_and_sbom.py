"""`rocketaudit report` and `rocketaudit sbom` as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.report.html import write_html
from rocketaudit.report.report_json import write_json
from tests.analysis.sbom.test_components import image
from tests.report.cyclonedx_schema import problems
from tests.report.samples import ordinary
from tests.support import find_tool, needs_tools


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes(write_json(ordinary()))
    return path


@pytest.fixture
def evidence_file(tmp_path: Path) -> Path:
    path = tmp_path / "evidence.json"
    path.write_bytes(dump_evidence(image()))
    return path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    needs_tools("openssl")
    openssl = str(find_tool("openssl"))
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run([openssl, "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private, public


def test_a_report_is_rendered_again_without_its_image(report_file: Path, tmp_path: Path) -> None:
    html, bundle = tmp_path / "r.html", tmp_path / "r.zip"
    assert main(["report", str(report_file), "-o", f"html={html}", "-o", f"pack={bundle}"]) == 0
    assert html.read_bytes() == write_html(ordinary())
    with zipfile.ZipFile(bundle) as found:
        assert found.testzip() is None


def test_evidence_cannot_be_had_from_a_report(report_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(report_file), "-o", "evidence=x"]) == 2
    assert "holds no evidence" in capsys.readouterr().err


def test_a_signed_report_verifies_by_its_key_only(report_file: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    assert main(["report", "sign", str(report_file), "--key", str(private)]) == 0
    assert main(["report", "verify", str(report_file), "--key", str(public)]) == 0
    openssl = str(find_tool("openssl"))
    other = tmp_path / "other.pem"
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", other], check=True, capture_output=True)
    subprocess.run(
        [openssl, "pkey", "-in", other, "-pubout", "-out", tmp_path / "other.pub"], check=True, capture_output=True
    )
    assert main(["report", "verify", str(report_file), "--key", str(tmp_path / "other.pub")]) != 0


def test_a_report_changed_after_signing_no_longer_verifies(report_file: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    assert main(["report", "sign", str(report_file), "--key", str(private)]) == 0
    report_file.write_bytes(report_file.read_bytes().replace(b'"verdict":"fail"', b'"verdict":"pass"', 1))
    assert main(["report", "verify", str(report_file), "--key", str(public)]) != 0


def test_verify_without_a_key_is_wrong_usage(report_file: Path) -> None:
    assert main(["report", "verify", str(report_file)]) == 2


def test_a_bill_of_materials_comes_from_evidence_alone(evidence_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.cdx.json"
    arguments = [
        "sbom",
        str(evidence_file),
        "-o",
        f"cyclonedx={path}",
        "--spec-version",
        "1.7",
        "--purl-type",
        "bottlerocket",
        "-q",
    ]
    assert main(arguments) == 0
    found = json.loads(path.read_bytes())
    assert found["specVersion"] == "1.7"
    assert "pkg:bottlerocket/glibc@2.43" in path.read_text()
    assert problems(found, "1.7") == []


def test_missing_elements_are_printed_with_their_reason(
    evidence_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["sbom", str(evidence_file), "--missing", "-q"]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert "NTIA 2021:" in text
    assert "-- author of the SBOM data: 0 of 1, nobody stated it" in text


def test_copies_of_a_folder_give_the_same_bytes_whatever_the_order_the_place_and_the_hash_seed(tmp_path: Path) -> None:
    names = [f"/usr/bin/{letter}" for letter in "abcdef"]
    written = []
    for seed, order in (("1", names), ("4242", names[::-1])):
        root = tmp_path / seed / "root"
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/lib").mkdir()
        (root / "usr/lib/os-release").write_text("ID=bottlerocket\nVERSION_ID=1.57.0\n")
        for name in order:
            (root / name[1:]).write_text(f"#!/bin/sh\n# {name}\n")
        for path in (*root.rglob("*"), root):
            os.utime(path, (1_700_000_000, 1_700_000_000))
        documents = [tmp_path / seed / name for name in ("cyclonedx", "spdx3")]
        environment = os.environ | {"PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": "1790000000"}
        outputs = [f"-o{path.name}={path}" for path in documents]
        command = [sys.executable, "-m", "rocketaudit", "sbom", "root", "-q", "--workers", seed[0], *outputs]
        subprocess.run(command, cwd=root.parent, env=environment, check=True)
        written.append([path.read_bytes() for path in documents])
    assert written[0] == written[1]
    assert b"/usr/bin/a" in written[0][0]


def test_documents_of_any_format_are_compared_with_the_target_that_they_are_of(
    evidence_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    pytest.importorskip("spdx_tools")
    names = {"cyclonedx": tmp_path / "a.json", "spdx": tmp_path / "b.json", "spdx3": tmp_path / "c.json"}
    assert main(["sbom", str(evidence_file), "-q", *(f"-o{name}={path}" for name, path in names.items())]) == 0
    for path in names.values():
        assert main(["sbom", "diff", str(evidence_file), str(path)]) == 0, capsysbinary.readouterr().out
        assert main(["sbom", "diff", str(path), str(evidence_file)]) == 0
    record = json.loads(names["cyclonedx"].read_bytes())
    record["components"] = [one for one in record["components"] if "/usr/bin/nc" not in one["name"]]
    names["cyclonedx"].write_text(json.dumps(record))
    capsysbinary.readouterr()
    assert main(["sbom", "diff", str(names["spdx3"]), str(names["cyclonedx"])]) == 1
    assert b"- file /usr/bin/nc" in capsysbinary.readouterr().out
    record["components"] = []
    names["cyclonedx"].write_text(json.dumps(record))
    assert main(["sbom", "diff", str(evidence_file), str(names["cyclonedx"])]) == 3
    names["cyclonedx"].write_text('{"bomFormat": "CycloneDX", "components": [{}]}')
    assert main(["sbom", "diff", str(evidence_file), str(names["cyclonedx"])]) == 3
    said = capsysbinary.readouterr().err
    assert b"has no name" in said
    assert b"a.json" in said
    names["spdx"].write_bytes(b"\xef\xbb\xbf" + names["spdx"].read_bytes())
    assert main(["sbom", "diff", str(evidence_file), str(names["spdx"])]) == 0


def test_two_bills_of_materials_are_compared(
    evidence_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from dataclasses import replace

    other = tmp_path / "other.json"
    value = image()
    other.write_bytes(dump_evidence(replace(value, packages=value.packages[1:])))
    assert main(["sbom", "diff", str(evidence_file), str(evidence_file)]) == 0
    assert capsysbinary.readouterr().out == b"No difference.\n"
    markdown = tmp_path / "d.md"
    assert main(["sbom", "diff", str(evidence_file), str(other), "-o", "json", "-o", f"markdown={markdown}"]) == 1
    changes = json.loads(capsysbinary.readouterr().out)
    removed = {
        "group": "package",
        "change": "removed",
        "name": "glibc",
        "before": "1:2.43-1.br1",
        "after": "",
        "order": "",
    }
    assert removed | {"after": "", "order": ""} in changes
    assert "| removed | package | glibc |" in markdown.read_text()


def test_a_signed_bill_of_materials_is_valid_and_verifies_by_its_key_only(
    evidence_file: Path, keys: tuple[Path, Path], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    private, public = keys
    plain, signed, envelope = tmp_path / "s.json", tmp_path / "signed.json", tmp_path / "s.dsse"
    assert main(["sbom", str(evidence_file), "-o", f"cyclonedx={plain}", "-q"]) == 0
    arguments = ["sbom", "sign", str(plain), "--key", str(private), "-o", f"jsf={signed}", "-o", f"dsse={envelope}"]
    assert main(arguments) == 0
    document = json.loads(signed.read_bytes())
    assert problems(document, "1.6") == []
    assert document.pop("signature")["algorithm"] == "Ed25519"
    assert document == json.loads(plain.read_bytes())
    capsysbinary.readouterr()
    for path in (signed, envelope):
        assert main(["sbom", "verify", str(path), "--key", str(public)]) == 0
        assert capsysbinary.readouterr().out.startswith(b"signed by ")
    assert main(["sbom", "verify", str(plain), "--key", str(public)]) == 3
    signed.write_bytes(signed.read_bytes().replace(b'"version": 1', b'"version": 2', 1))
    assert main(["sbom", "verify", str(signed), "--key", str(public)]) != 0
    assert main(["sbom", "sign", str(plain), "--key", str(private)]) == 0  # in place
    assert main(["sbom", "verify", str(plain), "--key", str(public)]) == 0


@pytest.mark.parametrize(
    "arguments",
    [["sbom", "a", "b"], ["sbom", "diff", "a"], ["sbom", "a", "--spec-version", "1.2"], ["report"],
     ["sbom", "a", "--purl-type", "deb"], ["report", "a", "b"], ["report", "sign", "a"],
     ["sbom", "sign", "a"], ["sbom", "verify", "a"], ["sbom", "sign"]],
)  # fmt: skip
def test_wrong_words_are_wrong_usage(arguments: list[str]) -> None:
    assert main(arguments) == 2
