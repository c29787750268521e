"""One part of a scan by itself, measured inside its process: `python -m bench.inside PART IMAGE` prints "wall cpu".

PART is one of
  open    the disk image out of its container, up to partitions, banks and boot entries
  list    every entry of the root, by the reader itself (in an image opened anew, when its code has run once)
  read    the bytes and the SHA-256 of every file of the root, in the order of the disk, through a map, in one process
  share   the same in two processes, as a scan does it
  memory  the SHA-256 of the same bytes when they are in memory already
Nothing but the part itself is in the figures: no start of Python, no opening (but for `open`).
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rocketaudit.evidence.collect import BATCH_BYTES
from rocketaudit.evidence.identity import prepare_worker, reuse_buffers
from rocketaudit.evidence.schedule import run_tasks
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import FileSystem, FileType, Node
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.image import ImageSource, open_image
from rocketaudit.source.tree import Tree

Measured = tuple[float, float]


def timed(part: Callable[[], object]) -> Measured:
    """Seconds on the wall and of CPU (children included) that one call takes."""
    wall, cpu = time.perf_counter(), spent()
    part()
    return time.perf_counter() - wall, spent() - cpu


def spent() -> float:
    """Seconds of CPU of this process and its ended children."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def opened(path: Path) -> ImageSource:
    return open_image(path, budget=Budget(), tmp_dir=path.parent, progress=NoProgress())


def root_of(source: ImageSource) -> Tree:
    return next(tree for tree in source.trees if tree.scope == source.judged)


def listed(source: ImageSource) -> Measured:
    tree = root_of(source)
    return timed(lambda: sum(1 for _ in tree.walk(source.budget)))


def files_of(source: ImageSource) -> list[Node]:
    """Each regular file of the root once, in the order of the disk."""
    nodes = [step.node for step in root_of(source).walk(source.budget)]
    files = {node.number: node for node in nodes if isinstance(node, Node) and node.type is FileType.REGULAR}
    return sorted(files.values(), key=lambda node: node.order)


def read(source: ImageSource) -> Measured:
    fs, files = root_of(source).fs, files_of(source)
    source.use_map()
    reuse_buffers()
    return timed(lambda: digest(fs, files))


def digest(fs: FileSystem, files: Sequence[Node]) -> list[str]:
    found = []
    for node in files:
        state = hashlib.sha256()
        for piece in fs.chunks(node):
            state.update(piece)
        found.append(state.hexdigest())
    return found


def share(source: ImageSource) -> Measured:
    fs, files = root_of(source).fs, files_of(source)
    batches: list[list[Node]] = [[]]
    for node in files:
        if sum(one.size for one in batches[-1]) >= BATCH_BYTES:
            batches.append([])
        batches[-1].append(node)
    start = prepare_worker(source)

    def part() -> None:
        done = run_tasks(batches, lambda _, batch: digest(fs, batch), start=start, workers=2)
        assert sum(len(outcome) for _, outcome in done if isinstance(outcome, list)) == len(files)

    return timed(part)


def memory(source: ImageSource) -> Measured:
    fs = root_of(source).fs
    held = [b"".join(fs.chunks(node)) for node in files_of(source)]

    def part() -> None:
        for data in held:
            digest = hashlib.sha256()
            digest.update(data)
            digest.digest()

    return timed(part)


PARTS: dict[str, Callable[[ImageSource], Measured]] = {"list": listed, "read": read, "share": share, "memory": memory}


def measure(part: str, path: Path) -> Measured:
    if part == "open":
        return timed(lambda: opened(path).close())
    if part == "list":
        warm = opened(path)
        listed(warm)
        warm.close()
    source = opened(path)
    try:
        return PARTS[part](source)
    finally:
        source.close()


if __name__ == "__main__":
    print(*(f"{seconds:.6f}" for seconds in measure(sys.argv[1], Path(sys.argv[2]))))
