"""The bench harness measures whole processes and divides ours by the reference."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench import page
from bench.cases import CASES, Case
from bench.measure import CommandFailedError, compare, run_once
from bench.memory import private_peak
from bench.targets import WORDS
from tests.images import Built

SLOW = (sys.executable, "-I", "-S", "-c", "x = bytearray(64 << 20); import time; time.sleep(0.12)")
FAST = (sys.executable, "-I", "-S", "-c", "pass")


def test_a_slower_command_has_a_ratio_above_one_and_its_memory_is_seen() -> None:
    result = compare(SLOW, FAST, pairs=3)
    assert result.wall_ratio > 1
    assert result.ours.wall >= 0.12
    assert result.ours.peak > result.reference.peak + 50


def test_private_memory_counts_what_a_process_wrote_and_not_what_it_mapped(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(96 << 20))
    text = (
        "import mmap, os, sys, time; file = open(sys.argv[1], 'rb')\n"
        "m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "sum(m[::4096]); x = bytearray(b'x') * (32 << 20) if os.fork() == 0 else b''; time.sleep(0.4)"
    )
    assert 30 < private_peak((sys.executable, "-I", "-S", "-c", text, str(big))) < 80


def test_a_command_that_fails_is_no_result() -> None:
    with pytest.raises(CommandFailedError, match="ended with 3: no image"):
        run_once((sys.executable, "-c", "import sys; print('no image', file=sys.stderr); sys.exit(3)"))


def test_an_accepted_exit_code_is_a_result() -> None:
    assert run_once((sys.executable, "-S", "-c", "raise SystemExit(1)"), accept=(0, 1)).wall > 0


def test_every_word_in_braces_is_known() -> None:
    for case in CASES:
        for word in re.findall(r"{([^}]*)}", case.ours + case.reference):
            assert word in WORDS, case.name


def test_a_row_has_a_cell_for_every_column_also_when_nothing_was_measured() -> None:
    case = Case("name", "a", "b", "meaning")
    for result in (compare(FAST, FAST, pairs=1), "no | tool"):
        assert page.line(page.Row(case, result), "today").count("|") == len(page.COLUMNS) + 1


def test_a_page_keeps_the_rows_that_were_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    assert page.read(path) == {}
    old = [page.line(page.Row(Case(name, "a", "b", "means"), "no tool"), "day, commit") for name in ("one", "two")]
    page.write(path, old)
    rows = page.read(path)
    assert rows == dict(zip(("one", "two"), old, strict=True))
    rows["two"] = page.line(page.Row(Case("two", "a", "b", "means"), compare(FAST, FAST, pairs=1)), "later, commit")
    page.write(path, rows.values())
    assert page.read(path) == rows
    assert "later" in path.read_text()


def test_the_commit_of_a_row_is_named() -> None:
    assert re.fullmatch(r"(no commit|[0-9a-f]{7,})\+?", page.commit())


def test_a_part_that_measures_itself_is_taken_by_its_word() -> None:
    command = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(0.1); print(7.5, 3.25)")
    run = run_once(command, inside=True)
    assert (run.wall, run.cpu) == (7.5, 3.25)


@pytest.mark.parametrize("part", ["open", "list", "read", "memory"])
def test_every_part_of_a_scan_is_measured_by_itself(part: str, small_erofs_image: Built) -> None:
    run = run_once((sys.executable, "-m", "bench.inside", part, str(small_erofs_image.path)), inside=True)
    assert 0 < run.wall < 60
    assert 0 < run.cpu <= run.wall * 4
