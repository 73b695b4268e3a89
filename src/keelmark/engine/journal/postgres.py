"""A journal in a schema of a PostgreSQL database.

One statement, one transaction, one wait for the server's write-ahead log per append: it moves the
record of the journal's end from where the caller believes it is, and adds the batches only if that
succeeded. A connection that is lost meanwhile leaves the outcome open; the journal then connects
again and looks for its own batch, and only where it cannot does it say that it does not know.
"""

from collections.abc import Callable, Iterator, Sequence
from secrets import randbits
from threading import Lock
from time import monotonic, sleep
from types import TracebackType
from typing import Self, TypeVar

from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    KeelmarkError,
    OutcomeUnknown,
    StorageFailed,
)
from keelmark.engine.journal.access import Access
from keelmark.engine.journal.chain import (
    Head,
    Row,
    damaged,
    limited_batch,
    records_of,
    rows_after,
)
from keelmark.engine.journal.port import (
    Batch,
    Record,
    check_after,
    check_expected,
    checked_batches,
)
from keelmark.engine.journal.postgres_address import parse_address
from keelmark.engine.journal.postgres_driver import psycopg
from keelmark.engine.journal.postgres_errors import DatabaseGone, database, is_gone
from keelmark.engine.journal.postgres_session import PostgresSettings, Session

__all__ = ["PostgresJournal", "PostgresSettings"]

PAGE_BYTES = 8 * 2**20
"""What a reader holds at once, unless a single batch is larger."""

_PAUSE_S = 0.02
_PAUSE_S_MAX = 0.5
_Answer = TypeVar("_Answer")


