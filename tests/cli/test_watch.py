"""`rocketaudit watch`: reports are whole or not there, whatever happens while one is made."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.cli.watching import reports_in
from tests.support import REPO, needs_tools

ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPO)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host root with next to nothing in it, so that an audit takes a second."""
    (tmp_path / "host/usr/bin").mkdir(parents=True)
    (tmp_path / "host/proc/1").mkdir(parents=True)
    (tmp_path / "host/usr/bin/tool").write_bytes(b"#!/bin/sh\n")
    return tmp_path / "host"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "reports"
    place.mkdir()
    return place


def words(folder: Path, root: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "rocketaudit", "watch", "--to", str(folder), "--every", "1s", "--jitter", "0s"]
    return [*command, *more, "--", "--rootfs", str(root)]


def start(command: list[str], limit: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, preexec_fn=limit)


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def beat(folder: Path) -> dict[str, float]:
    lines = (folder / "rocketaudit.prom").read_text().splitlines()
    assert lines[-1] == "# EOF"
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_the_last_reports_stay_and_latest_points_to_the_newest(folder: Path, root: Path) -> None:
    command = words(folder, root, "--times", "3", "--keep", "2", "--format", "json", "--format", "openmetrics")
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode in (1, 3)
    assert done.stdout == done.stderr == b""
    kept = reports_in(folder)
    assert len(kept) == 2
    assert (folder / "latest").resolve() == kept[-1]
    for place in kept:
        assert sorted(path.name for path in place.iterdir()) == ["report.json", "report.prom"]
        assert json.loads((place / "report.json").read_text())["target"]["kind"] == "node"
    values = beat(folder)
    assert values["rocketaudit_watch_last_exit_code"] == done.returncode
    assert sum(value for name, value in values.items() if name.startswith("rocketaudit_watch_audits")) == 3
    assert [path.name for path in folder.iterdir() if path.name.startswith(".new")] == []


def test_a_kill_while_a_report_is_made_costs_only_that_report(folder: Path, root: Path) -> None:
    for _ in range(3):
        before = [path.name for path in reports_in(folder)]
        process = start(words(folder, root))
        until(lambda: any(folder.glob(".new-2*")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        assert [path.name for path in reports_in(folder)][: len(before)] == before
        for place in reports_in(folder):
            json.loads((place / "report.json").read_text())
        subprocess.run(words(folder, root, "--times", "1"), env=ENVIRONMENT, capture_output=True, check=False)
    assert len(reports_in(folder)) >= 3
    assert not any(folder.glob(".new-*"))


def test_a_full_disk_costs_no_report_and_is_said(folder: Path, root: Path) -> None:
    subprocess.run(words(folder, root, "--times", "1"), env=ENVIRONMENT, capture_output=True, check=False)
    whole = (folder / "latest/report.json").read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as a disk with 20 kB left

    done = subprocess.run(
        words(folder, root, "--times", "2"), env=ENVIRONMENT, capture_output=True, preexec_fn=limit, check=False
    )
    assert b"failed" in done.stderr
    assert len(reports_in(folder)) == 1
    assert (folder / "latest/report.json").read_bytes() == whole
    assert beat(folder)['rocketaudit_watch_audits{result="failed"}'] >= 1


def test_a_request_to_end_ends_the_audit_too_and_leaves_nothing_half(folder: Path, root: Path) -> None:
    process = start(words(folder, root))
    until(lambda: any(folder.glob(".new-2*")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert process.stderr is not None
    process.stderr.close()
    assert not any(folder.glob(".new-*"))


def test_after_a_restart_the_next_audit_is_due_when_it_would_have_been(folder: Path, root: Path) -> None:
    """Host containers are started again after 45 seconds: that must not make an audit every 45 seconds."""
    subprocess.run(words(folder, root, "--times", "1"), env=ENVIRONMENT, capture_output=True, check=False)
    command = [word if word != "1s" else "1h" for word in words(folder, root)]
    process = start(command)
    until(lambda: "rocketaudit_watch_next_audit_timestamp_seconds" in beat(folder))
    due = beat(folder)["rocketaudit_watch_next_audit_timestamp_seconds"]
    process.terminate()
    assert process.wait(15) == 0
    assert process.stderr is not None
    process.stderr.close()
    assert 3500 < due - time.time() < 3601
    assert len(reports_in(folder)) == 1


def test_an_audit_that_takes_too_long_is_ended_and_counted(folder: Path, root: Path) -> None:
    done = subprocess.run(
        words(folder, root, "--times", "1", "--timeout", "0s"), env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 4
    assert b"was ended" in done.stderr
    assert beat(folder)["rocketaudit_watch_last_exit_code"] == -1
    assert reports_in(folder) == []


def test_two_watches_do_not_share_a_folder(folder: Path, root: Path) -> None:
    process = start(words(folder, root))
    until(lambda: (folder / ".watch.lock").exists() and any(folder.glob(".new-2*")))
    done = subprocess.run(words(folder, root), env=ENVIRONMENT, capture_output=True, check=False)
    process.terminate()
    process.wait(15)
    assert process.stderr is not None
    process.stderr.close()
    assert done.returncode == 2
    assert b"another watch" in done.stderr


def test_nothing_listens_to_the_network(folder: Path, root: Path, tmp_path: Path) -> None:
    needs_tools("strace")
    log = tmp_path / "calls"
    command = ["strace", "-f", "-q", "-e", "trace=bind,listen,accept,accept4", "-o", str(log)]
    subprocess.run([*command, *words(folder, root, "--times", "1")], env=ENVIRONMENT, capture_output=True, check=False)
    assert len(reports_in(folder)) == 1
    assert [line for line in log.read_text().splitlines() if "(" in line and "exited" not in line] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "often"], "--every often"),
        (["--every", "0s"], "time between"),
        (["--format", "pdf"], "no output format"),
        (["--", "--bogus"], "exit code 2"),
    ],
)
def test_wrong_arguments_end_it_at_once(
    folder: Path, words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "--to", str(folder), *words]) == 2
    assert said in capfd.readouterr().err


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--to", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
