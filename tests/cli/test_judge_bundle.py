"""`rocketaudit judge --bundle`: terms that an answer must meet, and what the report says of a node's own word."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.report import WRITERS
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


# what moves a terminal's cursor, sets its title, rings, clears, links, hides or turns around
ATTACKS = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x1b]8;;http://x\x1b\\",
    "\r",
    "\x08\x08",
    "\u202e",
    "\u2066",
    "\x7f",
    "\x00",
)
FORBIDDEN = frozenset("\x1b\x9b\x07\x08\x7f\x00\u202e\u2066\u2028\x85")


def attacked(attack: str) -> bytes:
    """A bundle that says it wherever a text may stand: as it is, and as JSON spells it."""
    spelt = json.dumps(f"a{attack}b")
    lines = [
        f"=\tsysctl:kernel.x\t{spelt}",
        f'=\tmodules:loaded\t["ext4",{spelt}]',
        f"=\tkernel_command_line:text\t{json.dumps(f'ro lockdown={attack} root={attack}')}",
        f"=\tlockdown:mode\t{spelt}",
        f"=\tunits:running\t[{spelt}]",
        f"!\tfips:enabled\tdenied{attack}",
        f"-\tsysctl:kernel{attack}",
        f'=\tsysctl:kernel.y\t"a{attack}b"',
        f'api\t/os\t200\t{{"pretty_name":{spelt},"variant_id":{spelt},"version_id":{spelt},"build_id":"x","arch":"a"}}',
        f"api\t/settings\t500\t{spelt}",
        f'api\t/updates/status\t200\t{{"update_state":{spelt}}}',
        f'api\t/report/cis\t200\t{{"name":{spelt},"results":{{"br1":{{"id":{spelt},"status":{spelt},"level":1}}}}}}',
        f"nonsense{attack}",
    ]
    return text(*lines)


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_nothing_that_a_node_says_reaches_a_terminal_or_a_document_as_it_is(
    attack: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b"
    path.write_bytes(attacked(attack))
    names = [one.name for one in WRITERS if not one.name.startswith(("pack", "spdx"))]
    outputs = [word for name in names if name != "console" for word in ("-o", f"{name}={tmp_path / name}")]
    assert main(["judge", "--bundle", str(path), "--verbose", "-o", "console", *outputs]) in (1, 3)
    printed = capfd.readouterr()
    for shown in (printed.out, printed.err, *((tmp_path / name).read_text() for name in names if name != "console")):
        assert not FORBIDDEN & set(shown), ascii(next(one for one in shown if one in FORBIDDEN))
        assert "\r" not in shown.replace("\r\n", "\n")
    assert "sysctl" in printed.out + (tmp_path / "json").read_text()


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
@pytest.mark.parametrize("field", ["rocketaudit-bundle 1", "keys ", "nonce -", "boot_id ", "time 1", "where "])
def test_a_head_with_such_a_text_is_refused_without_printing_it(
    attack: str, field: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b"
    path.write_bytes(text(*LINES).replace(field.encode(), (field + attack).encode(), 1))
    code = main(["judge", "--bundle", str(path)])
    printed = capfd.readouterr()
    assert code == 3 or (code == 1 and attack == "\r")
    assert not FORBIDDEN & set(printed.out + printed.err)
