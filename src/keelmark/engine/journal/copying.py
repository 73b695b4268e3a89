"""A whole copy of a journal's file, taken while somebody else appends to it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from keelmark.engine.journal.database import connect
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from keelmark.engine.journal.storage import storage


def copy_journal(path: Path, copy: Path) -> int:
    """Copy the journal of a file as it is at one moment; return the position of the copy.

    The writer is not held up. The copy stands alone, with its own acknowledged mark, and is
    durable when this returns.

    Raises:
        UnreadableData: There is no journal at `path`.
        CorruptJournal: Its end is not what was written.
        StorageFailed: It cannot be read, or the copy not be written.
    """
    settings = SqliteSettings(create=False)
    SqliteJournal(path, settings).close()  # refuses what is no journal, or has lost its end
    with closing(_connected(path, settings)) as source, storage(copy, "copy"):
        target = sqlite3.connect(copy, isolation_level=None)
        try:
            source.backup(target)
        finally:
            target.close()
    with SqliteJournal(copy, settings) as journal:
        position = journal.position
    with storage(copy, "copy"):
        for file in (copy, copy.with_name(f"{copy.name}-acked")):
            _flush(file)
    return position


def _connected(path: Path, settings: SqliteSettings) -> sqlite3.Connection:
    with storage(path, "read"):
        return connect(path, settings)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
