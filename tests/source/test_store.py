"""The store keeps whole scans or none, whatever ends a writer, and tells when a fact changed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, RocketauditError, SourceError, UnsupportedError
from rocketaudit.model.history import ScanRecord, StoredFact
from rocketaudit.source.store import open_store
from rocketaudit.source.store_file import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION
from tests.support import REPO

KEY = "sysctl:kernel.kptr_restrict"


def record(number: int, target: str = "node-1") -> ScanRecord:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return ScanRecord(
        target, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), f"sha256:{number:064x}", "verified", "direct", 0, "bottlerocket",
        "aws-k8s-1.34", f"1.{number}.0", "abc", "x86_64", number % 7, 17.5, None,
        {"container-host": (50.0, 75.5), "other": (None, None)}, {"pass": 3, "fail": 1},
    )  # fmt: skip


def fact(value: object, key: str = KEY, state: str = "present") -> StoredFact:
    return StoredFact(key, "static", "bank-a", state, value)  # type: ignore[arg-type]


def test_a_scan_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        number = store.add(record(1), [fact(("a", 1, None, {"b": True}))])
        (back,) = store.scans("node-1")
        assert (back.number, back.scores, back.counts) == (number, record(1).scores, record(1).counts)
        assert back == ScanRecord(**{**{n: getattr(record(1), n) for n in ScanRecord.__slots__}, "number": number})
        assert store.changes("node-1", KEY)[0].fact == fact(("a", 1, None, {"b": True}))
        assert store.targets() == (("node-1", 1, record(1).when),)


def test_a_store_tells_from_when_on_a_fact_was_so(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        for number, value in enumerate(["1", "1", "0", "0", "1"]):
            store.add(record(number), [fact(value), fact("same", "sysctl:other")])
        store.add(record(5), [fact("same", "sysctl:other")])
        store.add(record(6), [fact(None, state="unread"), fact("same", "sysctl:other")])
        changes = store.changes("node-1", KEY)
        assert [(c.version, c.fact.state, c.fact.value, c.first) for c in changes] == [
            ("1.0.0", "present", "1", True),
            ("1.2.0", "present", "0", False),
            ("1.4.0", "present", "1", False),
            ("1.5.0", "gone", None, False),
            ("1.6.0", "unread", None, False),
        ]
        assert len(store.changes("node-1", "sysctl:other")) == 1
        assert store.keys("node-1", "sysctl:*") == (KEY, "sysctl:other")
        assert store.changes("other", KEY) == ()


def test_true_and_one_are_different_values(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        store.add(record(1), [fact(True)])
        store.add(record(2), [fact(1)])
        assert [change.fact.value for change in store.changes("node-1", KEY)] == [True, 1]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["1", "2", None]), min_size=1, max_size=12), st.integers(0, 12))
def test_after_pruning_the_rest_is_told_as_before(tmp_path: Path, values: list[str | None], keep: int) -> None:
    path = tmp_path / f"{time.monotonic_ns()}"
    with open_store(path, create=True) as store:
        for number, value in enumerate(values):
            store.add(record(number), [] if value is None else [fact(value)])

        def told() -> list[str | None]:
            """The fact's value in every scan that is left, from the changes alone."""
            changes = {change.number: change.fact for change in store.changes("node-1", KEY)}
            now: str | None = None
            said = []
            for one in store.scans("node-1"):
                if one.number in changes:
                    now = None if changes[one.number].state == "gone" else str(changes[one.number].value)
                said.append(now)
            return said

        assert told() == values
        assert store.prune(keep) == max(0, len(values) - keep)
        assert told() == values[max(0, len(values) - keep) :]
        assert len(store.scans("node-1")) == min(keep, len(values))


def test_a_clock_that_was_set_back_mixes_up_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        for moment, value in ((10, "a"), (5, "b"), (11, "b"), (6, "c")):
            store.add(record(moment), [fact(value)])
        assert [one.version for one in store.scans("node-1")] == ["1.10.0", "1.5.0", "1.11.0", "1.6.0"]
        assert store.prune(2) == 2
        assert [one.version for one in store.scans("node-1")] == ["1.11.0", "1.6.0"]
        assert [(c.version, c.fact.value) for c in store.changes("node-1", KEY)] == [("1.11.0", "b"), ("1.6.0", "c")]


