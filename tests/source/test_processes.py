"""Work shared between forked processes: all of it done, every failure told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.source.processes import can_fork, share


def write_own_process(folder: Path, jobs: Sequence[int]) -> None:
    for job in jobs:
        (folder / str(job)).write_text(str(os.getpid()))


def test_every_job_is_done_once_and_in_several_processes(tmp_path: Path) -> None:
    share(range(20), lambda mine: write_own_process(tmp_path, mine), 3)
    assert {int(path.name) for path in tmp_path.iterdir()} == set(range(20))
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 3


def test_work_stays_here_while_other_threads_run(tmp_path: Path) -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert not can_fork()
        share(range(5), lambda mine: write_own_process(tmp_path, mine), 3)
    finally:
        release.set()
        thread.join()
    assert {path.read_text() for path in tmp_path.iterdir()} == {str(os.getpid())}


@pytest.mark.parametrize("error", [FormatError("broken cluster", offset=5), SourceError("disk is full")])
def test_failure_in_another_process_is_raised_here(error: FormatError | SourceError) -> None:
    def work(mine: Sequence[int]) -> None:
        if 1 in mine:
            raise error

    with pytest.raises(type(error), match=error.message.split(" (")[0]):
        share(range(6), work, 2)


def test_process_that_dies_is_a_source_error() -> None:
    parent = os.getpid()

    def work(_: Sequence[int]) -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SourceError, match="died"):
        share(range(4), work, 2)
