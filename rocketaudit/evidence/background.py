"""One computation in a forked process, while this one goes on."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from rocketaudit.evidence.threads import threads_run

R = TypeVar("R")


def can_fork() -> bool:
    """Whether another process may be started, and has a processor to run on."""
    return not threads_run() and len(os.sched_getaffinity(0)) > 1


def in_background(work: Callable[[], R]) -> Callable[[], R]:
    """Begin `work` elsewhere; the function returned waits for what it gives.

    Where forking is unwise, or the other process fails, `work` is done here when its result is asked for.
    """
    if not can_fork():
        return cache(work)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live(work, writing)
    os.close(writing)

    def wait() -> R:
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if status:
            return work()
        found: R = pickle.loads(answer)  # noqa: S301 - written by our own child
        return found

    return cache(wait)


def _live(work: Callable[[], object], writing: int) -> None:
    """The life of the child: it never returns, and runs nothing of what the parent registered for its own end."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(work()))
        code = 0
    finally:
        os._exit(code)
