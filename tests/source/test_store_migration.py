"""A store that the first schema made is brought up to the newest: wholly or not at all, whatever ends the program."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from rocketaudit.errors import FormatError, SourceError, UnsupportedError
from rocketaudit.source.store import open_store
from rocketaudit.source.store_file import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION
from tests.source.test_store import add_many, fact, record
from tests.source.test_store_full import on_a_small_disk
from tests.support import REPO

# the schema of the first version, as it was written then: what MIGRATIONS says of it may never change
FIRST = (
    "CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE scan (id INTEGER PRIMARY KEY AUTOINCREMENT,
        target INTEGER NOT NULL REFERENCES target ON DELETE CASCADE, moment TEXT NOT NULL, digest TEXT NOT NULL,
        integrity TEXT NOT NULL, assurance TEXT NOT NULL, exit_code INTEGER NOT NULL, os_id TEXT NOT NULL,
        variant TEXT NOT NULL, version TEXT NOT NULL, build TEXT NOT NULL, arch TEXT NOT NULL,
        findings INTEGER NOT NULL, rust_share REAL, safe_share REAL, scores TEXT NOT NULL, counts TEXT NOT NULL)""",
    "CREATE INDEX scan_of_target ON scan (target, moment, id)",
    """CREATE TABLE fact (target INTEGER NOT NULL REFERENCES target ON DELETE CASCADE, key TEXT NOT NULL,
        plane TEXT NOT NULL, scope TEXT NOT NULL, scan INTEGER NOT NULL, state TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (target, key, plane, scope, scan)) WITHOUT ROWID""",
)
SCANS = 40
NEWEST = f"SELECT * FROM scan WHERE target = 1 ORDER BY id DESC LIMIT {SCANS}"


def first_store(path: Path, scans: int = SCANS) -> Path:
    """A store as the first version wrote it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in FIRST:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO target VALUES (1, 'node-1')")
    connection.execute("BEGIN")
    for number in range(scans):
        values = (
            number + 1, 1, record(number).when, f"sha256:{number:064x}", "verified", "direct", 0, "bottlerocket",
            "aws-k8s-1.34", f"1.{number}.0", "abc", "x86_64", 3, 17.5, None, '{"other": [1, 2]}', '{"pass": 3}',
        )  # fmt: skip
        connection.execute(f"INSERT INTO scan VALUES ({', '.join('?' * len(values))})", values)
        kept = (1, fact("").key, "static", "bank-a", number + 1, "present", f'"{number}"')
        connection.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
    connection.execute("COMMIT")
    connection.close()
    return path


def state_of(path: Path) -> tuple[int, int]:
    """(schema, scans) of a file that is sound."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
    assert ("scan_of_target" in names) == (version == 1) and ("scan_in_order" in names) == (version > 1)
    scans = connection.execute("SELECT count(*) FROM scan").fetchone()[0]
    connection.close()
    return version, scans


def plan(path: Path) -> str:
    connection = sqlite3.connect(path)
    steps = connection.execute(f"EXPLAIN QUERY PLAN {NEWEST}").fetchall()
    connection.close()
    return " ".join(step[-1] for step in steps)


def test_the_first_schema_is_as_it_was_released() -> None:
    assert MIGRATIONS[0] == FIRST
    assert SCHEMA_VERSION == len(MIGRATIONS) >= 2


def test_a_store_of_the_first_version_is_brought_up_and_tells_the_same(tmp_path: Path) -> None:
    path = first_store(tmp_path / "s")
    assert "TEMP B-TREE" in plan(path)  # every scan of the target is sorted to find the newest
    with open_store(path) as store:
        assert [one.version for one in store.scans("node-1")] == [f"1.{number}.0" for number in range(SCANS)]
        assert [one.fact.value for one in store.changes("node-1", fact("").key)] == [str(n) for n in range(SCANS)]
        store.add(record(99), [fact("last")])
    assert state_of(path) == (SCHEMA_VERSION, SCANS + 1)
    assert "TEMP B-TREE" not in plan(path)
    fresh = tmp_path / "fresh"
    with open_store(fresh, create=True):
        pass
    tables = [sqlite3.connect(one).execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
              for one in (path, fresh)]  # fmt: skip
    assert tables[0] == tables[1]  # no store tells how old it is