def test_a_limit_gives_the_newest_in_order(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        for number in range(5):
            store.add(record(number), [])
        assert [one.version for one in store.scans("node-1", 2)] == ["1.3.0", "1.4.0"]


def add_many(path: str, name: str, count: int) -> None:
    for number in range(count):
        with open_store(Path(path), create=True) as store:
            store.add(record(number, name), [fact(str(number)), fact(number, "sysctl:other")])


def test_many_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "s"
    context = get_context("spawn")
    workers = [context.Process(target=add_many, args=(str(path), f"node-{n % 2}", 15)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with open_store(path) as store:
        assert [(name, count) for name, count, _ in store.targets()] == [("node-0", 30), ("node-1", 30)]


def make_one(path: str, barrier: Any, failures: Any) -> None:
    barrier.wait(30)
    try:
        open_store(Path(path), create=True).close()
    except RocketauditError as error:
        failures.put(error.message)


@pytest.mark.own_process
def test_processes_that_make_a_store_at_the_same_moment_do_not_take_it_for_anothers(tmp_path: Path) -> None:
    context = get_context("fork")
    failures = context.Queue()
    for number in range(12):
        barrier = context.Barrier(4)
        arguments = (str(tmp_path / f"s{number}"), barrier, failures)
        makers = [context.Process(target=make_one, args=arguments) for _ in range(4)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join(60)
    assert failures.empty(), failures.get()


WRITER = """
import sys
from pathlib import Path
from typing import Any
sys.path.insert(0, {repo!r})
from tests.source.test_store import fact, record
from rocketaudit.source.store import open_store
{before}
number = 0
while True:
    with open_store(Path({path!r}), create=True) as store:
        store.add(record(number), [fact(str(number)), *(fact("x" * 200, f"k:{{number}}-{{i}}") for i in range(200))])
    print(number, flush=True)
    number += 1
"""


def writer(path: Path, before: str = "") -> subprocess.Popen[str]:
    text = WRITER.format(repo=str(REPO), path=str(path), before=before)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def whole(path: Path) -> int:
    """How many scans there are, each with all of its facts; the file itself is sound."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    scans = connection.execute("SELECT id FROM scan").fetchall()
    for (number,) in scans:
        kept = connection.execute("SELECT count(*) FROM fact WHERE scan = ? AND state != 'gone'", (number,)).fetchone()[
            0
        ]
        assert kept == 201
    connection.close()
    return len(scans)


def test_a_writer_that_is_killed_leaves_whole_scans(tmp_path: Path) -> None:
    path = tmp_path / "s"
    told = 0
    for pause in (0.0, 0.004, 0.011):
        process = writer(path)
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
            told += 1
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        told += len(process.communicate()[0].splitlines())
        assert whole(path) >= told
    with open_store(path) as store:
        store.add(record(99), [])


def test_a_full_disk_costs_the_scan_and_not_the_store(tmp_path: Path) -> None:
    path = tmp_path / "s"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    process = writer(path, limit)
    output, errors = process.communicate(timeout=60)
    told = len(output.splitlines())
    assert process.returncode == 1
    assert "SourceError" in errors, errors
    assert told >= 1
    assert whole(path) == told
    with open_store(path) as store:
        store.add(record(99), [fact("later")])
        assert store.changes("node-1", KEY)[-1].fact.value == "later"


def test_a_database_that_may_not_grow_says_that_the_disk_is_full(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        store.add(record(1), [fact("1")])
        store._connection.execute("PRAGMA max_page_count = 16")
        with pytest.raises(SourceError, match="disk is full"):
            store.add(record(2), [fact("x" * 5000, f"k:{n}") for n in range(50)])
        assert len(store.scans("node-1")) == 1


def test_an_older_store_is_brought_up_and_a_newer_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    with open_store(path, create=True) as store:
        store.add(record(1), [fact("1")])
    monkeypatch.setattr(
        "rocketaudit.source.store_file.MIGRATIONS", (*MIGRATIONS, ("ALTER TABLE scan ADD COLUMN note TEXT",))
    )
    monkeypatch.setattr("rocketaudit.source.store_file.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with open_store(path) as store:
        assert len(store.scans("node-1")) == 1
        assert store._connection.execute("SELECT note FROM scan").fetchall() == [(None,)]
    monkeypatch.undo()
    with pytest.raises(UnsupportedError, match="newer version"), open_store(path):
        pass


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    with open_store(path, create=True) as store:
        store.add(record(1), [fact("1")])
    broken = (*MIGRATIONS, ("ALTER TABLE scan ADD COLUMN note TEXT", "NONSENSE"))
    monkeypatch.setattr("rocketaudit.source.store_file.MIGRATIONS", broken)
    monkeypatch.setattr("rocketaudit.source.store_file.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(SourceError), open_store(path):
        pass
    monkeypatch.undo()
    with open_store(path) as store:
        assert len(store.scans("node-1")) == 1


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FormatError, match="another program"), open_store(path, create=True):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to have a header" * 20, b"SQLite format 3\0" * 64]
)
def test_a_file_that_is_no_database_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s"
    path.write_bytes(content)
    with pytest.raises(FormatError), open_store(path, create=True):
        pass
    assert path.read_bytes() == content


def test_a_store_whose_rows_are_not_ours_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with open_store(path, create=True) as store:
        store.add(record(1), [fact("1")])
        store._connection.execute("UPDATE scan SET scores = '[1]'")
        store._connection.execute("UPDATE fact SET value = 'x'")
        with pytest.raises(FormatError):
            store.scans("node-1")
        with pytest.raises(FormatError):
            store.changes("node-1", KEY)


def test_there_is_no_history_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no store"), open_store(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
    with pytest.raises(SourceError), open_store(tmp_path / "no" / "folder", create=True):
        pass


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER theirs AFTER INSERT ON scan BEGIN DELETE FROM fact; END",
        "CREATE VIEW theirs AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT * FROM n",
        "ALTER TABLE scan ADD COLUMN theirs TEXT",
        "DROP TABLE fact",
    ],
)
def test_a_store_that_somebody_added_to_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "s"
    with open_store(path, create=True) as store:
        store.add(record(1), [fact("1")])
        store._connection.execute(statement)
    for create in (True, False):
        with pytest.raises(FormatError, match="its tables are not"), open_store(path, create=create):
            pass


def test_patterns_reach_keys_in_brackets_and_no_wildcard_of_sql_reaches_a_target(tmp_path: Path) -> None:
    key = 'setting:["host-containers","admin","enabled"]'
    with open_store(tmp_path / "s", create=True) as store:
        for name in ("node-1", "node_1", "%", "no'de"):
            store.add(record(1, name), [fact(True, key)])
        assert store.keys("node-1", 'setting:["host-containers",*') == (key,)
        assert store.keys("node-1", "setting:[a-z]*") == ()
        assert [len(store.scans(name)) for name in ("node_1", "%", "no'de", "node%", "n*")] == [1, 1, 1, 0, 0]


def test_a_store_that_was_analysed_is_a_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        store.add(record(1), [fact("1")])
        store._connection.execute("ANALYZE")
    with open_store(tmp_path / "s") as store:
        assert len(store.scans("node-1")) == 1


def test_no_store_is_made_through_a_link_or_where_no_file_is(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    for name in ("dangling", "link", "pipe", "."):
        with pytest.raises(SourceError, match="no store"), open_store(tmp_path / name, create=True):
            pass
    with pytest.raises(SourceError, match="no store"), open_store(tmp_path / "empty"):
        pass
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "empty").stat().st_size == 0


def test_a_link_to_a_store_is_followed(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        store.add(record(1), [])
    (tmp_path / "link").symlink_to(tmp_path / "s")
    with open_store(tmp_path / "link", create=True) as store:
        store.add(record(2), [])
        assert len(store.scans("node-1")) == 2


def test_a_store_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    """As another user, who may write neither the file nor beside it."""
    path = tmp_path / "a #%? folder" / "s"
    path.parent.mkdir()
    with open_store(path, create=True) as store:
        store.add(record(1), [fact("1")])
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the runner of our tests may have threads
        pid = os.fork()
    if not pid:
        code = 9
        try:
            if os.getuid() == 0:
                for folder in (*list(tmp_path.parents)[:3], tmp_path):
                    folder.chmod(folder.stat().st_mode | 0o055)
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            with open_store(path) as store:
                code = len(store.scans("node-1"))
                with pytest.raises(SourceError, match="readonly"):
                    store.prune(0)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert [one.name for one in path.parent.iterdir()] == ["s"]
    path.parent.chmod(0o755)


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    with open_store(tmp_path / "s", create=True) as store:
        store.add(record(1), [])
    head = (tmp_path / "s").read_bytes()[:100]
    assert int.from_bytes(head[68:72], "big") == APPLICATION_ID
