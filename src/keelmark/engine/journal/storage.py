"""What SQLite says when it fails, in the words of Keelmark's errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keelmark.core.errors import CorruptJournal, JournalLocked, KeelmarkError, StorageFailed


class NotAJournal(CorruptJournal):
    """A file that is no journal, or was one before its header was damaged."""


class StorageFull(StorageFailed):
    """No room: the write was rolled back whole and the journal can go on once there is room."""


_ADVICE: dict[int, tuple[type[KeelmarkError], str]] = {
    sqlite3.SQLITE_NOTADB: (NotAJournal, "no Keelmark journal; if it was, restore it from a copy"),
    sqlite3.SQLITE_BUSY: (JournalLocked, "another process is writing; end it or wait, then retry"),
    sqlite3.SQLITE_LOCKED: (JournalLocked, "another reader or writer is busy; retry"),
    sqlite3.SQLITE_FULL: (StorageFull, "nothing of it was applied; free some space and retry"),
    sqlite3.SQLITE_NOMEM: (StorageFailed, "out of memory; free some and open it again"),
    sqlite3.SQLITE_INTERRUPT: (StorageFailed, "interrupted; open it again"),
    sqlite3.SQLITE_IOERR_SHORT_READ: (CorruptJournal, "it ends early; restore it from a copy"),
    **dict.fromkeys(
        (
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_PERM,
        ),
        (StorageFailed, "check the disk and its permissions, then open it again"),
    ),
}
_CLOSED = (StorageFailed, "the journal was closed; open it again")
_DAMAGED = (CorruptJournal, "the file is damaged; keep it and restore the journal from a copy")


@contextmanager
def storage(path: Path, doing: str) -> Iterator[None]:
    """Run a block that uses SQLite or the file system on `path`.

    Raises:
        JournalLocked: Another process held the journal longer than the time to wait.
        StorageFailed: The device or its permissions said no.
        CorruptJournal: What is stored cannot be read as this journal's tables.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, path, doing) from error
    except MemoryError as error:  # a damaged length asks for more than there is
        msg = f"{path}: cannot {doing} (a length in it is beyond memory): {_DAMAGED[1]}"
        raise CorruptJournal(msg) from error
    except OSError as error:
        msg = f"{path}: cannot {doing} ({error}); check the disk and its permissions"
        raise StorageFailed(msg) from error


def _named(error: sqlite3.Error, path: Path, doing: str) -> KeelmarkError:
    named, advice = _advice(error)
    return named(f"{path}: cannot {doing} ({error}): {advice}")


def _advice(error: sqlite3.Error) -> tuple[type[KeelmarkError], str]:
    if isinstance(error, sqlite3.ProgrammingError):
        return _CLOSED
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return _ADVICE.get(code) or _ADVICE.get(code & 0xFF) or _DAMAGED
