"""The loop behind `rocketaudit watch`: each audit in a process of its own, with a heartbeat beside the reports."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import field
from functools import partial
from pathlib import Path
from types import FrameType

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.output import write_file
from rocketaudit.cli.report_folder import (
    NEW,
    clean,
    free_name,
    point_to_newest,
    prune,
    publish,
    reports_in,
    time_of,
)
from rocketaudit.errors import RocketauditError, UsageError
from rocketaudit.model.records import dataclass
from rocketaudit.report import WRITERS

HEARTBEAT = "rocketaudit.prom"
BEAT_SECONDS = 60
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of include/uapi/linux/prctl.h
_LOCK = ".watch.lock"
_WHOLE = {0: "meets_policy", 1: "does_not_meet_policy", 3: "incomplete"}
_ROOM = 1 << 20  # bytes; with less, an audit that cannot write is no fault of its arguments


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: times in seconds; `arguments` are those of `rocketaudit node`; `times` None goes on until stopped."""

    folder: Path
    every: int
    jitter: int = 0
    keep: int = 10
    formats: tuple[str, ...] = ("json",)
    timeout: int = 7200
    times: int | None = None
    arguments: tuple[str, ...] = ()
    quiet: bool = False


@dataclass(slots=True)
class _State:
    ended: float = 0.0
    code: int | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_WHOLE.values(), "failed"), 0))
    stopped: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def check_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names; UsageError for one that is no format."""
    known = [writer.name for writer in WRITERS]
    for name in names:
        if name not in known:
            raise UsageError(f"no output format {name!r}", hint=f"one of: {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def run_plan(plan: Plan) -> int:
    """Audit until stopped (0) or `times` is reached (the last audit's exit code).

    UsageError when the folder cannot be used, or another watch uses it; 2 when the audit refuses its arguments.
    """
    state = _State()
    with _folder_of_ours(plan.folder), _stopping(state):
        clean(plan.folder)
        point_to_newest(plan.folder)
        _sleep(plan, state, _first_wait(plan))
        while not state.stopped:
            begun = time.monotonic()  # a clock that is set must not bring two audits together or keep them apart
            code = _one_audit(plan, state)
            if code == ExitCode.USAGE and state.total == 1 and _has_room(plan.folder):
                return code
            if plan.times is not None and state.total >= plan.times:
                return ExitCode.INTERNAL if code is None else code
            wait = max(0.0, begun + plan.every - time.monotonic()) + random.uniform(0, plan.jitter)  # noqa: S311
            _sleep(plan, state, wait)
    return ExitCode.MEETS_POLICY


@contextlib.contextmanager
def _folder_of_ours(folder: Path) -> Iterator[None]:
    """Nobody else watches in this folder at the same time."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(f"--to {folder}: {error.strerror}", hint="a folder that this user may write to") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"--to {folder}: another watch writes there") from error
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _stopping(state: _State) -> Iterator[None]:
    """A request to end is kept until the audit that runs has been ended, too."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        state.stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_wait(plan: Plan) -> float:
    """After a restart the next audit is due when it would have been."""
    reports = reports_in(plan.folder)
    last = time_of(reports[-1].name) if reports else None
    if last is None or last > time.time():
        return 0.0
    return min(plan.every, max(0.0, last + plan.every - time.time()))


def _one_audit(plan: Plan, state: _State) -> int | None:
    """The exit code of one audit, None when it did not end by itself; the report is published when it is whole."""
    name = free_name(plan.folder)
    place = plan.folder / f"{NEW}{name}"
    code: int | None = None
    try:
        place.mkdir()
        code = _run(plan, state, place)
        if code in _WHOLE:
            publish(place, plan.folder / name, _report_names(plan).values())
            prune(plan.folder, plan.keep, plan.folder / name)
        elif not state.stopped:
            _say(plan, f"the audit {'was ended' if code is None else f'failed with exit code {code}'}")
    except (OSError, RocketauditError) as error:
        _say(plan, f"the report could not be kept: {error}")
        code = None if code in _WHOLE else code
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if state.stopped and code is None:
        return None
    state.ended, state.code = time.time(), code
    state.counts[_WHOLE.get(-1 if code is None else code, "failed")] += 1
    _beat(plan, state)
    return code


def _report_names(plan: Plan) -> dict[str, str]:
    suffixes = {writer.name: writer.suffix for writer in WRITERS}
    return {name: f"report{suffixes[name]}" for name in plan.formats}


def _run(plan: Plan, state: _State, place: Path) -> int | None:
    """`rocketaudit node` in a process of its own, which is ended when it takes too long or we are told to stop."""
    end = time.monotonic() + plan.timeout
    command = [sys.executable, "-m", "rocketaudit", "node", "--quiet"]
    for name, file in _report_names(plan).items():
        command += ["-o", f"{name}={place / file}"]
    command += plan.arguments
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=partial(_end_with_parent, os.getpid())
    )
    beat = time.monotonic() + BEAT_SECONDS
    while not state.stopped and time.monotonic() < end:
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= beat:
                _beat(plan, state)
                beat = time.monotonic() + BEAT_SECONDS
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def _end_with_parent(parent: int) -> None:
    """In the audit's process: prctl(2) has the kernel end it when the watch is killed, so that no two run at a time."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it is gone already
        os.kill(os.getpid(), signal.SIGKILL)


def _sleep(plan: Plan, state: _State, seconds: float) -> None:
    """Wait, with a heartbeat every minute."""
    end = time.monotonic() + seconds
    beat = 0.0
    while not state.stopped and (left := end - time.monotonic()) > 0:
        if time.monotonic() >= beat:
            _beat(plan, state, next_audit=time.time() + left)
            beat = time.monotonic() + BEAT_SECONDS
        time.sleep(min(left, 0.5))


def _beat(plan: Plan, state: _State, next_audit: float | None = None) -> None:
    """The heartbeat; when it cannot be written the old one stays, and says by its age that something is wrong."""
    try:
        reports = reports_in(plan.folder)
    except OSError as error:
        _say(plan, f"no heartbeat: {error}")
        return
    last = time_of(reports[-1].name) if reports else None
    lines: list[str] = []

    def gauge(name: str, text: str, value: float | None) -> None:
        if value is not None:
            lines.extend((f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value:.0f}"))

    gauge("rocketaudit_watch_alive_timestamp_seconds", "When this program was last there", time.time())
    gauge("rocketaudit_watch_interval_seconds", "From one audit to the next", plan.every)
    gauge("rocketaudit_watch_last_report_timestamp_seconds", "When the newest whole report was begun", last)
    gauge("rocketaudit_watch_last_audit_timestamp_seconds", "When the last audit ended", state.ended or None)
    gauge("rocketaudit_watch_last_exit_code", "Exit code of the last audit; -1 when it did not end by itself",
          None if not state.ended else -1 if state.code is None else state.code)  # fmt: skip
    gauge("rocketaudit_watch_next_audit_timestamp_seconds", "When the next audit is due", next_audit)
    name = "rocketaudit_watch_audits"
    lines += [f"# HELP {name} Audits since this program started", f"# TYPE {name} gauge"]
    lines += [f'{name}{{result="{result}"}} {count}' for result, count in state.counts.items()]
    try:
        write_file(plan.folder / HEARTBEAT, ("\n".join([*lines, "# EOF"]) + "\n").encode())
    except RocketauditError as error:
        _say(plan, f"no heartbeat: {error}")


def _has_room(folder: Path) -> bool:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > _ROOM


def _say(plan: Plan, text: str) -> None:
    if not plan.quiet:
        print(f"rocketaudit watch: {text}", file=sys.stderr, flush=True)  # noqa: T201
