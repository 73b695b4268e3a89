"""The SQLite file under a journal: opened, recognised and compared with its own end."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from keelmark.core.errors import CorruptJournal, UnreadableData
from keelmark.engine.journal.chain import EMPTY, Head, Row, damaged
from keelmark.engine.journal.schema import PAGE_BYTES, check_schema, create_tables, is_blank
from keelmark.engine.journal.storage import NotAJournal, storage

_INSERT = "INSERT INTO batch (position, checksum, link, payload) VALUES (?, ?, ?, ?)"
_UPDATE = "UPDATE head SET position = ?, link = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSettings:
    """How a journal file is opened.

    Attributes:
        create: Whether a file that does not exist is made.
        wait_s: Seconds to wait for another process that is writing.
        size_bytes_max: Quota of the file, or `None`: an append beyond it fails as on a full disk.
        checkpoint_bytes: Size of the write-ahead log at which it is moved into the file.
    """

    create: bool = True
    wait_s: float = 5.0
    size_bytes_max: int | None = None
    checkpoint_bytes: int = 32 * 2**20


def connect(path: Path, settings: SqliteSettings, *, create: bool = False) -> sqlite3.Connection:
    """Return a connection that flushes every commit to the device.

    Args:
        path: The file.
        settings: How it is opened.
        create: Whether an empty file is made where there is none.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=settings.wait_s,
        isolation_level=None,  # transactions are written out, never implied
        check_same_thread=False,  # the journal holds its own lock
    )
    try:
        connection.text_factory = bytes  # damaged text must not fail to decode
        for pragma in _pragmas(settings):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_journal(path: Path, settings: SqliteSettings, mark: Head | None) -> sqlite3.Connection:
    """Return a connection to the journal at `path`, made if it is new, its end checked.

    Raises:
        UnreadableData: There is no such file, or it is not a journal.
        NewerFormat: A newer release wrote it.
        CorruptJournal: Its end is not what was written, or what `mark` says was acknowledged.
        StorageFailed: The file cannot be opened, or another process holds it.
    """
    if not (path.exists() or settings.create):
        msg = f"{path}: there is no such journal; check the path, or open it with create=True"
        raise UnreadableData(msg)
    try:
        with storage(path, "open"):
            return _opened(path, settings, mark)
    except NotAJournal as error:
        if mark is not None:
            raise
        raise UnreadableData(str(error)) from error


def head_of(connection: sqlite3.Connection, path: Path) -> Head:
    """Return the end of the journal as its own record states it."""
    found = connection.execute("SELECT position, link FROM head").fetchone()
    if found is None or not (isinstance(found[0], int) and isinstance(found[1], bytes)):
        msg = f"{path}: the record of the journal's end is damaged; restore it from a copy"
        raise CorruptJournal(msg)
    return Head(position=found[0], link=found[1])


def head_at(connection: sqlite3.Connection, path: Path, position: int) -> Head:
    """Return the journal's end as it was when it held `position` batches."""
    if position == 0:
        return EMPTY
    select = "SELECT link FROM batch WHERE position = ?"
    found = connection.execute(select, (position,)).fetchone()
    if found is None:
        raise damaged(str(path), position, "is missing")
    return Head(position=position, link=found[0])


def insert(connection: sqlite3.Connection, rows: tuple[Row, ...]) -> None:
    """Add rows at the end, within the caller's transaction."""
    if not rows:
        return
    values = ((row.position, row.checksum, row.link, row.payload) for row in rows)
    connection.executemany(_INSERT, values)
    connection.execute(_UPDATE, (rows[-1].position, rows[-1].link))


def _pragmas(settings: SqliteSettings) -> tuple[str, ...]:
    return (
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: flush the device's own cache too
        "checkpoint_fullfsync = ON",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        f"wal_autocheckpoint = {max(settings.checkpoint_bytes // PAGE_BYTES, 1)}",
    )


def _opened(path: Path, settings: SqliteSettings, mark: Head | None) -> sqlite3.Connection:
    connection = connect(path, settings, create=settings.create)
    try:
        _recognise(connection, path, mark, settings.wait_s)
        _prepare(connection, settings)
    except BaseException:
        connection.close()
        raise
    return connection


def _recognise(
    connection: sqlite3.Connection,
    path: Path,
    mark: Head | None,
    wait_s: float,
) -> None:
    if is_blank(connection):
        if mark is not None:
            raise CorruptJournal(_lost(path, mark.position, 0))
        create_tables(connection, wait_s)
    check_schema(connection, path)
    connection.execute("BEGIN")  # one snapshot: another process may be appending
    try:
        head = head_of(connection, path)
        _check_last(connection, path, head)
        _check_mark(connection, path, head, mark)
    finally:
        connection.execute("ROLLBACK")


def _prepare(connection: sqlite3.Connection, settings: SqliteSettings) -> None:
    # What a killed process had committed but not flushed becomes durable before anyone acts on it.
    with closing(connection.execute("PRAGMA wal_checkpoint(PASSIVE)")):
        pass
    if settings.size_bytes_max is not None:
        connection.execute(f"PRAGMA max_page_count = {settings.size_bytes_max // PAGE_BYTES}")


def _check_last(connection: sqlite3.Connection, path: Path, head: Head) -> None:
    """The last batch must be the one that was written last: a removed end leaves no gap."""
    select = "SELECT position, link FROM batch ORDER BY position DESC LIMIT 1"
    found = connection.execute(select).fetchone() or (EMPTY.position, EMPTY.link)
    if found[0] < head.position:
        raise CorruptJournal(_lost(path, head.position, found[0]))
    if found != (head.position, head.link):
        raise damaged(str(path), found[0], "is not the one that was appended last")


def _check_mark(
    connection: sqlite3.Connection,
    path: Path,
    head: Head,
    mark: Head | None,
) -> None:
    if mark is None:
        return
    if mark.position > head.position:
        raise CorruptJournal(_lost(path, mark.position, head.position))
    if head_at(connection, path, mark.position) != mark:
        raise damaged(str(path), mark.position, "is not the one that was acknowledged")


def _lost(path: Path, acknowledged: int, found: int) -> str:
    return (
        f"{path}: {acknowledged} batches were acknowledged and the file ends after batch {found}: "
        "its end, or its -wal file, is lost or is that of an older copy. Keep the files and "
        f"restore the newest copy with its companions; to go on from batch {found} knowingly, copy "
        "what read() returns to a new journal after deleting the -acked file"
    )
