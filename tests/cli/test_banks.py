"""`rocketaudit banks`: A/B banks, and with TUF metadata what the repository says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from tests.cli.test_scan_trust import put, tuf
from tests.formats.test_update_manifest import manifest, update
from tests.images import Built
from tests.tuf_repository import Repository

WHEN = ["--as-of", "2026-06-01"]


def rows(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, object]]:
    assert main(["banks", *map(str, words), "-o", "json", "-q"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_both_banks_are_listed_with_what_rolling_back_would_do(
    capsys: pytest.CaptureFixture[str], two_bank_image: Built
) -> None:
    first, second = rows(capsys, two_bank_image.path)
    assert {first["bank"], second["bank"]} == {"a", "b"}
    assert [row["boots_next"] for row in (first, second)].count(True) == 1
    assert all(row["version"] and row["updates"] == [] for row in (first, second))


def test_the_update_side_is_answered_for_every_populated_bank(
    capsys: pytest.CaptureFixture[str], two_bank_image: Built, tmp_path: Path
) -> None:
    (before, *_) = rows(capsys, two_bank_image.path)
    repository = Repository(("ed25519",))
    raw = manifest(update(str(before["version"]), variant="aws-k8s-1.36", arch="x86_64"))
    repository.contents["manifest.json"] = raw
    words = [*tuf(tmp_path, repository.build()), *WHEN]
    for row in rows(capsys, two_bank_image.path, *words):
        assert {one["state"] for one in row["updates"] if one["id"] == "release-offered"} == {"unknown"}  # type: ignore[attr-defined, index]
    put(tmp_path / "metadata", {f"{'0' * 64}.manifest.json": raw})
    for row in rows(capsys, two_bank_image.path, *words):
        answers = {one["id"]: one["state"] for one in row["updates"]}  # type: ignore[attr-defined, index]
        assert answers["release-offered"] in ("fine", "attention")
        assert answers["update-root"] == "attention"
        assert len(answers) == 7
    main(["banks", str(two_bank_image.path), *words, "-q"])
    assert "the bank takes updates from the repository of your root: its root" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--tuf-root", "x"], ["-o", "xml"], ["--as-of", "soon", "--tuf-root", "x"]])
def test_wrong_options_are_wrong_usage(words: list[str], two_bank_image: Built) -> None:
    assert main(["banks", str(two_bank_image.path), *words]) == 2
