"""Every kind of side against every other: the same system is never called changed, and a change never the same."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from rocketaudit.audit import Looking, look, look_at
from rocketaudit.cli import drift_sides
from rocketaudit.cli.main import main
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import State
from rocketaudit.model.progress import NoProgress
from tests.analysis.drift.test_judge import set_fact
from tests.fake_node import FakeNode, command_line_of
from tests.images import Built

FULL, LESS = ("image", "evidence", "baseline"), ("report", "sbom")
SYSCTL = "sysctl:kernel.kptr_restrict"


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, small_erofs_image: Built) -> dict[str, Path]:
    """One image as each kind of side; `changed-` ones have an older glibc and a weaker kernel parameter."""
    folder = tmp_path_factory.mktemp("sides")
    image = small_erofs_image.path
    evidence = look(image, Looking(workers=1, signatures=True), read_benchmarks(SHIPPED))
    made = {"image": image, "evidence": folder / "evidence.json", "baseline": folder / "baseline.json"}
    made["evidence"].write_bytes(dump_evidence(evidence))
    shutil.copy(made["evidence"], made["baseline"])
    _sign(folder)
    made |= _documents(folder, "", made["evidence"])
    changed = folder / "changed-evidence.json"
    changed.write_bytes(dump_evidence(_changed(evidence)))
    made |= {"changed-evidence": changed} | _documents(folder, "changed-", changed)
    empty = folder / "empty"
    empty.mkdir()
    return made | {"empty": empty, "key": folder / "key.pub"}


def _sign(folder: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    pem, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    bare = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, bare))
    (folder / "key.pem").chmod(0o600)
    (folder / "key.pub").write_bytes(private.public_key().public_bytes(pem, public))
    assert main(["baseline", "sign", str(folder / "baseline.json"), "--key", str(folder / "key.pem")]) == 0


def _documents(folder: Path, prefix: str, evidence: Path) -> dict[str, Path]:
    report, sbom = folder / f"{prefix}report.json", folder / f"{prefix}sbom.json"
    words = ["judge", str(evidence), "-q", "--fail-on", "never", "-o", f"json={report}", "-o", f"cyclonedx={sbom}"]
    assert main(words) == 0
    return {f"{prefix}report": report, f"{prefix}sbom": sbom}


def _changed(evidence: Evidence) -> Evidence:
    packages = tuple(replace(one, version="2.40") if one.name == "glibc" else one for one in evidence.packages)
    assert packages != evidence.packages
    assert any(str(fact.key) == SYSCTL and fact.state is State.PRESENT for fact in evidence.facts)
    weaker = set_fact(evidence, SYSCTL, "0", scope=evidence.judged)
    return replace(weaker, packages=packages, _facts={}, _files={}, _children={})


def drift(tmp_path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    out = tmp_path / "drift.json"
    code = main(["drift", *words, "-q", "-o", f"json={out}"])
    return code, json.loads(out.read_text())


def areas(document: dict[str, Any], judgement: str) -> set[str]:
    return {change["area"] for change in document["changes"] if change["judgement"] == judgement}


@pytest.mark.parametrize(("one", "two"), tuple(product((*FULL, *LESS), repeat=2)))
def test_one_system_told_in_two_ways_has_not_changed(
    sides: dict[str, Path], tmp_path: Path, one: str, two: str
) -> None:
    code, document = drift(tmp_path, str(sides[one]), str(sides[two]))
    assert (code, document["relation"], areas(document, "unexpected")) == (0, "same-release", set())
    if one in FULL and two in FULL:
        assert document["changes"] == []
    elif "sbom" in (one, two):
        assert areas(document, "cannot-say") >= {
            "integrity",
            "boot",
            "sysctls",
            "units",
            "settings",
            "selinux",
            "rules",
        }
    else:
        assert areas(document, "cannot-say") >= {"boot", "sysctls", "units", "settings", "selinux"}


@pytest.mark.parametrize(
    ("one", "two"), tuple(product((*FULL, *LESS), ("changed-evidence", "changed-report", "changed-sbom")))
)
def test_what_changed_is_told_or_said_to_be_untold(sides: dict[str, Path], tmp_path: Path, one: str, two: str) -> None:
    for before, after in ((one, two), (two, one)):
        code, document = drift(tmp_path, str(sides[before]), str(sides[after]))
        assert code == 1, (before, after)
        kinds = {before.removeprefix("changed-"), after.removeprefix("changed-")}
        told = {(c["area"], c["judgement"]) for c in document["changes"]}
        assert ("packages", "unexpected") in told
        both_know = kinds <= set(FULL)
        assert ("sysctls", "unexpected" if both_know else "cannot-say") in told
        assert both_know or "sysctls" not in areas(document, "expected")
        if "sbom" not in kinds:
            assert any(area == "rules" and judgement in ("unexpected", "expected") for area, judgement in told)


@pytest.mark.parametrize("one", [*FULL, *LESS])
def test_an_empty_folder_is_like_no_system_whoever_tells_of_it(
    sides: dict[str, Path], tmp_path: Path, one: str
) -> None:
    for words in ((sides[one], sides["empty"]), (sides["empty"], sides[one])):
        code, document = drift(tmp_path, *map(str, words))
        assert (code, document["relation"]) == (1, "unrelated")
        assert "identity" in areas(document, "unexpected")


def test_a_signed_baseline_is_as_good_against_every_side(sides: dict[str, Path], tmp_path: Path) -> None:
    for two in (*FULL, *LESS):
        words = (str(sides["baseline"]), str(sides[two]), "--key", str(sides["key"]))
        code, document = drift(tmp_path, *words)
        assert (code, areas(document, "unexpected")) == (0, set()), two
    for one in ("image", "report", "sbom"):
        assert main(["drift", str(sides[one]), str(sides["evidence"]), "-q", "--key", str(sides["key"])]) == 2


def test_a_node_is_held_against_every_side(
    sides: dict[str, Path], tmp_path: Path, small_erofs_image: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = command_line_of(small_erofs_image.path)
    (tmp_path / "root").mkdir()
    source = FakeNode(tmp_path / "root", small_erofs_image.path, line).make().open()
    node = look_at(source, Looking(workers=1, signatures=True), read_benchmarks(SHIPPED), NoProgress())
    source.close()
    monkeypatch.setattr(drift_sides, "look_at_node", lambda *_: node)
    monkeypatch.chdir(tmp_path)
    for other in (*FULL, *LESS):
        for words in ((str(sides[other]), "node"), ("node", str(sides[other]))):
            code, document = drift(tmp_path, *words)
            assert (code in (0, 1, 3), document["relation"]) == (True, "same-release"), words
            assert document["changes"], words
            assert areas(document, "cannot-say"), words
    assert drift(tmp_path, "node", "node")[1]["changes"] == []
