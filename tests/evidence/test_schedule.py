"""Every task gets exactly one answer, whatever happens to the worker that held it."""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rocketaudit.evidence.schedule import FailureKind, WorkerFailure, run_tasks

pytestmark = pytest.mark.own_process  # what is tested forks, and does not where threads run


def start_nothing() -> None:
    faulthandler.disable()  # workers die here on purpose


def outcomes_of(tasks, work, **options):
    options.setdefault("start", start_nothing)
    options.setdefault("deadline", 20.0)
    collected = list(run_tasks(tasks, work, **options))
    assert sorted(number for number, _ in collected) == list(range(len(tasks)))
    return dict(collected)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_ten_thousand_tasks_are_each_answered_once(workers):
    results = outcomes_of(range(10_000), lambda _, task: task * 2, workers=workers)
    assert results == {number: number * 2 for number in range(10_000)}


def test_workers_are_other_processes_and_share_the_load():
    def work(_, task):
        time.sleep(0.01)
        return os.getpid()

    pids = set(outcomes_of(range(20), work, workers=2).values())
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_the_context_is_made_once_per_worker():
    def start():
        return [os.getpid(), 0]

    def work(context, task):
        context[1] += 1
        return tuple(context)

    results = outcomes_of(range(50), work, start=start, workers=2)
    assert len(set(results.values())) == 50
    assert len({pid for pid, _ in results.values()}) <= 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_is_killed_costs_only_the_task_it_ran(number):
    def work(_, task):
        if task == 7:
            os.kill(os.getpid(), number)
        return task

    results = outcomes_of(range(100), work, workers=2)
    failure = results.pop(7)
    assert failure == WorkerFailure(FailureKind.DIED, f"the worker was ended by {number.name}")
    assert results == {task: task for task in range(100) if task != 7}


def test_a_mapped_file_that_shrinks_ends_one_worker_with_sigbus_and_not_the_scan(tmp_path: Path):
    path = tmp_path / "image"
    path.write_bytes(bytes(1 << 20))

    def start():
        faulthandler.disable()
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def work(mapped, task):
        if task == 3:
            os.truncate(path, 0)
            return mapped[500_000]
        return task

    results = outcomes_of(range(6), work, start=start, workers=2)
    assert results[3] == WorkerFailure(FailureKind.DIED, "the worker was ended by SIGBUS")


def test_a_worker_that_hangs_is_ended_at_its_deadline():
    def work(_, task):
        if task in (2, 5):
            time.sleep(60)
        return task

    begun = time.monotonic()
    results = outcomes_of(range(20), work, workers=2, deadline=0.4)
    assert time.monotonic() - begun < 5
    failed = {number for number, result in results.items() if isinstance(result, WorkerFailure)}
    assert failed == {2, 5}
    assert results[2].kind is FailureKind.DEADLINE


