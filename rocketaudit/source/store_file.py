"""The file of a store: where it may lie, whether it is ours, and the schema that it is brought up to."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from rocketaudit.errors import FormatError, SourceError, UnsupportedError

APPLICATION_ID = 0x524F434B  # "ROCK": tells our files from other people's databases
WAIT = 30.0  # seconds for other writers

# one statement list per version of the schema; never edited after a release, only added to
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
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
    ),
    (  # scans stand in the order in which they were kept: the newest are found without sorting all of a target
        "DROP INDEX scan_of_target",
        "CREATE INDEX scan_in_order ON scan (target, id, moment)",
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)
READ_FROM = 1  # the oldest schema that is read as it lies there, where nobody may bring it up


def check_place(path: Path, *, create: bool) -> None:
    """SourceError where there is no store, or where one may not be made."""
    if path.is_symlink() and (not path.exists() or (path.is_file() and not path.stat().st_size)):
        raise SourceError(f"{path} is a link, and where it leads there is no store", hint="name the file itself")
    if path.exists() and not path.is_file():
        raise SourceError(f"{path} is no file, so it is no store")
    if not create and (not path.exists() or not path.stat().st_size):
        raise SourceError(f"{path}: there is no store", hint="`rocketaudit scan --store PATH` makes one")


def is_writable(path: Path) -> bool:
    """Whether SQLite may put its log beside the store, as it does even to read, or a log is there to be read."""
    has_log = path.with_name(f"{path.name}-wal").exists()
    return has_log or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        if read_only:
            address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
            return sqlite3.connect(address, uri=True, isolation_level=None)
        return sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    except sqlite3.Error as error:
        raise told(path, error) from error


def prepare(path: Path, connection: sqlite3.Connection, *, read_only: bool = False) -> None:
    """Make the tables, or bring them up, in one transaction; errors as `open_store`."""
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")  # one view of it: another process may be making it just now
        is_ready = _is_ready(path, connection, oldest=READ_FROM if read_only else SCHEMA_VERSION)
        if is_ready:
            _check_schema(path, connection, _version(connection))
        connection.execute("COMMIT")
        if is_ready:
            return
        _use_log(connection)
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)
        for number in range(version, SCHEMA_VERSION):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        _check_schema(path, connection, SCHEMA_VERSION)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise told(path, error) from error
    finally:
        if connection.in_transaction:
            connection.rollback()


def _use_log(connection: sqlite3.Connection) -> None:
    """Turn to a write-ahead log; SQLite does not wait by itself for others who do the same."""
    end = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _is_ready(path: Path, connection: sqlite3.Connection, *, oldest: int) -> bool:
    """Whether nothing needs to be made, of a schema from `oldest` on.

    FormatError for another program's file, UnsupportedError for one of a newer version.
    """
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if identity != APPLICATION_ID and tables:
        raise FormatError(f"{path} is another program's database and is left alone")
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise UnsupportedError(f"{path} was written by a newer version (schema {version}, {SCHEMA_VERSION} is read)")
    return version >= oldest


def _check_schema(path: Path, connection: sqlite3.Connection, version: int) -> None:
    """FormatError when somebody added a trigger or a view, or changed a table: it would run with our queries."""
    own = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in (one for statements in MIGRATIONS[:version] for one in statements):
            own.execute(statement)
        if _schema(own) != _schema(connection):
            raise FormatError(f"{path} is no store: its tables are not the ones that we make")
    finally:
        own.close()


def _schema(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Everything that is defined, but for the tables that ANALYZE makes."""
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        " WHERE type != 'table' OR name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY type, name"
    ).fetchall()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def told(path: Path, error: sqlite3.Error) -> SourceError | FormatError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return FormatError(f"{path} is no store, or a damaged one: {error}")
    if code == sqlite3.SQLITE_FULL:
        return SourceError(f"{path}: the disk is full; the store is as it was before")
    return SourceError(f"{path}: {error}")
