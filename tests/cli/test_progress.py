"""The progress bar: for a person at a terminal, late enough not to flicker, and gone at the end."""

from __future__ import annotations

import io
import sys

import pytest

from rocketaudit.cli import progress as progress_module
from rocketaudit.cli.progress import shown_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_how_far_long_work_is_and_nothing_of_it_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress_module, "DELAY", 0.0)
    monkeypatch.setattr(progress_module, "PERIOD", 0.0)

    def interrupted() -> None:
        with shown_progress(quiet=False) as progress:
            progress.phase("Checking verity", 4)
            progress.advance(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "Checking verity" in screen.getvalue()
    assert "75%" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_pipes_and_quiet_runs_get_no_bar(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "DELAY", 0.0)
    with shown_progress(quiet=quiet) as progress:
        progress.phase("Checking verity", 4)
        progress.advance(3)
    assert stream.getvalue() == ""


def test_work_that_ends_soon_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress_module, "DELAY", 3600.0)
    with shown_progress(quiet=False) as progress:
        progress.phase("Checking verity", 4)
        progress.advance(3)
    assert screen.getvalue() == ""
