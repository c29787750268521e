"""Every format against its corpus, and a bounded coverage-guided run; `python -m tests.fuzz` fuzzes for long."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from tests.fuzz.corpus import FOLDER, MAKERS
from tests.fuzz.targets import TARGETS, Target, run
from tests.support import REPO

SECONDS = 5.0  # of CPU for one input
# asked only of larger programs than a corpus should hold; `python -m bench.fuzz_elf` damages real ones
LARGER = {
    f"elf/{name}.py" for name in ("crates", "eh_frame", "fortify", "relocations", "runtimes", "unwind", "vtables")
}


def inputs(target: Target) -> Iterator[Path]:
    """The corpus, and what fuzzing once found: tests/fuzz/found is never made anew."""
    yield from sorted((FOLDER / target.name).iterdir())
    yield from sorted(FOLDER.with_name("found").joinpath(target.name).glob("*"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_input_of_the_corpus_and_what_was_found_and_damages_of_them_are_read_or_refused_in_time(
    target: Target,
) -> None:
    for path in inputs(target):
        whole = path.read_bytes()
        for data in (whole, whole[: len(whole) // 2], whole[:-1], whole + whole[:64], whole[1:]):
            began = time.process_time()
            run(target, data)
            assert time.process_time() - began < SECONDS, path


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_corpus_holds_inputs_that_are_really_read(target: Target) -> None:
    """A corpus that is refused at its first byte would fuzz nothing."""
    read = 0
    seeds = sorted((FOLDER / target.name).iterdir())
    for path in seeds:
        try:
            target.run(path.read_bytes())
        except Exception:  # noqa: BLE001 - counted
            continue
        read += 1
    assert read * 2 >= len(seeds), f"only {read} inputs of {target.name} are read"


def test_every_module_of_the_formats_runs_on_the_corpus() -> None:
    """A new format needs a target, or nobody fuzzes it."""
    entered: set[str] = set()

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    sys.setprofile(look)
    try:
        for target in TARGETS:
            for path in inputs(target):
                run(target, path.read_bytes())
    finally:
        sys.setprofile(None)
    formats = REPO / "rocketaudit" / "formats"
    modules = {str(path) for path in formats.rglob("*.py") if path.name != "__init__.py"}
    missing = sorted(Path(path).relative_to(formats).as_posix() for path in modules - entered)
    assert set(missing) <= LARGER


def test_every_target_has_a_maker_of_its_corpus() -> None:
    assert set(MAKERS) == {target.name for target in TARGETS} == {path.name for path in FOLDER.iterdir()}


def test_a_short_coverage_guided_run_finds_nothing() -> None:
    pytest.importorskip("atheris", reason="atheris is not installed (requirements/ci.in)")
    command = [sys.executable, "-m", "tests.fuzz", "--runs", "600"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{len(TARGETS)} targets, ok" in done.stdout
