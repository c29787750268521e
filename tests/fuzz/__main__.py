"""python -m tests.fuzz [TARGET...] [--seconds N | --runs N]: coverage-guided fuzzing of the formats, one after another.

It starts from tests/fuzz/corpus and keeps what it finds in .cache/fuzz (inputs that reached new code, and crashes).
The exit code is 1 when an input hung, took too much memory, or raised anything but an error of ours.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

import atheris

with atheris.instrument_imports(include=["rocketaudit"]):
    from tests.fuzz.targets import TARGETS, Target, run
from tests.fuzz.corpus import FOLDER
from tests.support import CACHE

FOUND = CACHE.parent / "fuzz"
SECONDS = 10.0  # of CPU for one input, in code that counts every branch
MEMORY = 4 << 30  # address space, most of which is the interpreter's


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each target, instead of seconds")
    options = parser.parse_args()
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    failed = [target.name for target in chosen if fuzz(target, options.seconds, options.runs)]
    print(
        f"{len(chosen)} targets, {len(failed)} failed: {' '.join(failed)}" if failed else f"{len(chosen)} targets, ok"
    )
    return 1 if failed else 0


def fuzz(target: Target, seconds: int, runs: int) -> int:
    """Fuzz one target in a process of its own; its exit code, 0 when nothing was found."""
    own = FOUND / target.name
    own.mkdir(parents=True, exist_ok=True)
    bound = [f"-runs={runs}"] if runs >= 0 else [f"-max_total_time={seconds}"]
    words = ["fuzz", *bound, f"-max_len={target.size}", "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1"]
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        log = os.open(FOUND / f"{target.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 2)
        words += [f"-artifact_prefix={own}-", str(own), str(FOLDER / target.name)]
        atheris.Setup(words, lambda data: once(target, data))
        atheris.Fuzz()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"{target.name}: {summary(target.name)}{', FAILED, see ' + str(FOUND) if code else ''}", flush=True)
    return code


def once(target: Target, data: bytes) -> None:
    began = time.process_time()
    run(target, data)
    if time.process_time() - began > SECONDS:
        raise TimeoutError(f"{target.name}: one input of {len(data)} bytes took {time.process_time() - began:.1f} s")


def summary(name: str) -> str:
    """What the fuzzer says at its end: inputs tried, and how much code they reached."""
    lines = (FOUND / f"{name}.log").read_text(errors="replace").splitlines()
    tried = next((line.split()[-1] for line in reversed(lines) if "number_of_executed_units" in line), "?")
    reached = next((line.split("cov: ")[1].split()[0] for line in reversed(lines) if "cov: " in line), "?")
    return f"{tried} inputs, {reached} branches reached"


if __name__ == "__main__":
    sys.exit(main())