KILLED = """
import os, signal, sqlite3, sys
sys.path.insert(0, {repo!r})
from pathlib import Path
from rocketaudit.source import store, store_file
class Killed(sqlite3.Connection):
    left = {left}
    def execute(self, *words):
        if Killed.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Killed.left -= 1
        return super().execute(*words)
real = sqlite3.connect
def connect(*words, **named):
    return real(*words, **named) if words[0] == ":memory:" else real(*words, **named, factory=Killed)
sqlite3.connect = connect
with store.open_store(Path({path!r})):
    print("open", Killed.left)
"""


def test_a_migration_that_is_killed_before_any_of_its_statements_is_whole_or_was_not_begun(tmp_path: Path) -> None:
    seen = set()
    for left in range(40):
        path = first_store(tmp_path / f"s{left}", scans=5)
        program = KILLED.format(repo=str(REPO), left=left, path=str(path))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        version, scans = state_of(path)
        seen.add(version)
        assert scans == 5
        with open_store(path) as store:
            assert len(store.scans("node-1")) == 5
        assert state_of(path) == (SCHEMA_VERSION, 5)
    else:
        raise AssertionError("the migration never came to its end")
    assert left > 12 and 1 in seen  # every statement of it was the last once


FULL = """
import shutil
from tests.source.test_store_migration import first_store, state_of
first_store(Path("/mnt/s"), scans=3000)
room = shutil.disk_usage("/mnt").free
with open("/mnt/filler", "wb") as filler:
    filler.write(bytes(max(0, room - 32768)))
before = state_of(PATH)
full = told()
during = state_of(PATH)
os.unlink("/mnt/filler")
print(json.dumps([before, full, during, told(), state_of(PATH), write(2, 9000)]))
"""


def test_a_migration_on_a_full_disk_changes_nothing_and_is_done_when_there_is_room() -> None:
    ((before, full, during, later, after, written),) = on_a_small_disk(FULL, size=6_000_000)
    assert before == during == [1, 3000]
    assert "the disk is full; the store is as it was before" in str(full)
    assert (later, after) == (3000, [SCHEMA_VERSION, 3000])
    assert written == [2, ""]


def test_writers_that_meet_an_old_store_at_once_bring_it_up_once(tmp_path: Path) -> None:
    path = first_store(tmp_path / "s")
    context = get_context("spawn")
    children = [context.Process(target=add_many, args=(str(path), f"node-{number}", 5)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert state_of(path) == (SCHEMA_VERSION, SCANS + 20)


def test_an_old_store_that_may_only_be_read_is_read_as_it_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = first_store(tmp_path / "s")
    monkeypatch.setattr("rocketaudit.source.store.is_writable", lambda _: False)
    with open_store(path) as store:
        assert len(store.scans("node-1", 3)) == 3
        with pytest.raises(SourceError):
            store.prune(1)
    assert state_of(path) == (1, SCANS)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON scan BEGIN DELETE FROM fact; END",
        "ALTER TABLE scan ADD COLUMN note TEXT",
        "DROP INDEX scan_of_target",
        "CREATE VIEW v AS SELECT * FROM scan",
    ],
)
def test_an_old_store_that_somebody_changed_is_refused_and_left_alone(tmp_path: Path, statement: str) -> None:
    path = first_store(tmp_path / "s")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    with pytest.raises((FormatError, SourceError)), open_store(path):
        pass
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (1,)


def test_a_newer_store_is_refused_by_its_name(tmp_path: Path) -> None:
    path = first_store(tmp_path / "of-tomorrow.sqlite")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(UnsupportedError, match=r"of-tomorrow\.sqlite was written by a newer version"), open_store(path):
        pass