def test_a_slow_consumer_is_not_held_against_the_workers():
    answered = []
    for number, result in run_tasks(range(6), lambda _, task: task, start=start_nothing, workers=2, deadline=0.2):
        time.sleep(0.3)
        answered.append((number, result))
    assert sorted(answered) == [(number, number) for number in range(6)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_is_the_answer_to_its_task(workers):
    def work(_, task):
        if task == 1:
            raise ValueError("block 9 is odd")
        return task

    results = outcomes_of(range(4), work, workers=workers)
    assert (results[1].kind, results[1].reason, results[1].error) == (
        FailureKind.RAISED,
        "block 9 is odd",
        "ValueError",
    )
    assert "in work" in results[1].detail
    assert [results[n] for n in (0, 2, 3)] == [0, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_context_that_cannot_be_made_fails_every_task(workers):
    def start():
        raise FileNotFoundError("gone")

    results = outcomes_of(range(5), lambda _, task: task, start=start, workers=workers)
    assert {result.reason for result in results.values()} == {"gone"}


def test_a_start_that_hangs_does_not_hang_the_scan():
    begun = time.monotonic()
    results = outcomes_of(range(2), lambda _, task: task, start=lambda: time.sleep(60), workers=2, deadline=0.2)
    assert time.monotonic() - begun < 5
    assert all(result.kind is FailureKind.DEADLINE for result in results.values())


def test_a_result_that_cannot_be_pickled_is_a_failure_and_not_a_hang():
    results = outcomes_of(range(3), lambda _, task: (lambda: task) if task == 1 else task, workers=2)
    assert isinstance(results[1], WorkerFailure)
    assert results[2] == 2


def test_results_of_a_hundred_megabytes_from_both_workers_do_not_block_each_other():
    results = outcomes_of(range(2), lambda _, task: bytes([task]) * 100_000_000, workers=2, deadline=30)
    assert [(len(results[n]), results[n][-1]) for n in (0, 1)] == [(100_000_000, 0), (100_000_000, 1)]


def test_every_worker_dying_at_once_ends_in_failures_not_in_a_loop():
    def work(_, task):
        os._exit(3)

    results = outcomes_of(range(300), work, workers=2)
    assert {result.kind for result in results.values()} == {FailureKind.DIED}
    assert results[0].reason == "the worker left with code 3"


def test_with_threads_about_the_work_stays_in_this_process():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        results = outcomes_of(range(4), lambda _, task: os.getpid(), workers=2)
    finally:
        stop.set()
        thread.join()
    assert set(results.values()) == {os.getpid()}


def test_progress_counts_what_is_done():
    seen: list[int] = []
    outcomes_of(range(5), lambda _, task: task, workers=2, progress=seen.append)
    assert seen == [1, 2, 3, 4, 5]


def test_no_tasks_give_no_outcomes():
    assert outcomes_of([], lambda _, task: task, workers=2) == {}


def test_leaving_early_leaves_no_child_and_no_descriptor_behind():
    before = set(os.listdir("/proc/self/fd"))
    outcomes = run_tasks(range(100), lambda _, task: time.sleep(0.01) or task, start=start_nothing, workers=3)
    next(outcomes)
    outcomes.close()
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_steps_of_this_process_are_taken_to_their_end(workers, count):
    taken = []
    results = outcomes_of(range(count), lambda _, task: task, workers=workers, meanwhile=map(taken.append, range(100)))
    assert len(results) == count
    assert taken == list(range(100))


def test_steps_are_taken_while_workers_are_busy_and_hold_up_no_answer():
    seen = []

    def steps():
        for _ in range(1000):
            time.sleep(0.001)
            yield

    first = steps()
    for number, _ in run_tasks(range(8), lambda _, task: task, start=start_nothing, workers=2, meanwhile=first):
        seen.append(number)
        if len(seen) == 8:
            left = sum(1 for _ in first)
    assert left > 900


def test_what_a_step_raises_ends_the_work():
    def steps():
        yield
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        outcomes_of(range(100), lambda _, task: time.sleep(0.01), workers=2, meanwhile=steps())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_task_is_begun_far_behind_one_that_is_not_done(tmp_path):
    begun = tmp_path / "begun"
    begun.touch()

    def work(_, task):
        if task == 0:
            time.sleep(0.5)
            return begun.stat().st_size
        with begun.open("ab") as log:
            log.write(b".")
        return task

    results = outcomes_of(range(500), work, workers=3, window=20)
    assert 18 <= results[0] <= 19
    assert [results[number] for number in range(1, 500)] == list(range(1, 500))


def test_a_worker_that_dies_with_the_oldest_task_does_not_stop_those_that_wait_for_it():
    def work(_, task):
        if task in (0, 30):
            time.sleep(0.2)
            os._exit(1)
        return task

    results = outcomes_of(range(60), work, workers=3, window=5)
    assert {number for number, result in results.items() if isinstance(result, WorkerFailure)} == {0, 30}


def test_a_worker_that_only_waits_is_not_overdue():
    def work(_, task):
        time.sleep(0.7 if task == 0 else 0)
        return os.getpid()

    results = outcomes_of(range(50), work, workers=2, window=3, deadline=1.0)
    assert not any(isinstance(result, WorkerFailure) for result in results.values())
    assert len(set(results.values())) == 2
