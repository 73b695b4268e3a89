"""A journal by its name: the URL of a database, or the path of a file."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from keelmark.engine.journal.access import Access, is_url
from keelmark.engine.journal.port import Journal
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings

__all__ = ["Access", "StoredJournal", "open_journal"]


class StoredJournal(Journal, Protocol):
    """A journal outside this process, to be closed."""

    @property
    def name(self) -> str:
        """Where it is, for logs and messages: never with a password."""
        ...

    @property
    def position(self) -> int:
        """How many batches it holds."""
        ...

    def close(self) -> None:
        """Let go of it. What was appended is durable with or without."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_journal(target: str | Path, access: Access = Access.WRITER) -> StoredJournal:
    """Open a journal: `postgresql://...` in a database, anything else as a file.

    Args:
        target: For a URL, `?schema=NAME` names the schema (`keelmark`) and `&unsafe=yes` accepts
            a server with `fsync` off.
        access: A writer or one of several makes the journal if it is new; a reader does not. Of a
            file, a second writer is told by `PositionConflict`, of a database already here.

    Raises:
        InvalidInput: The URL cannot be read, or user, password or database are refused.
        MissingExtra: psycopg is not installed.
        UnreadableData: There is no such journal, or it is something else.
        NewerFormat: A newer release wrote it.
        CorruptJournal: Its end is not what was written.
        JournalLocked: Another writer has it; the message names it.
        StorageFailed: The file or the database cannot be used; the message says why.
    """
    if isinstance(target, str) and is_url(target):
        # Loaded here: whoever keeps the journal in a file needs no psycopg.
        from keelmark.engine.journal.postgres import (  # noqa: PLC0415 see above
            PostgresJournal,
            PostgresSettings,
        )

        return PostgresJournal(target, PostgresSettings(access=access))
    settings = SqliteSettings(create=access is not Access.READER)
    return SqliteJournal(Path(target), settings)