class PostgresJournal:
    """A `Journal` in the tables `batch` and `head` of one schema.

    Opened as `Access.WRITER` it holds an advisory lock as long as its session lasts: a second
    writer is refused at opening and told who the first is. Opened as `SHARED`, several append and
    whoever is late is told by `PositionConflict`. A `READER` works on a standby too.
    """

    def __init__(self, url: str, settings: PostgresSettings | None = None) -> None:
        self._address = parse_address(url)
        self._settings = settings or PostgresSettings()
        self._lock = Lock()
        self._writer = randbits(63)  # whose a batch is, where a connection was lost
        self._failure: BaseException | None = None
        self._is_closed = False
        self._session: Session | None = None
        self._head = self._opened()

    @property
    def name(self) -> str:
        """Where the journal is, without any secret."""
        return self._address.name

    @property
    def position(self) -> int:
        """How many batches the journal holds."""
        with self._lock:
            return self._insist("read the position", Session.head).position

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch; see `Journal.append`."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches in one transaction; see `Journal.append_many`.

        Raises:
            OutcomeUnknown: The database went away and did not come back in time; whether the
                batches are durable is seen when the journal is opened again.
        """
        payloads = [limited_batch(batch) for batch in checked_batches(batches)]
        with self._lock:
            self._require_writable()
            head = self._head_where(expected_position, is_certain=bool(payloads))
            rows = tuple(rows_after(head, payloads))
            if rows:
                self._store(head, rows)
                self._head = Head(position=rows[-1].position, link=rows[-1].link)
            return self._head.position

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position; see `Journal.read`.

        Each page is a statement of its own, so a slow reader holds nothing on the server.
        """
        with self._lock:
            end = self._insist("read", Session.head)
            check_after(after, end.position, self.name)
            start = self._insist("read", lambda session: session.head_at(after))
        return self._batches(start, end)

    def close(self) -> None:
        """End the session. Appended batches are durable with or without it."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PostgresJournal({self.name!r})"

    # --- sessions -------------------------------------------------------------------------------

    def _opened(self) -> Head:
        """Begin the first session; the database may just be starting."""

        def begin() -> Head:
            self._session = Session(self._address, self._settings)
            return self._session.head()

        return self._persist("open", begin, self._settings.wait_s)

    def _live(self) -> Session:
        """Return a session that stands as far as is known, a new one if the last is lost."""
        if self._is_closed:
            msg = f"{self.name}: the journal was closed; open it again"
            raise StorageFailed(msg)
        if self._session is None or not self._session.is_usable:
            self._drop()
            session = Session(self._address, self._settings)
            try:
                self._require_same(session)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def _require_same(self, session: Session) -> None:
        """What was acknowledged to this process must still be there after the database was gone."""
        known, found = self._head, session.head()
        if found.position < known.position or session.head_at(known.position) != known:
            msg = (
                f"{self.name} came back at position {found.position} without all of the "
                f"{known.position} batches that were acknowledged: it was restored from an older "
                "copy, or a standby that lagged took over. Stop, and restore the newest copy"
            )
            raise CorruptJournal(msg)

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _insist(self, doing: str, action: Callable[[Session], _Answer]) -> _Answer:
        """Do something with a session, again with a new one while the database is gone."""
        return self._persist(doing, lambda: action(self._live()), self._settings.outage_s)

    def _persist(self, doing: str, action: Callable[[], _Answer], patience_s: float) -> _Answer:
        deadline = monotonic() + patience_s
        pause = _PAUSE_S
        while True:
            try:
                with database(self._address, doing):
                    return action()
            except DatabaseGone:
                self._drop()
                if monotonic() + pause > deadline:
                    raise
            sleep(pause)
            pause = min(2 * pause, _PAUSE_S_MAX)

    # --- reading --------------------------------------------------------------------------------

    def _batches(self, start: Head, end: Head) -> Iterator[tuple[int, tuple[Record, ...]]]:
        head = start
        while head.position < end.position:
            rows = self._page(head, end)
            for row in rows:
                records = records_of(row, head, self.name)
                head = Head(position=row.position, link=row.link)
                yield head.position, records
            if not rows:
                break
        if head != end:
            raise damaged(self.name, head.position + 1, "is missing")

    def _page(self, head: Head, end: Head) -> list[Row]:
        with self._lock:
            return self._insist(
                "read", lambda session: session.page(head.position, end.position, PAGE_BYTES)
            )

    # --- writing --------------------------------------------------------------------------------

    def _require_writable(self) -> None:
        if self._settings.access is Access.READER:
            msg = f"{self.name} was opened to read; open it with Access.WRITER to append"
            raise InvalidInput(msg)
        if self._failure is not None:
            msg = f"{self.name}: an earlier write failed, its outcome is unknown; open it again"
            raise OutcomeUnknown(msg) from self._failure

    def _head_where(self, expected_position: int, *, is_certain: bool) -> Head:
        """Return the journal's end, asked for unless it is known to be where it is expected."""
        if not is_certain or expected_position != self._head.position:
            self._head = self._insist("append", Session.head)
            check_expected(expected_position, self._head.position, self.name)
        return self._head

    def _store(self, head: Head, rows: tuple[Row, ...]) -> None:
        """Make rows durable after `head`, exactly once, through the loss of connections."""
        write = _Write(head, rows, self._writer)
        try:
            is_stored = self._insist("append", write)
        except BaseException as error:
            if not write.is_in_doubt:
                raise
            self._failure = error
            if isinstance(error, KeelmarkError):
                raise OutcomeUnknown(self._unknown(error)) from error
            raise
        if not is_stored:
            self._refuse_moved(head)

    def _refuse_moved(self, head: Head) -> None:
        """Say where the journal is, now that it is not where it was."""
        self._head = self._insist("append", Session.head)
        check_expected(head.position, self._head.position, self.name)
        raise damaged(self.name, head.position, "is not the one that was appended last")

    def _unknown(self, error: BaseException) -> str:
        return (
            f"{error}. Whether the batches after position {self._head.position} are durable is not "
            "known: open the journal again, it then tells where it is"
        )


class _Write:
    """Rows to be stored once; whether a lost connection left it open that they were."""

    def __init__(self, head: Head, rows: tuple[Row, ...], writer: int) -> None:
        self._head, self._rows, self._writer = head, rows, writer
        self.is_in_doubt = False

    def __call__(self, session: Session) -> bool:
        """Store them, or find them stored by a try before; False where the journal has moved."""
        before, self.is_in_doubt = self.is_in_doubt, True
        try:
            is_stored = session.extend(self._head, self._rows, self._writer)
        except psycopg.Error as error:
            self.is_in_doubt = before or is_gone(error)
            raise
        self.is_in_doubt = before and not is_stored
        return is_stored or (before and session.has(self._rows[-1], self._writer))
