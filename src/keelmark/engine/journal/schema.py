"""The tables of a journal in SQLite: made once, recognised at every opening."""

import sqlite3
from pathlib import Path
from time import monotonic, sleep

from keelmark.core.errors import CorruptJournal, NewerFormat
from keelmark.engine.journal.chain import EMPTY
from keelmark.engine.journal.storage import NotAJournal

APPLICATION_ID = int.from_bytes(b"KMJL", "big")
"""Stored in the file's header, so that `file` and this module know a journal when they see one."""

VERSION = 1
PAGE_BYTES = 8192
_RETRY_S = 0.005

_TABLES = {
    "batch": (
        "CREATE TABLE batch (position INTEGER PRIMARY KEY, checksum BLOB NOT NULL, "
        "link BLOB NOT NULL, payload BLOB NOT NULL)"
    ),
    "head": (
        "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, "
        "link BLOB NOT NULL)"
    ),
}


def is_blank(connection: sqlite3.Connection) -> bool:
    """Whether the database is new: no table, and never marked as anything else's."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return not (tables or _pragma(connection, "application_id"))


def create_tables(connection: sqlite3.Connection, wait_s: float) -> None:
    """Make a blank database a journal, in one transaction; another process may get there first."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    _use_log(connection, wait_s)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_blank(connection):
            _create(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Recognise a journal of this version.

    Raises:
        NotAJournal: The file is a database of something else.
        NewerFormat: A newer release wrote it.
        CorruptJournal: It says it is a journal of this version and has other tables.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        msg = f"{path} is a database but not a Keelmark journal; name another file"
        raise NotAJournal(msg)
    version = _pragma(connection, "user_version")
    if version > VERSION:
        msg = (
            f"{path} is a journal of schema version {version}; this release reads up to {VERSION}: "
            "open it with the release that wrote it, or upgrade keelmark"
        )
        raise NewerFormat(msg)
    found = dict(connection.execute("SELECT name, sql FROM sqlite_schema"))
    expected = {name.encode(): sql.encode() for name, sql in _TABLES.items()}
    if version != VERSION or found != expected:
        msg = (
            f"{path}: the tables are not those of a journal of version {version} "
            f"(found {sorted(found)}); keep the file and restore the journal from a copy"
        )
        raise CorruptJournal(msg)


def _use_log(connection: sqlite3.Connection, wait_s: float) -> None:
    """Switch to the write-ahead log. SQLite does not wait by itself when two processes do so."""
    deadline = monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(_RETRY_S)
        else:
            return


def _create(connection: sqlite3.Connection) -> None:
    for sql in _TABLES.values():
        connection.execute(sql)
    connection.execute("INSERT INTO head VALUES (1, ?, ?)", (EMPTY.position, EMPTY.link))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
