"""`rocketaudit judge --bundle`: terms that an answer must meet, and what the report says of a node's own word."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from tests.formats.test_bundle import HEAD, LINES, text


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.txt"
    now = text(*LINES).replace(b"time 1700000000", f"time {time.time():.0f}".encode())
    path.write_bytes(now.replace(b"nonce -", b"nonce asked-42"))
    return path


def test_report_says_that_the_node_said_so(bundle: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    code = main(["judge", "--bundle", str(bundle), "--nonce", "asked-42", "--max-age", "1h", "-o", f"json={report}"])
    raw = json.loads(report.read_text())
    assert code in (1, 3)
    assert raw["assurance"] == "asserted"
    assert raw["integrity"]["verdict"] == "unknown"
    assert raw["target"]["kind"] == "node"
    assert any("no files" in gap["reason"] for gap in raw["unread"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--nonce", "other"], 3, "repeats the nonce"),
        (["--max-age", "0s"], 3, "seconds old"),
        (["--max-age", "soon"], 2, "not a time"),
    ],
)
def test_an_answer_to_another_question_is_refused(
    bundle: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    time.sleep(0.01)
    raw = bundle.read_bytes().replace(b"time 1", b"time 0")
    bundle.write_bytes(raw)
    assert main(["judge", "--bundle", str(bundle), *words]) == code
    assert said in capsys.readouterr().err


def test_a_bundle_without_a_nonce_answers_no_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b"
    path.write_bytes(text(*LINES))
    assert main(["judge", "--bundle", str(path), "--nonce", "x"]) == 3
    assert "nonce none" in capsys.readouterr().err


def test_a_bundle_of_tomorrow_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b"
    path.write_bytes(text(*LINES).replace(b"time 1700000000", b"time 99999999999"))
    assert main(["judge", "--bundle", str(path), "--max-age", "1d"]) == 3
    assert "clocks" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["x.json", "--bundle", "y"], ["x.json", "--nonce", "a"]])
def test_terms_without_a_bundle_are_wrong_usage(words: list[str]) -> None:
    assert main(["judge", *words]) == 2


def test_a_bundle_that_was_cut_in_its_head_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b"
    path.write_text(HEAD[:60])
    assert main(["judge", "--bundle", str(path)]) == 3
    assert "bundle" in capsys.readouterr().err
