"""`rocketaudit drift --expect`: what the user says of an update, on the command line and in the policy."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.model.evidence import Evidence
from tests.analysis.drift.samples import PARAMETERS
from tests.analysis.drift.test_judge import NEXT, REBUILT, SAME, swap, with_tree
from tests.cli.test_drift import drift, keys, put
from tests.conftest import built
from tests.images import Built

BEFORE = with_tree(SAME, PARAMETERS)
FORGED = swap(NEXT, "/usr/bin/a", sha256="99" * 32)
ROOT = REBUILT.root_hash


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sides(current: Evidence = FORGED) -> tuple[str, str]:
    return put("a.json", BEFORE), put("b.json", current)


def test_a_file_a_version_and_a_root_hash_edited_together_pass_as_nothing() -> None:
    """As anybody can who may write the file: with the evidence's digest made anew."""
    words = sides()
    for said in ([], ["--expect", "upgrade"], ["--expect", "1.63.0"]):
        code, document = drift(*words, *said)
        assert (code, document["relation"]) == (3, "upgrade")
        assert any("root hash" in note or "own word" in note for note in document["notes"])
        assert "update" in document["policy"]["reasons"][0]
    assert drift(*words, "--expect", "none")[0] == 1
    assert drift(*words, "--expect", "1.64.0")[0] == 1
    assert drift(*words, "--expect-root-hash", "12" * 32)[0] == 1


def test_a_root_hash_or_a_signature_vouches_for_an_update() -> None:
    words = sides()
    assert drift(*words, "--expect-root-hash", ROOT.upper())[0] == 0
    private, public = keys()
    assert main(["drift", *words, "--expect", "1.63.0", "--current-key", public, "-q"]) == 3  # there is no signature
    assert main(["baseline", "sign", "b.json", "--key", private, "-q"]) == 0
    code, document = drift(*words, "--expect", "1.63.0", "--current-key", public)
    assert (code, document["sides"][1]["assurance"]) == (0, "signed-evidence")
    put("b.json", swap(FORGED, "/usr/bin/a", sha256="98" * 32))
    assert main(["drift", *words, "--expect", "1.63.0", "--current-key", public, "-q"]) == 3
    shutil.move("b.json.dsse", "a.json.dsse")  # another's signature
    assert main(["drift", *words, "--key", public, "-q"]) == 3


def test_a_policy_declares_and_the_command_line_wins() -> None:
    words = sides()
    Path("rocketaudit.toml").write_text(
        f"[drift]\ndeclared_update = '1.63.0'\ndeclared_root_hash = '{ROOT}'\nshare_fall = 2\n"
    )
    assert drift(*words)[0] == 0
    assert drift(*words, "--expect", "1.62.9")[0] == 1
    assert drift(*words, "--expect-root-hash", "12" * 32)[0] == 1


@pytest.mark.parametrize(
    "text",
    ["declared_update = ''", "declared_update = 'newer'", "declared_update = 1.63", "declared_root_hash = 'abc'",
     "declared_root_hash = 'gg'", "share_fall = -1", "share_fall = 'some'", "declared_update = 'v'"],
)  # fmt: skip
def test_a_declaration_that_can_be_no_version_or_root_hash_is_wrong_usage(text: str) -> None:
    words = sides()
    Path("rocketaudit.toml").write_text(f"[drift]\n{text}\n")
    assert main(["drift", *words, "-q"]) == 2


@pytest.mark.parametrize("words", [["--expect", "soon"], ["--expect", ""], ["--expect-root-hash", "xyz"]])
def test_such_words_on_the_command_line_are_wrong_usage_too(words: list[str]) -> None:
    assert main(["drift", *sides(), "-q", *words]) == 2


def test_a_key_for_a_current_side_that_nobody_can_have_signed_is_not_ignored(small_erofs_image: Built) -> None:
    _, public = keys()
    assert main(["drift", put("a.json", SAME), str(small_erofs_image.path), "--current-key", public, "-q"]) == 2


def test_the_console_leads_with_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", *sides()]) == 3
    said = capsys.readouterr().out
    assert "only the current side says" in said.replace("\n", " ").lower() or "ONLY THE CURRENT SIDE" in said
    assert "nobody declared the update" in said


def test_images_of_two_releases_are_a_release_note_and_zero_when_declared(small_erofs_image: Built) -> None:
    release = replace(small_erofs_image.spec.release, version="1.63.0", build="aaaa1111")
    newer = built(replace(small_erofs_image.spec, release=release))
    words = str(small_erofs_image.path), str(newer.path)
    code, document = drift(*words)
    assert (code, document["relation"]) == (3, "upgrade")
    assert {c["decided_by"] for c in document["changes"] if c["judgement"] != "expected"} == {"update-undeclared"}
    assert drift(*words, "--expect", "1.63.0")[0] == 0
    stated = json.dumps(document["changes"])
    assert newer.verity["A"].root_hash in stated
    assert drift(*words, "--expect-root-hash", newer.verity["A"].root_hash)[0] == 0
    assert drift(*words, "--expect-root-hash", small_erofs_image.verity["A"].root_hash)[0] == 1
