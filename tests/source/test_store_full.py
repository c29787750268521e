"""A store on a disk that is really full: a small tmpfs in a sandbox, so that SQLite meets ENOSPC wherever it writes."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support import REPO, needs_tools

WRITER = """
import json, os, sqlite3, sys
sys.path.insert(0, {repo!r})
from pathlib import Path
from rocketaudit.errors import SourceError
from rocketaudit.source.store import open_store
from tests.source.test_store import fact, record, whole
PATH = Path("/mnt/s")

def write(scans, first=0):
    kept, said = 0, ""
    for number in range(first, first + scans):
        try:
            with open_store(PATH, create=True) as store:
                facts = [fact("x" * 40, f"k:{{number}}-{{i}}") for i in range(200)]
                store.add(record(number), [fact(str(number)), *facts])
            kept += 1
        except SourceError as error:
            said = error.message
            break
    return kept, said

def told():
    try:
        with open_store(PATH) as store:
            return len(store.scans("node-1"))
    except SourceError as error:
        return error.message
{body}
"""
ONE = """
kept, said = write(500)
full = told()
os.unlink("/mnt/ballast")
after = write(3, 9000)
print(json.dumps([kept, said, full, after, whole(PATH)]))
"""
MANY = """
write(1)
children = []
for number in range(1, 4):
    child = os.fork()
    if child == 0:
        kept, said = write(500, 1000 * number)
        os.write(1, (json.dumps([kept, said]) + "\\n").encode())
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
full = told()
os.unlink("/mnt/ballast")
print(json.dumps([full, write(3, 9000), whole(PATH)]))
"""


def on_a_small_disk(body: str, size: int = 2_000_000) -> list[list[object]]:
    """What the program prints; half of the disk is ballast that it may throw off."""
    needs_tools("bwrap")
    script = 'head -c 1000000 /dev/zero >/mnt/ballast; exec "$@"'
    box = ["bwrap", "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", "/mnt", "sh", "-c", script, "sh"]
    program = WRITER.format(repo=str(REPO), body=body)
    done = subprocess.run(
        [*box, sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_disk_that_is_full_is_said_and_costs_one_scan() -> None:
    ((kept, said, full, after, whole),) = on_a_small_disk(ONE)
    assert isinstance(kept, int) and kept >= 2
    assert "the disk is full; the store is as it was before" in str(said)
    assert full == kept  # a full disk can still be read
    assert after == [3, ""]
    assert whole == kept + 3


def test_several_writers_that_fill_a_disk_lose_nothing_that_was_kept() -> None:
    *writers, (full, after, whole) = on_a_small_disk(MANY)
    kept = 1
    for one in writers:
        count, said = one
        assert isinstance(count, int)
        kept += count
        assert "the disk is full" in str(said)
    assert len(writers) == 3
    assert (full, after, whole) == (kept, [3, ""], kept + 3)
