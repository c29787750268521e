"""The history of scans in one SQLite file: written by many processes at once, never half a scan.

A scan is one transaction behind the write lock; with the write-ahead log a reader never waits, and whatever ends a
writer (a signal, a full disk) leaves the last whole scan. Of facts only changes are kept. Scans stand in the order in
which they were kept, whatever a clock says.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.model.fact import JsonValue
from rocketaudit.model.history import FactChange, ScanRecord, StoredFact
from rocketaudit.source.store_file import check_place, connect, is_writable, prepare, told

GONE = "gone"

_COLUMNS = (
    "moment, digest, integrity, assurance, exit_code, os_id, variant, version, build, arch, findings, rust_share,"
    " safe_share, scores, counts"
)


class Store:
    """An open store; use it with `open_store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def add(self, record: ScanRecord, facts: Iterable[StoredFact]) -> int:
        """Keep a scan and what its facts changed; its number. SourceError leaves the store as it was."""
        with self._writing():
            target = self._target(record.target)
            values = (
                target, record.when, record.digest, record.integrity, record.assurance, record.exit_code, record.os_id,
                record.variant, record.version, record.build, record.arch, record.findings, record.rust_share,
                record.safe_share, json.dumps(dict(record.scores), sort_keys=True),
                json.dumps(dict(record.counts), sort_keys=True),
            )  # fmt: skip
            marks = ", ".join("?" * len(values))
            cursor = self._connection.execute(f"INSERT INTO scan (target, {_COLUMNS}) VALUES ({marks})", values)  # noqa: S608
            number = int(cursor.lastrowid or 0)
            self._keep_changes(target, number, facts)
        return number

    def targets(self) -> tuple[tuple[str, int, str], ...]:
        """(name, scans, moment of the newest) of every target, by name."""
        found = self._read(
            "SELECT target.name, count(scan.id), coalesce(max(scan.moment), '') FROM target LEFT JOIN scan"
            " ON scan.target = target.id GROUP BY target.id ORDER BY target.name"
        )
        return tuple((str(name), int(count), str(moment)) for name, count, moment in found)

    def scans(self, target: str, limit: int | None = None) -> tuple[ScanRecord, ...]:
        """The scans of a target, the oldest first; with a limit only the newest so many."""
        found = self._read(
            f"SELECT scan.id, {_COLUMNS} FROM scan JOIN target ON target.id = scan.target WHERE target.name = ?"  # noqa: S608
            " ORDER BY scan.id DESC LIMIT ?",
            (target, -1 if limit is None else limit),
        )
        return tuple(_record(target, row) for row in found)[::-1]

    def changes(self, target: str, key: str | None = None) -> tuple[FactChange, ...]:
        """When a fact came to be as it was, the oldest first; empty when it was never told. No key: of every fact."""
        asked, values = ("", (target,)) if key is None else (" AND fact.key = ?", (target, key))
        found = self._read(
            "SELECT scan.moment, scan.id, scan.digest, scan.version, fact.key, fact.plane, fact.scope, fact.state,"  # noqa: S608
            " fact.value FROM fact JOIN target ON target.id = fact.target JOIN scan ON scan.id = fact.scan"
            f" WHERE target.name = ?{asked} ORDER BY fact.key, fact.plane, fact.scope, fact.scan",
            values,
        )
        changes: list[FactChange] = []
        seen: set[tuple[str, str, str]] = set()
        for moment, number, digest, version, name, plane, scope, state, value in found:
            fact = StoredFact(name, plane, scope, state, _value(value))
            changes.append(FactChange(moment, number, digest, version, fact, (name, plane, scope) not in seen))
            seen.add((name, plane, scope))
        return tuple(changes)

    def keys(self, target: str, pattern: str) -> tuple[str, ...]:
        """The keys of facts that were ever told of a target and match a pattern of `*` and `?`; a bracket is one."""
        found = self._read(
            "SELECT DISTINCT fact.key FROM fact JOIN target ON target.id = fact.target WHERE target.name = ?"
            " AND fact.key GLOB ? ORDER BY fact.key",
            (target, pattern.replace("[", "[[]")),
        )
        return tuple(str(key) for (key,) in found)

    def prune(self, keep: int) -> int:
        """Forget all but the newest `keep` scans of each target; how many went. What was so then stays known."""
        gone = 0
        with self._writing():
            for (target,) in self._connection.execute("SELECT id FROM target").fetchall():
                rows = self._connection.execute(
                    "SELECT id FROM scan WHERE target = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
                    (target, keep),
                ).fetchall()
                if rows:
                    gone += len(rows)
                    self._forget(target, [int(number) for (number,) in rows])
        return gone

    def close(self) -> None:
        self._connection.close()

    def _forget(self, target: int, numbers: list[int]) -> None:
        """A change in a scan that goes is moved to the oldest scan that stays, unless that has its own word."""
        run = self._connection.execute
        self._connection.executemany("DELETE FROM scan WHERE id = ?", [(number,) for number in numbers])
        oldest = run("SELECT min(id) FROM scan WHERE target = ?", (target,)).fetchone()[0]
        if oldest is None:
            run("DELETE FROM fact WHERE target = ?", (target,))
            run("DELETE FROM target WHERE id = ?", (target,))
            return
        run(
            "INSERT OR IGNORE INTO fact SELECT target, key, plane, scope, ?, state, value FROM fact AS f"
            " WHERE target = ? AND scan < ? AND scan = (SELECT max(scan) FROM fact AS g WHERE g.target = f.target"
            " AND g.key = f.key AND g.plane = f.plane AND g.scope = f.scope AND g.scan < ?)",
            (oldest, target, oldest, oldest),
        )
        run(
            "DELETE FROM fact WHERE target = ? AND scan NOT IN (SELECT id FROM scan WHERE target = ?)", (target, target)
        )
        run("DELETE FROM fact WHERE target = ? AND scan = ? AND state = ?", (target, oldest, GONE))

    def _target(self, name: str) -> int:
        self._connection.execute("INSERT OR IGNORE INTO target (name) VALUES (?)", (name,))
        return int(self._connection.execute("SELECT id FROM target WHERE name = ?", (name,)).fetchone()[0])

    def _keep_changes(self, target: int, number: int, facts: Iterable[StoredFact]) -> None:
        """One row per fact that is not as it was last; a fact that is no longer told is `gone`."""
        last = self._connection.execute(
            "SELECT key, plane, scope, state, value, max(scan) FROM fact WHERE target = ? GROUP BY key, plane, scope",
            (target,),
        )
        known = {(key, plane, scope): (state, value) for key, plane, scope, state, value, _ in last}
        fresh = {(f.key, f.plane, f.scope): (f.state, _text(f.value)) for f in facts}
        rows = [(target, *place, number, *seen) for place, seen in fresh.items() if known.get(place) != seen]
        rows += [
            (target, *place, number, GONE, "null")
            for place, (state, _) in known.items()
            if place not in fresh and state != GONE
        ]
        self._connection.executemany("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise told(self._path, error) from error
            raise

    def _read(self, query: str, values: tuple[str | int, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise told(self._path, error) from error


@contextmanager
def open_store(path: Path, *, create: bool = False) -> Iterator[Store]:
    """The store at `path`, brought up to this program's schema; SourceError, or FormatError for another file.

    Only `create` makes a store, and never through a link; one that may only be read is read as it lies there.
    """
    check_place(path, create=create)
    read_only = not create and not is_writable(path)
    connection = connect(path, read_only=read_only)
    try:
        prepare(path, connection, read_only=read_only)
        yield Store(path, connection)
    finally:
        connection.close()


def _record(target: str, row: tuple[Any, ...]) -> ScanRecord:
    number, when, digest, integrity, assurance, code, os_id, variant, version, build, arch, findings = row[:12]
    rust, safe, scores, counts = row[12:]
    try:
        pairs, numbers = _scores(str(scores)), _counts(str(counts))
    except (ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise FormatError(f"scan {number} of the store holds what is no score: {error}") from None
    return ScanRecord(
        target, str(when), str(digest), str(integrity), str(assurance), int(str(code)), str(os_id), str(variant),
        str(version), str(build), str(arch), int(str(findings)), _number(rust), _number(safe), pairs, numbers,
        int(str(number)),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _scores(text: str) -> Mapping[str, tuple[float | None, float | None]]:
    """By benchmark; most scans of a target have the scores of the one before."""
    return {name: (ends[0], ends[1]) for name, ends in json.loads(text).items()}


@lru_cache(maxsize=256)
def _counts(text: str) -> Mapping[str, int]:
    return {name: int(count) for name, count in json.loads(text).items()}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _value(text: str) -> JsonValue:
    try:
        return _frozen(json.loads(text))
    except (ValueError, RecursionError):
        raise FormatError("the store holds a fact whose value is no JSON") from None


def _frozen(value: object) -> JsonValue:
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    if isinstance(value, dict):
        return {str(name): _frozen(part) for name, part in value.items()}
    assert value is None or isinstance(value, str | int | float | bool)
    return value
