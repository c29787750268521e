"""The end of the process: nothing that was said is lost, and what others asked for at the end is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, *, out: int | None = None) -> subprocess.CompletedProcess[str]:
    around = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    script = f"import sys\nimport rocketaudit.cli.main as m\n{code}\nm.run()"
    return subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE if out is None else out,
        stderr=subprocess.PIPE,
        text=True,
        env=around,
        check=False,
    )


@pytest.mark.parametrize("code", [0, 1, 3])
def test_what_was_printed_is_written_and_the_code_is_that_of_the_command(code: int) -> None:
    done = run(f"m.main = lambda: (print('x' * 100_000), print('said', file=sys.stderr), {code})[2]")
    assert (done.returncode, len(done.stdout), done.stderr) == (code, 100_001, "said\n")


def test_what_others_asked_for_at_the_end_is_done(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = run(
        f"import atexit; from pathlib import Path; atexit.register(Path({str(mark)!r}).touch); m.main = lambda: 0"
    )
    assert (done.returncode, mark.exists()) == (0, True)


def test_output_that_cannot_be_written_is_not_passed_over() -> None:
    with open("/dev/full", "w") as full:
        done = run("m.main = lambda: (print('lost'), 0)[1]", out=full.fileno())
    assert (done.returncode, done.stderr) == (3, "rocketaudit: output cannot be written: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["rules", "list"], ["--version"], ["--help"], ["rules", "list", "-o", "json"]])
def test_commands_that_cannot_write_say_so_in_one_line_and_do_not_pass(words: list[str], unbuffered: str) -> None:
    command = [sys.executable, "-m", "rocketaudit", *words]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert done.returncode == 3
    assert done.stderr == "rocketaudit: output cannot be written: No space left on device\n"


def test_a_command_whose_reader_leaves_early_gives_no_verdict() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-u", "-m", "rocketaudit", "rules", "list"],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("m.main = lambda: (print('unseen'), 0)[1]", out=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
