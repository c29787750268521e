"""Work shared between forked processes that write to one descriptor: for expanding, before any thread runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from rocketaudit.errors import FormatError, RocketauditError, SourceError

T = TypeVar("T")


def can_fork() -> bool:
    """Whether this process may be forked: the platform can, and no other thread holds locks."""
    return hasattr(os, "fork") and threading.active_count() == 1


def share(jobs: Sequence[T], work: Callable[[Sequence[T]], None], workers: int) -> None:
    """Run `work` on every workers-th job in processes of their own; the first failure of any is raised here."""
    if workers < 2 or not can_fork():
        work(jobs)
        return
    children: list[tuple[int, int]] = []
    for number in range(1, workers):
        inlet, outlet = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(inlet)
            _live(jobs[number::workers], work, outlet)
        os.close(outlet)
        children.append((child, inlet))
    failure: RocketauditError | None = None
    try:
        work(jobs[::workers])
    except RocketauditError as error:
        failure = error
    finally:
        said = [_answer(child, inlet) for child, inlet in children]
    for answer in said:
        failure = failure or _failure_of(answer)
    if failure is not None:
        raise failure


def _answer(child: int, inlet: int) -> bytes:
    with os.fdopen(inlet, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def _live(jobs: Sequence[T], work: Callable[[Sequence[T]], None], outlet: int) -> None:
    """The life of a forked child: it never returns."""
    said = b"lost"
    try:
        try:
            work(jobs)
            said = b"done"
        except FormatError as error:
            said = b"format:" + error.message.encode("utf-8", "replace")
        except RocketauditError as error:
            said = b"source:" + error.message.encode("utf-8", "replace")
        os.write(outlet, said[:4096])
    finally:
        os._exit(0)


def _failure_of(said: bytes) -> RocketauditError | None:
    kind, _, text = said.partition(b":")
    match kind:
        case b"done":
            return None
        case b"format":
            return FormatError(text.decode("utf-8", "replace"))
        case b"source":
            return SourceError(text.decode("utf-8", "replace"))
        case _:
            return SourceError("a process that expanded the image died")
