"""`rocketaudit history`: what was kept is told, in every form."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.report.history_plot import spark, svg
from tests.analysis.drift.samples import sound
from tests.analysis.drift.test_judge import set_fact
from tests.report.samples import HOSTILE

KEY = "sysctl:kernel.kptr_restrict"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three scans of one target, the third with another sysctl."""
    monkeypatch.chdir(tmp_path)
    evidence = sound()
    for number, value in enumerate(["1", "1", "0"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(1_800_000_000 + 86_400 * number))
        one = replace(evidence, target=replace(evidence.target, name="node-1", version=f"1.{number}.0"))
        Path("e.json").write_bytes(dump_evidence(set_fact(one, KEY, value)))
        assert main(["judge", "e.json", "--store", "s.sqlite", "--fail-on", "never", "-q"]) == 0
    return tmp_path / "s.sqlite"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["history", *words, "--store", "s.sqlite"]) == 0
    return capsys.readouterr().out


def test_targets_are_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "3  node-1" in said(capsys)
    assert json.loads(said(capsys, "-o", "json"))[0]["scans"] == 3


def test_a_target_is_plotted_and_listed_newest_first(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "node-1")
    assert "node-1: 3 scans" in text and "findings" in text and "Rust" in text
    assert text.index("1.2.0") < text.index("1.0.0")


def test_since_tells_when_a_fact_changed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "node-1", "--since", KEY).splitlines()[1:]
    assert [line.split()[-1] for line in lines] == ["1", "0"]
    assert "(or before)" in lines[0] and "1.2.0" in lines[1]
    assert len(said(capsys, "node-1", "--since", "sysctl:*").splitlines()) == 4


def test_json_exports_scans_and_changes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "node-1", "--since", KEY, "-o", "json"))
    assert [scan["version"] for scan in document["scans"]] == ["1.0.0", "1.1.0", "1.2.0"]
    assert [change["fact"]["value"] for change in document["changes"]] == ["1", "0"]


def test_json_without_a_key_exports_every_fact_and_when_it_changed(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(said(capsys, "node-1", "-o", "json"))
    told = {(c["fact"]["key"], c["fact"]["plane"], c["fact"]["scope"]) for c in document["changes"]}
    assert told == {(str(fact.key), fact.plane.value, fact.scope) for fact in set_fact(sound(), KEY, "1").facts}
    assert [c["fact"]["value"] for c in document["changes"] if c["fact"]["key"] == KEY] == ["1", "0"]
    firsts = [c for c in document["changes"] if c["first"]]
    assert len(firsts) == len(told) == len(document["changes"]) - 1


def test_html_holds_charts_and_no_script(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "node-1", "--since", KEY, "-o", "html=h.html")
    text = Path("h.html").read_text()
    assert text.count("<svg") >= 2 and "<script" not in text and KEY in text


def test_prune_forgets_the_oldest(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 scans" in said(capsys, "node-1", "--prune", "1")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["other"], 3),
        (["node-1", "--since", "no:such"], 3),
        (["node-1", "-o", "pdf"], 2),
        (["-o", "html"], 2),
    ],
)
def test_what_is_not_there_is_said(store: Path, words: list[str], code: int) -> None:
    assert main(["history", *words, "--store", "s.sqlite"]) == code


def test_a_missing_store_is_three(tmp_path: Path) -> None:
    assert main(["history", "--store", str(tmp_path / "none")]) == 3


def test_a_series_is_one_bar_per_scan_and_gaps_stay_gaps() -> None:
    assert spark([1.0, None, 3.0]) == "▁·█"
    assert spark([2.0, 2.0]) == "▅▅"
    assert spark([None]) == "·"
    assert len(spark([float(n) for n in range(500)])) == 60


def test_a_chart_names_its_range_and_its_ends() -> None:
    text = svg("findings", [3.0, None, 7.5], ["first", "second", "third"])
    assert re.findall(r"<text [^>]*>([^<]*)</text>", text) == ["3", "7.5", "first", "third"]
    assert re.findall(r"<text [^>]*>([^<]*)</text>", svg("x", [2.0], ["only"])) == ["2", "only"]
    assert "<text" not in svg("x", [], [])
    heights = {float(part) for part in re.findall(r'cy="([\d.]+)"', svg("x", [2.0, 2.0], ["a", "b"]))}
    assert len(heights) == 1 and 40 < heights.pop() < 100


def test_a_chart_is_steered_by_no_label() -> None:
    labels = [*HOSTILE]
    text = svg("".join(HOSTILE), [float(n) if n % 3 else None for n in range(len(labels))], labels)
    assert "<script" not in text and "<img" not in text and "\x1b" not in text and "\u202e" not in text
    assert text.count("<svg") == 1
