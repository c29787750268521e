"""What is begun elsewhere is there when it is asked for, whatever becomes of the other process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from rocketaudit.evidence.background import in_background

pytestmark = pytest.mark.own_process  # what is tested forks, and does not where threads run


@pytest.fixture
def two_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_the_work_is_done_in_another_process_and_once(two_cpus):
    result = in_background(os.getpid)
    assert result() != os.getpid()
    assert result() == result()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_dies_costs_time_but_no_result(two_cpus):
    parent = os.getpid()

    def work():
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return "here"

    assert in_background(work)() == "here"


def test_what_the_work_raises_is_raised_to_who_asks(two_cpus, capfd):
    def work():
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        in_background(work)()
    assert capfd.readouterr().err == ""


def test_with_one_cpu_or_threads_it_is_done_here(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert in_background(os.getpid)() == os.getpid()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert in_background(os.getpid)() == os.getpid()
    finally:
        wait.set()
        thread.join()
