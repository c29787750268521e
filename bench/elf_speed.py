"""python -m bench.elf_speed [COUNT]: time to read ELF files, against pyelftools alone and checksec.

COUNT (1,500) files of the cached labelled list, evenly spread; warm page cache; two processes as on a two-core runner.
"""

from __future__ import annotations

import gc
import mmap
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from bench.elf_corpus import read_list
from rocketaudit.formats.elf import read_elf

PROCESSES = 2
CHECKSEC_FILES = 40


def full(path: Path) -> float:
    return timed(path, search=True)


def metadata(path: Path) -> float:
    return timed(path, search=False)


def timed(path: Path, *, search: bool) -> float:
    """CPU seconds for a mapped file, as a forked worker reads it."""
    start = time.process_time()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        read_elf(mapped, search=search)  # type: ignore[arg-type]
        gc.collect(0)
    return time.process_time() - start


def pyelftools(path: Path) -> float:
    """Headers, segments, sections, dynamic entries and notes: what a hardening check needs."""
    start = time.process_time()
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            list(elf.iter_segments())
            for section in elf.iter_sections():
                if isinstance(section, DynamicSection):
                    list(section.iter_tags())
                elif isinstance(section, NoteSection):
                    list(section.iter_notes())
    except Exception:  # noqa: BLE001 - it raises assertions and overflows too; only time counts here
        pass
    return time.process_time() - start


def checksec(path: Path) -> float:
    start = time.perf_counter()
    subprocess.run(["checksec", "--format=json", f"--file={path}"], capture_output=True, check=False)
    return time.perf_counter() - start


def measure(read: Callable[[Path], float], paths: Sequence[Path]) -> tuple[float, float]:
    """Wall seconds with two processes, and CPU seconds of both, which a busy machine distorts less."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        list(pool.map(abs, range(PROCESSES)))
        start = time.perf_counter()
        spent = sum(pool.map(read, paths, chunksize=8))
        return time.perf_counter() - start, spent


def main(words: list[str]) -> int:
    count = int(words[0]) if words else 1500
    cached = sorted((f for f in read_list() if f.cached.exists()), key=lambda f: f.sha256)
    chosen = cached[:count]
    paths = [file.cached for file in chosen]
    if not paths:
        print("nothing is cached: run python -m bench.elf_corpus first", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / 1e9:.2f} GB, {PROCESSES} processes")
    for path in paths:
        path.read_bytes()
    times = {name: measure(read, paths) for name, read in (("metadata", metadata), ("full", full))}
    times["pyelftools"] = measure(pyelftools, paths)
    for name, (wall, cpu) in times.items():
        print(f"{name:<12} {wall:7.2f} s wall  {cpu:7.2f} s CPU  {cpu / len(paths) * 1e3:8.3f} ms/file")
    each = times["metadata"][1] / len(paths)
    print(f"pyelftools (no names, no languages) / metadata: {times['pyelftools'][1] / times['metadata'][1]:.2f}")
    if shutil.which("checksec"):
        few = paths[:CHECKSEC_FILES]
        theirs = measure(checksec, few)[1] / len(few)
        print(f"checksec     {theirs * 1e3:8.1f} ms/file, {theirs / each:.0f} times metadata")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
