"""One session with the database of a journal: set up, recognised, and locked to write alone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from socket import gethostname
from time import monotonic, sleep
from typing import Any

from keelmark.core.errors import CorruptJournal, JournalLocked, StorageFailed
from keelmark.engine.journal.access import Access
from keelmark.engine.journal.chain import EMPTY, Head, Row, damaged
from keelmark.engine.journal.postgres_address import Address
from keelmark.engine.journal.postgres_driver import psycopg
from keelmark.engine.journal.postgres_errors import refused
from keelmark.engine.journal.postgres_schema import LOCK_CLASS, Connection, Tables, prepare

OLDEST = 130000
COPY_BYTES = 2**20
"""From this size on a group is copied: a statement would be held several times in memory."""

_RETRY_S = 0.05
_APPLICATION_MAX = 60

# What is told to libpq where the URL does not say otherwise: a dead link is noticed in half a
# minute, on this side and (below) on the server's, so that it does not keep the lock for hours.
_LINK = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
# Limits that are meant for interactive work must not end an append halfway.
_SETTINGS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "30000",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "read committed",
}
_SET = (
    "SELECT set_config(s.name, v.setting, false) "
    "FROM unnest(%s::text[], %s::text[]) AS v (name, setting) JOIN pg_settings s USING (name)"
)
_FACTS = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), pg_is_in_recovery()"
)
_HOLDER = (
    "SELECT a.pid, a.application_name, a.client_addr::text FROM pg_locks l "
    "JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
    "AND l.classid = %s AND l.objid = %s::oid AND l.objsubid = 2"
)
_MOVE = (
    "UPDATE {head} SET position = %b::bigint, link = %b WHERE position = %b::bigint AND link = %b"
)
_INSERT = (
    f"WITH moved AS ({_MOVE} RETURNING one) "  # noqa: S608 our own text
    "INSERT INTO {batch} (position, checksum, link, payload, writer) "
    "SELECT %b::bigint + u.place, u.checksum, u.link, u.payload, %b::bigint FROM moved, "
    "unnest(%b::bytea[], %b::bytea[], %b::bytea[]) "
    "WITH ORDINALITY AS u (checksum, link, payload, place)"
)
_COPY = "COPY {batch} (position, checksum, link, payload, writer) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES = ("int8", "bytea", "bytea", "bytea", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """How a journal in a database is opened.

    Attributes:
        access: What for.
        create: Whether tables that do not exist are made.
        wait_s: Seconds to wait for a connection, and for another session that is writing.
        outage_s: Seconds an append or a read looks for a database that has gone before it gives
            up; meanwhile it is held back.
    """

    access: Access = Access.WRITER
    create: bool = True
    wait_s: float = 5.0
    outage_s: float = 10.0


class Session:
    """A connection to a journal that has been recognised.

    Attributes:
        is_usable: False once the connection is lost or closed.
    """

    def __init__(self, address: Address, settings: PostgresSettings) -> None:
        self._address = address
        self._tables = Tables(address.schema)
        self._sql = {
            "insert": self._tables.statement(_INSERT),
            "move": self._tables.statement(_MOVE),
            "copy": self._tables.statement(_COPY),
            "head": self._tables.statement("SELECT position, link FROM {head}"),
        }
        self._connection = _connected(address, settings)
        try:
            self._set_up(settings)
        except BaseException:
            self._connection.close()
            raise

    @property
    def is_usable(self) -> bool:
        """Whether the connection is believed to stand."""
        return not self._connection.closed

    def close(self) -> None:
        """End the session; its lock goes with it."""
        self._connection.close()

    # --- reading --------------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the end of the journal as its own record states it."""
        found = self._connection.execute(self._sql["head"]).fetchone()
        if found is None:
            msg = f"{self._address.name}: the record of the journal's end is gone; restore a copy"
            raise CorruptJournal(msg)
        return Head(position=found[0], link=found[1])

    def head_at(self, position: int) -> Head:
        """Return the journal's end as it was when it held `position` batches."""
        if position == 0:
            return EMPTY
        found = self._one("SELECT link FROM {batch} WHERE position = %s", position)
        if found is None:
            raise damaged(self._address.name, position, "is missing")
        return Head(position=position, link=found[0])

    def has(self, row: Row, writer: int) -> bool:
        """Whether this very row was written, by this writer."""
        select = "SELECT link, writer FROM {batch} WHERE position = %s"
        return self._one(select, row.position) == (row.link, writer)

    def page(self, after: int, end: int, bytes_max: int) -> list[Row]:
        """Return the next rows up to `end`: about `bytes_max` bytes of them, but at least one."""
        sizes = self._tables.statement(
            "SELECT position, octet_length(payload) FROM {batch} "
            "WHERE position > %s AND position <= %s ORDER BY position LIMIT 4096"
        )
        last, total = after, 0
        for position, size in self._connection.execute(sizes, (after, end)):
            total += size
            if total > bytes_max and last != after:
                break
            last = position
        return self._rows(after, last)

    def check_last(self) -> None:
        """The last batch must be the one that was written last: a removed end leaves no gap.

        Raises:
            CorruptJournal: It is not.
        """
        with self._connection.transaction():  # one snapshot: another session may be appending
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            head = self.head()
            select = "SELECT position, link FROM {batch} ORDER BY position DESC LIMIT 1"
            found = self._one(select) or (EMPTY.position, EMPTY.link)
        if found[0] < head.position:
            raise damaged(self._address.name, found[0] + 1, f"of {head.position} is lost")
        if found != (head.position, head.link):
            raise damaged(self._address.name, found[0], "is not the one that was appended last")

    def _rows(self, after: int, last: int) -> list[Row]:
        select = self._tables.statement(
            "SELECT position, checksum, link, payload FROM {batch} "
            "WHERE position > %s AND position <= %s ORDER BY position"
        )
        cursor = self._connection.cursor(binary=True)
        return [
            Row(position=position, checksum=checksum, link=link, payload=payload)
            for position, checksum, link, payload in cursor.execute(select, (after, last))
        ]

    def _one(self, template: str, *values: object) -> tuple[Any, ...] | None:
        return self._connection.execute(self._tables.statement(template), values).fetchone()

    # --- writing --------------------------------------------------------------------------------

    def extend(self, head: Head, rows: Sequence[Row], writer: int) -> bool:
        """Append rows after `head` in one durable transaction, if the journal ends there.

        Returns:
            Whether it did: otherwise nothing was changed.
        """
        if sum(len(row.payload) for row in rows) >= COPY_BYTES:
            return self._copied(head, rows, writer)
        last = rows[-1]
        columns = ([getattr(row, name) for row in rows] for name in ("checksum", "link", "payload"))
        values = (last.position, last.link, head.position, head.link, head.position, writer)
        cursor = self._connection.execute(self._sql["insert"], (*values, *columns))
        return cursor.rowcount == len(rows)

    def _copied(self, head: Head, rows: Sequence[Row], writer: int) -> bool:
        last, connection = rows[-1], self._connection
        with connection.transaction(), connection.cursor() as cursor:
            move = (last.position, last.link, head.position, head.link)
            if not cursor.execute(self._sql["move"], move).rowcount:
                return False
            with cursor.copy(self._sql["copy"]) as copy:
                copy.set_types(_COPY_TYPES)
                for row in rows:
                    copy.write_row((row.position, row.checksum, row.link, row.payload, writer))
        return True

    # --- setting up -----------------------------------------------------------------------------

    def _set_up(self, settings: PostgresSettings) -> None:
        chosen = {**_SETTINGS, "lock_timeout": str(round(settings.wait_s * 1000))}
        self._connection.execute(_SET, (list(chosen), list(chosen.values())))
        is_writing = settings.access is not Access.READER
        if is_writing:
            self._require_durable()
        prepare(
            self._connection,
            self._tables,
            self._address.name,
            create=settings.create and is_writing,
        )
        if settings.access is Access.WRITER:
            self._lock(settings.wait_s)
        self.check_last()

    def _require_durable(self) -> None:
        """Refuse a server that says a batch is durable before it is."""
        found = self._connection.execute(_FACTS).fetchone()
        fsync, synchronous, is_standby = found or ("off", "off", False)
        if is_standby:
            msg = (
                f"{self._address.name} is a standby that only reads: name the primary, or several "
                "hosts with target_session_attrs=read-write"
            )
            raise StorageFailed(msg)
        if fsync == "off" and not self._address.accepts_loss:
            msg = (
                f"{self._address.name} runs with fsync = off and loses acknowledged batches with "
                "its power: set fsync = on and restart it; for a trial add ?unsafe=yes to the URL"
            )
            raise StorageFailed(msg)
        if synchronous == "off":
            self._connection.execute("SET synchronous_commit = on")

    def _lock(self, wait_s: float) -> None:
        """Become the journal's only writer, for as long as the session lasts."""
        table = f'"{self._tables.schema}".head'
        number = self._connection.execute("SELECT %s::regclass::oid::int8", (table,)).fetchone()
        key = (LOCK_CLASS, number[0] if number else 0)
        take = "SELECT pg_try_advisory_lock(%s, (%s::bigint)::oid::int)"
        deadline = monotonic() + wait_s
        while self._connection.execute(take, key).fetchone() != (True,):
            if monotonic() >= deadline:
                raise JournalLocked(self._held(key))
            sleep(_RETRY_S)

    def _held(self, key: tuple[int, int]) -> str:
        pid, application, host = self._connection.execute(_HOLDER, key).fetchone() or (0, "", "")
        who = f"{application or 'a session of another role'} from {host or 'a local socket'}"
        return (
            f"{self._address.name} is being written by {who} (server process {pid}): end that "
            f"writer, or if it is dead SELECT pg_terminate_backend({pid}), then retry"
        )


def _connected(address: Address, settings: PostgresSettings) -> Connection:
    own = {
        **_LINK,
        "connect_timeout": str(max(round(settings.wait_s), 2)),
        "application_name": f"keelmark {os.getpid()} on {gethostname()}"[:_APPLICATION_MAX],
    }
    parameters: dict[str, Any] = {**own, **address.parameters}
    try:
        connection = psycopg.connect(**parameters, autocommit=True)
    except psycopg.Error as error:
        raise refused(error, address) from None  # the driver's own may tell parameters
    return _modern(connection, address)


def _modern(connection: Connection, address: Address) -> Connection:
    version = connection.info.server_version
    if version < OLDEST:
        connection.close()
        msg = f"{address.name} is PostgreSQL {version // 10000}; a journal needs 13 or newer"
        raise StorageFailed(msg)
    return connection
