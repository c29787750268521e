"""A progress bar on standard error, drawn without a thread (workers are forked while it shows)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rocketaudit.model.progress import NoProgress, Progress

WIDTH = 28
PERIOD = 0.1
DELAY = 0.5  # nothing is drawn for work that ends sooner


class TerminalProgress:
    """One line that is drawn over itself; cleared by `close`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._drawn = 0.0
        self._name = ""
        self._total = 0
        self._shown = False

    def phase(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._draw(0, force=True)

    def advance(self, done: int) -> None:
        self._draw(done, force=False)

    def close(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _draw(self, done: int, *, force: bool) -> None:
        now = time.monotonic()
        if now - self._started < DELAY or (not force and now - self._drawn < PERIOD):
            return
        self._drawn = now
        share = min(1.0, done / self._total) if self._total else 0.0
        filled = int(share * WIDTH)
        bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}" if self._total else ""
        self._stream.write(f"\r\x1b[K{self._name} {bar}")
        self._stream.flush()
        self._shown = True


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar for a person at a terminal, wiped away at the end; silence for everything else."""
    if quiet or not sys.stderr.isatty():
        yield NoProgress()
        return
    progress = TerminalProgress(sys.stderr)
    try:
        yield progress
    finally:
        progress.close()
