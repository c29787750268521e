"""Splits work over processes: forked workers that pull task numbers, or this process when forking is unwise.

A worker that dies, hangs or raises costs the one task it held: the caller gets a WorkerFailure for it and goes on.
Only forked workers may map files: a mapped file that shrinks ends the reader with SIGBUS.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import selectors
import signal
import struct
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Generic, NoReturn, TypeVar

from rocketaudit.evidence.threads import threads_run
from rocketaudit.model.records import dataclass

T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C")

_TASK = struct.Struct("<Q")  # parent to worker: the number of a task
_HEAD = struct.Struct("<QQ")  # worker to parent: the number of the task, the length of the pickle that follows
_PREFETCH = 2  # tasks a worker holds, so that it never waits for the parent
_PIPE_BYTES = 1 << 20
_LOST_WORKERS = 64  # after so many deaths, what is left fails instead of forking on


class FailureKind(StrEnum):
    RAISED = "raised"
    DIED = "died"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """Why a task gave no result; `detail` is the traceback of an exception, `error` its type's name."""

    kind: FailureKind
    reason: str
    detail: str = ""
    error: str = ""


@dataclass(slots=True)
class _Worker:
    """One child: `held` are the tasks it was given, the first is running; `waited` seconds without a byte from it."""

    pid: int
    tasks: int
    results: int
    held: deque[int] = field(default_factory=deque)
    waited: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def run_tasks(
    tasks: Sequence[T],
    work: Callable[[C, T], R],
    *,
    start: Callable[[], C],
    workers: int = 2,
    deadline: float = 600.0,
    progress: Callable[[int], None] | None = None,
    meanwhile: Iterable[object] = (),
    window: int | None = None,
) -> Iterator[tuple[int, R | WorkerFailure]]:
    """Yield (task number, result or WorkerFailure) for every task exactly once, in the order they finish.

    `start` runs once per worker and gives the context handed to `work`. `deadline` is seconds for one task and
    is enforced in forked workers only. Runs serially when `workers` < 2, when there is one task, or when
    threads already run, since a fork would copy their locks. `meanwhile` is work of this process in small steps,
    taken to its end while the workers are busy; its steps should be shorter than two tasks. No task is begun
    that lies `window` or more behind one that is not done, so that a caller can put results in order.
    """
    size = min(workers, len(tasks))
    if size < 2 or threads_run():
        outcomes = _run_serially(tasks, work, start, meanwhile)
    else:

        def serve(reading: int, writing: int) -> NoReturn:
            _serve(tasks, work, start, reading, writing)

        outcomes = _Pool[R](len(tasks), serve, size, deadline, meanwhile, window or len(tasks)).run()
    with contextlib.closing(outcomes):
        for done, outcome in enumerate(outcomes, 1):
            if progress is not None:
                progress(done)
            yield outcome


def _run_serially(
    tasks: Sequence[T], work: Callable[[C, T], R], start: Callable[[], C], meanwhile: Iterable[object]
) -> Generator[tuple[int, R | WorkerFailure], None, None]:
    deque(meanwhile, maxlen=0)
    try:
        context = start()
    except Exception as error:  # noqa: BLE001 - the same promise as a forked worker gives
        failure = _failure_of(error)
        for number in range(len(tasks)):
            yield number, failure
        return
    for number, task in enumerate(tasks):
        outcome: R | WorkerFailure
        try:
            outcome = work(context, task)
        except Exception as error:  # noqa: BLE001
            outcome = _failure_of(error)
        yield number, outcome


def _failure_of(error: BaseException) -> WorkerFailure:
    import traceback  # loading it takes longer than starting a worker, and failures are rare

    return WorkerFailure(
        FailureKind.RAISED,
        str(error) or type(error).__name__,
        "".join(traceback.format_exception(error)),
        type(error).__name__,
    )


