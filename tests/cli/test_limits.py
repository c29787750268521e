"""Every bound of a scan can be set, and what meets it says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocketaudit.cli.limits import bounds_of
from rocketaudit.cli.main import main
from rocketaudit.errors import UsageError
from rocketaudit.model.budget import Bounds, Budget
from tests.images import Built
from tests.support import find_tool, needs_tools


def test_without_limits_the_defaults_of_the_budget_hold() -> None:
    made, default = bounds_of(None).budget(), Budget()
    for name in ("max_bytes", "max_entries", "max_depth", "max_seconds", "max_held", "max_holes"):
        assert getattr(made, name) == getattr(default, name)


def test_every_bound_is_set_by_its_name_and_bytes_by_a_bare_number() -> None:
    assert bounds_of(["7", "entries=8", "depth=9", "seconds=0.5", "held=6", "holes=5"]) == Bounds(7, 8, 9, 0.5, 6, 5)
    assert bounds_of(["bytes=1", "bytes=2"]).most_bytes == 2


@pytest.mark.parametrize(
    "text", ["", "x", "entries=", "entries=x", "=5", "lines=5", "depth=1.5", "0", "-1", "seconds=nan"]
)
def test_what_is_no_bound_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is no bound"):
        bounds_of([text])


@pytest.mark.parametrize(
    ("limit", "word"),
    [("entries=5", "more than 5 entries"), ("depth=1", "deeper than 1 levels"), ("seconds=0.000001", "longer than")],
)
def test_a_listing_that_meets_its_bound_is_whole_json_and_unread(
    limit: str, word: str, small_erofs_image: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["ls", str(small_erofs_image.path), "-R", "-o", "json", "--limit", limit])
    said = capsys.readouterr()
    assert code == 3
    if said.out:
        unread = [row["unread"] for row in json.loads(said.out) if "unread" in row]
        assert any(word in reason for reason in unread)
    else:
        assert word in said.err


def test_a_bomb_meets_the_bound_of_bytes(
    small_erofs_image: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs_tools("lz4")
    import subprocess

    subprocess.run([find_tool("lz4") or "", "-q", small_erofs_image.path, tmp_path / "x"], check=True)
    for option in (("--limit", "bytes=100000"), ("--max-bytes", "100000")):
        assert main(["inspect", str(tmp_path / "x"), *option]) == 3
        assert "more than 100000 bytes produced" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "word"), [("entries=50", "more than 50 entries"), ("held=4000", "more than 4000 bytes of names")]
)
def test_a_scan_that_meets_its_bound_is_not_whole(
    limit: str, word: str, small_erofs_image: Built, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    options = ["--fail-on", "never", "-q", "-o", f"json={report}", "--limit", limit]
    assert main(["scan", str(small_erofs_image.path), *options]) in (0, 3)
    assert any(word in gap["reason"] for gap in json.loads(report.read_text())["unread"])
