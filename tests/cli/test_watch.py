"""`rocketaudit watch`: reports are whole or not there, whatever happens while one is made."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rocketaudit.cli import watching
from rocketaudit.cli.main import main
from rocketaudit.cli.report_folder import reports_in, time_of
from rocketaudit.cli.watching import Plan
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


def test_the_audit_ends_with_a_watch_that_is_killed(folder: Path, root: Path) -> None:
    process = start(words(folder, root))
    until(lambda: any(folder.glob(".new-2*")))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: children.read_text().split())
    (child,) = children.read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    until(lambda: _is_gone(child))


def _is_gone(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


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


@pytest.mark.own_process
def test_kills_at_any_moment_lose_no_report_and_leave_a_true_heartbeat(folder: Path, root: Path) -> None:
    """From before the first audit to after several: what was whole stays whole, and the link leads to one."""
    source = random.Random(11)
    known: dict[str, bytes] = {}
    for _ in range(6):
        process = start(words(folder, root, "--keep", "3"))
        time.sleep(source.uniform(0.05, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        now = {place.name: (place / "report.json").read_bytes() for place in reports_in(folder)}
        assert all(json.loads(text)["target"]["kind"] == "node" for text in now.values())
        assert len(now) >= min(3, len(known))
        assert all(now.get(name, text) == text for name, text in known.items())
        if now:
            assert (folder / "latest/report.json").is_file()
        known = now
    done = subprocess.run(words(folder, root, "--times", "1", "--keep", "3"), env=ENVIRONMENT, check=False)
    kept = reports_in(folder)
    assert done.returncode in (1, 3)
    assert (folder / "latest").resolve() == kept[-1] and len(kept) <= 3
    assert beat(folder)["rocketaudit_watch_last_report_timestamp_seconds"] == time_of(kept[-1].name)
    assert not any(folder.glob(".new-*"))


def test_a_disk_that_is_full_keeps_the_last_report_and_goes_on_when_there_is_room(folder: Path, root: Path) -> None:
    """A file system of 1 MiB, as a persistent mount that somebody else has filled."""
    needs_tools("mount", "umount")
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        subprocess.run(words(folder, root, "--times", "1"), env=ENVIRONMENT, capture_output=True, check=False)
        whole = (folder / "latest/report.json").read_bytes()
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        done = subprocess.run(words(folder, root, "--times", "2"), env=ENVIRONMENT, capture_output=True, check=False)
        assert b"failed" in done.stderr or b"could not be kept" in done.stderr
        assert (folder / "latest/report.json").read_bytes() == whole
        filler.unlink()
        subprocess.run(words(folder, root, "--times", "1"), env=ENVIRONMENT, capture_output=True, check=False)
        assert len(reports_in(folder)) == 2
        assert (folder / "latest").resolve() == reports_in(folder)[-1]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of day as the watch sees it, and audits that take none."""
    now = [1_800_000_000.0]

    def audit(plan: Plan, state: object, place: Path) -> int:
        del state
        (place / "report.json").write_text(json.dumps(len(reports_in(plan.folder))))
        return 0

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(watching, "_run", audit)
    monkeypatch.setattr(watching, "_sleep", lambda *_: None)
    return now


def test_a_clock_that_goes_back_loses_no_new_report(folder: Path, clock: list[float]) -> None:
    plan = Plan(folder, every=3600, keep=2, times=3)
    assert watching.run_plan(plan) == 0
    ahead = [path.name for path in reports_in(folder)]
    for back in (0, 60, 86_400, 86_400 * 365 * 20):
        clock[0] = 1_800_000_000.0 - back
        assert watching.run_plan(Plan(folder, every=3600, keep=2, times=1)) == 0
        kept = reports_in(folder)
        assert len(kept) == 2
        assert (folder / "latest").resolve() == kept[-1]
        assert abs((time_of(kept[-1].name) or 0) - clock[0]) < 60
        assert beat(folder)["rocketaudit_watch_last_report_timestamp_seconds"] == time_of(kept[-1].name)
    clock[0] = 1_800_010_000.0  # and is set right again
    watching.run_plan(Plan(folder, every=3600, keep=2, times=1))
    assert (time_of(reports_in(folder)[-1].name) or 0) == 1_800_010_000.0
    assert len(set(ahead)) == 2


def test_after_a_clock_went_back_the_next_audit_is_not_put_off(folder: Path, clock: list[float]) -> None:
    plan = Plan(folder, every=3600)
    watching.run_plan(Plan(folder, every=3600, times=1))
    assert watching._first_wait(plan) == 3600
    clock[0] -= 1_000_000
    assert watching._first_wait(plan) == 0
    clock[0] += 1_000_030
    assert watching._first_wait(plan) == 3570


def test_an_audit_that_ends_without_its_report_publishes_nothing(
    folder: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `node` does when a store that it is to keep its report in is locked: 3, and no file."""
    watching.run_plan(Plan(folder, every=3600, times=1))
    before = reports_in(folder)
    clock[0] += 3600
    monkeypatch.setattr(watching, "_run", lambda *_: 3)
    assert watching.run_plan(Plan(folder, every=3600, times=1)) == 4
    assert reports_in(folder) == before
    assert (folder / "latest").resolve() == before[0]
    assert "without report.json" in capsys.readouterr().err
    assert beat(folder)["rocketaudit_watch_last_exit_code"] == -1


def test_a_link_that_a_kill_left_behind_is_set_right(folder: Path, clock: list[float]) -> None:
    watching.run_plan(Plan(folder, every=1, times=2))
    old, new = reports_in(folder)
    (folder / "latest").unlink()
    (folder / "latest").symlink_to(old.name)
    clock[0] += 5
    watching.point_to_newest(folder)
    assert (folder / "latest").resolve() == new