class _Pool(Generic[R]):
    """Hands task numbers to forked workers and collects what they send, one select loop for everything."""

    def __init__(
        self,
        count: int,
        serve: Callable[[int, int], NoReturn],
        size: int,
        deadline: float,
        meanwhile: Iterable[object],
        window: int,
    ) -> None:
        self.count = count
        self.window = window
        self.serve = serve
        self.size = size
        self.deadline = deadline
        self.meanwhile: Iterator[object] | None = iter(meanwhile)
        self.next_task = 0
        self.returned: deque[int] = deque()  # given to a worker that died before it began them
        self.workers: dict[int, _Worker] = {}  # by the descriptor of their results
        self.selector = selectors.DefaultSelector()
        self.deaths = 0

    def run(self) -> Generator[tuple[int, R | WorkerFailure], None, None]:
        try:
            for _ in range(self.size):
                self._fork()
            while self.workers:
                self._step()
                for worker in self._wait():
                    yield from self._receive(worker)
                for worker in [one for one in self.workers.values() if one.waited > self.deadline]:
                    yield from self._lose(worker, overdue=True)
                for worker in [one for one in self.workers.values() if not one.held]:  # the window held it back
                    self._give(worker)
            for number in iter(self._take, None):
                yield number, WorkerFailure(FailureKind.DIED, "no worker is left to run this")
            while self.meanwhile is not None:
                self._step()
        finally:
            for worker in list(self.workers.values()):
                self._bury(worker)
            self.selector.close()

    def _step(self) -> None:
        """One step of this process's own work."""
        if self.meanwhile is not None and next(self.meanwhile, self) is self:
            self.meanwhile = None

    def _wait(self) -> list[_Worker]:
        """The workers that have sent something; only the time spent here counts against a deadline."""
        before = time.monotonic()
        longest = max(worker.waited for worker in self.workers.values())
        ready = self.selector.select(max(0.0, self.deadline - longest) + 0.01 if self.meanwhile is None else 0)
        elapsed = time.monotonic() - before
        for worker in self.workers.values():
            worker.waited += elapsed if worker.held else 0.0
        return [self.workers[key.fd] for key, _ in ready]

    def _take(self) -> int | None:
        if self.returned:
            return self.returned.popleft()
        if self.next_task < self.count:
            self.next_task += 1
            return self.next_task - 1
        return None

    def _fork(self) -> None:
        tasks_out, tasks_in = os.pipe()
        results_out, results_in = os.pipe()
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            for other in self.workers.values():
                os.close(other.tasks)
                os.close(other.results)
            os.close(tasks_in)
            os.close(results_out)
            self.serve(tasks_out, results_in)
        gc.unfreeze()
        os.close(tasks_out)
        os.close(results_in)
        _widen(results_out)
        worker = _Worker(pid, tasks_in, results_out)
        self.workers[results_out] = worker
        self.selector.register(results_out, selectors.EVENT_READ)
        for _ in range(_PREFETCH):
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next task for a worker; one that holds nothing and gets nothing is let go.

        The last ones go to whoever is free first, so that nobody waits for a worker that has two.
        """
        if worker.held and self.count - self.next_task <= self.size:
            return
        if not self.returned and self.next_task < self.count and self.next_task - self._oldest() >= self.window:
            return
        number = self._take()
        if number is not None:
            worker.held.append(number)
            with contextlib.suppress(BrokenPipeError):  # it died; the end of its results will tell
                os.write(worker.tasks, _TASK.pack(number))
        elif not worker.held and worker.results in self.workers:
            self._bury(worker)

    def _oldest(self) -> int:
        """The first task that is not done."""
        held = (number for worker in self.workers.values() for number in worker.held)
        return min((*held, *self.returned), default=self.next_task)

    def _receive(self, worker: _Worker) -> Generator[tuple[int, R | WorkerFailure], None, None]:
        piece = os.read(worker.results, _PIPE_BYTES)
        if not piece:
            yield from self._lose(worker, overdue=False)
            return
        worker.waited = 0.0
        buffer = worker.received
        buffer += piece
        while len(buffer) >= _HEAD.size:
            number, length = _HEAD.unpack_from(buffer)
            end = _HEAD.size + length
            if len(buffer) < end:
                return
            with memoryview(buffer) as view, view[_HEAD.size : end] as message:
                outcome: R | WorkerFailure = pickle.loads(message)  # noqa: S301 - written by our own child
            del buffer[:end]
            worker.held.remove(number)
            self._give(worker)
            yield number, outcome

    def _lose(self, worker: _Worker, *, overdue: bool) -> Generator[tuple[int, R | WorkerFailure], None, None]:
        """A worker is gone or overdue: what it was doing failed, what it had not begun goes back."""
        how = self._bury(worker)
        self.deaths += 1
        if worker.held:
            number = worker.held.popleft()
            self.returned.extend(worker.held)
            if overdue:
                reason = f"no result after {self.deadline:g} seconds"
                yield number, WorkerFailure(FailureKind.DEADLINE, reason)
            else:
                yield number, WorkerFailure(FailureKind.DIED, f"the worker {how}")
        left = bool(self.returned) or self.next_task < self.count
        if left and self.deaths < _LOST_WORKERS and not threads_run():
            self._fork()

    def _bury(self, worker: _Worker) -> str:
        """End and reap a worker; says how it ended, which a kill after its end does not change."""
        self.selector.unregister(worker.results)
        del self.workers[worker.results]
        os.close(worker.tasks)
        os.close(worker.results)
        os.kill(worker.pid, signal.SIGKILL)
        _, status = os.waitpid(worker.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"left with code {code}"


def _widen(pipe: int) -> None:
    """A bigger pipe, so that a worker with a big result is seldom held up; not every kernel allows it."""
    import fcntl

    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (OSError, AttributeError):
        return


def _serve(
    tasks: Sequence[T], work: Callable[[C, T], R], start: Callable[[], C], reading: int, writing: int
) -> NoReturn:
    """The life of a worker; leaves without running what the parent registered for its own end."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _answer_all(tasks, work, start, reading, writing)
        code = 0
    except BrokenPipeError:  # the parent is gone
        code = 0
    finally:
        os._exit(code)


def _answer_all(
    tasks: Sequence[T], work: Callable[[C, T], R], start: Callable[[], C], reading: int, writing: int
) -> None:
    broken: WorkerFailure | None = None
    context: C | None = None
    try:
        context = start()
    except Exception as error:  # noqa: BLE001
        broken = _failure_of(error)
    while raw := os.read(reading, _TASK.size):
        (number,) = _TASK.unpack(raw)
        try:
            outcome = broken if broken is not None else work(context, tasks[number])  # type: ignore[arg-type]
            message = pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001
            message = pickle.dumps(_failure_of(error), pickle.HIGHEST_PROTOCOL)
        _write_all(writing, _HEAD.pack(number, len(message)) + message)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
