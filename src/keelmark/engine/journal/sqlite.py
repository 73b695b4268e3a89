"""A journal in one SQLite file: the embedded default.

Write-ahead log, `synchronous=FULL`: one transaction, one flush to the device per append. Opening
runs SQLite's own recovery and then compares the end of the journal with the acknowledged mark.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from keelmark.core.errors import JournalLocked, StorageFailed
from keelmark.engine.journal.chain import (
    Head,
    Row,
    damaged,
    limited_batch,
    records_of,
    rows_after,
)
from keelmark.engine.journal.database import (
    SqliteSettings,
    connect,
    head_at,
    head_of,
    insert,
    open_journal,
)
from keelmark.engine.journal.mark import Mark, read_mark
from keelmark.engine.journal.port import (
    Batch,
    Record,
    check_after,
    check_expected,
    checked_batches,
)
from keelmark.engine.journal.storage import StorageFull, storage

__all__ = ["SqliteJournal", "SqliteSettings"]

_SELECT = (
    "SELECT position, checksum, link, payload FROM batch "
    "WHERE position > ? AND position <= ? ORDER BY position"
)


class SqliteJournal:
    """A `Journal` in one file, with `<file>-wal`, `<file>-shm` and `<file>-acked` beside it.

    One process appends; others may read. A second writer is told by `PositionConflict` that the
    journal has moved on. Move or copy the file only with its companions, or after `close`.
    """

    def __init__(self, path: Path, settings: SqliteSettings | None = None) -> None:
        self._path = path
        self._settings = settings or SqliteSettings()
        self._failure: StorageFailed | None = None
        self._lock = Lock()
        mark = read_mark(_mark_path(path))  # before the journal: it may only have grown since
        self._connection = open_journal(path, self._settings, mark)
        self._mark = self._marked(mark)
        self._file = self._named()

    @property
    def name(self) -> str:
        """Where the journal is."""
        return str(self._path)

    @property
    def position(self) -> int:
        """How many batches the journal holds."""
        with self._lock, storage(self._path, "read the position"):
            self._follow()
            return head_of(self._connection, self._path).position

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch; see `Journal.append`."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches in one transaction; see `Journal.append_many`."""
        payloads = [limited_batch(batch) for batch in checked_batches(batches)]
        with self._lock, self._writing():
            head = self._transact(payloads, expected_position)
            self._mark.write(head)
        return head.position

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position; see `Journal.read`.

        The iterator has its own connection, so appending goes on while it is read.
        """
        with self._lock, storage(self._path, "read"):
            self._follow()
            end = head_of(self._connection, self._path)
            check_after(after, end.position, str(self._path))
            start = head_at(self._connection, self._path, after)
        return self._batches(start, end)

    def close(self) -> None:
        """Close the files. Appended batches are durable with or without it."""
        self._mark.close()
        with storage(self._path, "close"):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _named(self) -> tuple[int, int]:
        """Return which file has the journal's name.

        Raises:
            StorageFailed: None has: it was moved or removed.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError as error:
            msg = f"{self._path} was moved or removed; put it back, with the files beside it"
            raise StorageFailed(msg) from error
        return found.st_dev, found.st_ino

    def _follow(self) -> None:
        """Let a reader go on with the file that has the name: the other one is of the past."""
        if self._settings.create or self._named() == self._file:
            return
        mark = read_mark(_mark_path(self._path))
        connection = open_journal(self._path, self._settings, mark)
        self._connection.close()
        self._mark.close()
        self._connection, self._mark = connection, Mark(_mark_path(self._path))
        self._file = self._named()

    def _marked(self, mark: Head | None) -> Mark:
        """Open the mark and bring it up to what the journal holds; all of that is durable."""
        try:
            with storage(self._path, "mark its position"):
                file = Mark(_mark_path(self._path))
                head = head_of(self._connection, self._path)
                if mark is None or mark.position < head.position:
                    file.write(head)
        except BaseException:
            self._connection.close()
            raise
        return file

    def _batches(self, start: Head, end: Head) -> Iterator[tuple[int, tuple[Record, ...]]]:
        head = start
        with (
            storage(self._path, "read"),
            closing(connect(self._path, self._settings)) as connection,
        ):
            for columns in connection.execute(_SELECT, (start.position, end.position)):
                row = _row(columns, str(self._path), head.position + 1)
                records = records_of(row, head, str(self._path))
                head = Head(position=row.position, link=row.link)
                yield head.position, records
        if head != end:
            raise damaged(str(self._path), head.position + 1, "is missing")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Refuse to go on after a write whose outcome is unknown."""
        if self._failure is not None:
            msg = f"{self._path}: an earlier write failed, its outcome is unknown; open it again"
            raise StorageFailed(msg) from self._failure
        try:
            with storage(self._path, "append"):
                yield
        except (JournalLocked, StorageFull):
            raise
        except StorageFailed as failure:
            self._failure = failure
            raise

    def _transact(self, payloads: list[bytes], expected_position: int) -> Head:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = head_of(connection, self._path)
            check_expected(expected_position, head.position, str(self._path))
            rows = tuple(rows_after(head, payloads))
            insert(connection, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return Head(position=rows[-1].position, link=rows[-1].link) if rows else head


def _mark_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-acked")


def _row(columns: tuple[Any, ...], journal: str, expected: int) -> Row:
    position, checksum, link, payload = columns
    if not all(isinstance(part, bytes) for part in (checksum, link, payload)):
        raise damaged(journal, expected, "is stored with columns of another type")
    return Row(position=position, checksum=checksum, link=link, payload=payload)
