"""Where alerts are kept: standings, history, and what is still to be delivered, in one SQLite file.

An alert and its deliveries are written in one transaction before anything is sent: after a restart
what was not confirmed is sent again under the same id, and what was told is not told twice. One
process decides; another may leave an acknowledgement, which the first takes into its next decision.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keelmark.core.errors import NewerFormat, StorageFailed, UnreadableData
from keelmark.service.alerts.book import Standing
from keelmark.service.alerts.values import Alert

APPLICATION_ID = int.from_bytes(b"KMAL", "big")
VERSION = 3
_WAIT_S = 5.0
_TABLES = (
    "CREATE TABLE standing (subject TEXT PRIMARY KEY, value BLOB NOT NULL)",
    (
        "CREATE TABLE alert (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
        "subject TEXT NOT NULL, time_ms INTEGER NOT NULL, value BLOB NOT NULL)"
    ),
    "CREATE INDEX alert_by_subject ON alert (subject, number)",
    (
        "CREATE TABLE delivery (alert TEXT NOT NULL, channel TEXT NOT NULL, "
        "tries INTEGER NOT NULL, next_ms INTEGER NOT NULL, state TEXT NOT NULL, "
        "problem TEXT NOT NULL, PRIMARY KEY (alert, channel))"
    ),
    "CREATE INDEX delivery_open ON delivery (state, next_ms)",
)
_SINCE_2 = (
    "ALTER TABLE delivery ADD COLUMN at_ms INTEGER",
    (
        "CREATE TABLE acknowledgement (subject TEXT NOT NULL, since_ms INTEGER NOT NULL, "
        "who TEXT NOT NULL, time_ms INTEGER NOT NULL, is_taken INTEGER NOT NULL, "
        "PRIMARY KEY (subject, since_ms))"
    ),
)
"""What version 2 added."""

_SINCE_3 = ("CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL)",)
"""What version 3 added."""

_STEPS = (_TABLES, _SINCE_2, _SINCE_3)

OPEN, SENT, FAILED = "open", "sent", "failed"
_CHANNELS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An alert on its way to a channel.

    Attributes:
        alert: What.
        channel: Where to.
        tries: How often it was tried.
        next_ms: When it is tried next.
        state: `open`, `sent` or `failed`.
        problem: Why the last try failed.
        at_ms: When it was tried last; `None` before the first time.
    """

    alert: Alert
    channel: str
    tries: int
    next_ms: int
    state: str
    problem: str
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody takes care of a subject.

    Attributes:
        subject: Which.
        since_ms: Since when it has been at the level that is meant; a later one is another.
        who: Who.
        time_ms: When they said so.
    """

    subject: str
    since_ms: int
    who: str
    time_ms: int


class AlertStore:
    """The file; one process decides, others may read it and acknowledge.

    Raises:
        UnreadableData: The file is something else.
        NewerFormat: A newer release wrote it.
        StorageFailed: The disk said no.
    """

    def __init__(self, path: Path, *, wait_s: float = _WAIT_S) -> None:
        self._path = path
        with self._storage("open"):
            self._connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
            path.chmod(0o600)
            self._prepare()

    def another(self) -> "AlertStore":
        """Return the same store on a connection of its own, for another thread."""
        return AlertStore(self._path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def standings(self) -> dict[str, Standing]:
        """Return where every subject stood last."""
        with self._storage("read"):
            rows = self._connection.execute("SELECT subject, value FROM standing").fetchall()
        return {subject: msgspec.msgpack.decode(value, type=Standing) for subject, value in rows}

    def keep(
        self,
        alerts: Sequence[Alert],
        standings: Mapping[str, Standing],
        *,
        gone: Collection[str] = (),
        taken: Sequence[Acknowledgement] = (),
        notes: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write alerts with their deliveries, and the standings they come from, in one step.

        Args:
            alerts: To be told.
            standings: That changed.
            gone: Subjects that are watched no more.
            taken: Acknowledgements that are in the standings now.
            notes: What whoever decides goes on from, by name.
        """
        with self._storage("write"), self._transaction() as connection:
            connection.executemany("DELETE FROM standing WHERE subject = ?", [(s,) for s in gone])
            connection.executemany(
                "UPDATE acknowledgement SET is_taken = 1 WHERE subject = ? AND since_ms = ?",
                [(a.subject, a.since_ms) for a in taken],
            )
            connection.executemany(
                "INSERT INTO standing VALUES (?, ?) "
                "ON CONFLICT (subject) DO UPDATE SET value = excluded.value",
                [(s, msgspec.msgpack.encode(value)) for s, value in standings.items()],
            )
            connection.executemany(
                "INSERT INTO note VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                list((notes or {}).items()),
            )
            for alert in alerts:
                self._add(connection, alert)

    def note(self, name: str) -> bytes | None:
        """Return what was noted under a name; `None` for nothing."""
        with self._storage("read"):
            row = self._connection.execute(
                "SELECT value FROM note WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def history(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[tuple[int, Alert]]:
        """Return alerts with their numbers, latest first."""
        with self._storage("read"):
            rows = self._connection.execute(
                "SELECT number, value FROM alert WHERE (?1 IS NULL OR subject = ?1) "
                "AND (?2 IS NULL OR number < ?2) ORDER BY number DESC LIMIT ?3",
                (subject, before, limit),
            ).fetchall()
        return [(number, msgspec.msgpack.decode(value, type=Alert)) for number, value in rows]

    def find(self, alert_id: str) -> Alert | None:
        """Return an alert by its id."""
        with self._storage("read"):
            row = self._connection.execute(
                "SELECT value FROM alert WHERE id = ?", (alert_id,)
            ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=Alert)

    def acknowledge(self, said: Acknowledgement) -> Acknowledgement:
        """Leave an acknowledgement for whoever decides; return the first that was left."""
        with self._storage("write"), self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO acknowledgement VALUES (?, ?, ?, ?, 0)",
                (said.subject, said.since_ms, said.who, said.time_ms),
            )
        return next(
            found
            for found in self.acknowledgements()
            if (found.subject, found.since_ms) == (said.subject, said.since_ms)
        )

    def acknowledgements(self, *, only_new: bool = False) -> list[Acknowledgement]:
        """Return what was acknowledged; or only what is in no standing yet."""
        with self._storage("read"):
            rows = self._connection.execute(
                "SELECT subject, since_ms, who, time_ms FROM acknowledgement "
                "WHERE is_taken = 0 OR ?",
                (not only_new,),
            ).fetchall()
        return [
            Acknowledgement(subject=subject, since_ms=since_ms, who=who, time_ms=time_ms)
            for subject, since_ms, who, time_ms in rows
        ]

    def due(self, time_ms: int, *, limit: int = 1000) -> list[Delivery]:
        """Return the deliveries that are to be tried now, oldest first."""
        return self._deliveries("state = ? AND next_ms <= ?", (OPEN, time_ms), limit)

    def deliveries(self, alert_id: str) -> list[Delivery]:
        """Return what became of the deliveries of an alert."""
        return self._deliveries("delivery.alert = ?", (alert_id,), _CHANNELS_MAX)

    def _deliveries(
        self, condition: str, parameters: tuple[object, ...], limit: int
    ) -> list[Delivery]:
        with self._storage("read"):
            rows = self._connection.execute(
                "SELECT value, channel, tries, next_ms, state, problem, at_ms FROM delivery "  # noqa: S608 a condition of ours
                f"JOIN alert ON alert.id = delivery.alert WHERE {condition} "
                "ORDER BY alert.number, channel LIMIT ?",
                (*parameters, limit),
            ).fetchall()
        return [
            Delivery(
                alert=msgspec.msgpack.decode(value, type=Alert),
                channel=channel,
                tries=tries,
                next_ms=next_ms,
                state=state,
                problem=problem,
                at_ms=at_ms,
            )
            for value, channel, tries, next_ms, state, problem, at_ms in rows
        ]

    def counts(self, *, since_ms: int = 0) -> dict[str, int]:
        """Return the number of deliveries by state, of alerts told since a time."""
        with self._storage("read"):
            rows = self._connection.execute(
                "SELECT state, count(*) FROM delivery JOIN alert ON alert.id = delivery.alert "
                "WHERE alert.time_ms >= ? GROUP BY state",
                (since_ms,),
            ).fetchall()
        return {OPEN: 0, SENT: 0, FAILED: 0} | dict(rows)

    def confirm(self, deliveries: Sequence[Delivery], *, time_ms: int) -> None:
        """Note that deliveries arrived."""
        self._mark([(SENT, d.tries + 1, d.next_ms, "", d) for d in deliveries], time_ms)

    def postpone(
        self, deliveries: Sequence[Delivery], *, time_ms: int, next_ms: int, problem: str
    ) -> None:
        """Note that deliveries failed and are tried again."""
        self._mark([(OPEN, d.tries + 1, next_ms, problem, d) for d in deliveries], time_ms)

    def give_up(self, deliveries: Sequence[Delivery], *, time_ms: int, problem: str) -> None:
        """Note that deliveries failed for good."""
        self._mark([(FAILED, d.tries + 1, d.next_ms, problem, d) for d in deliveries], time_ms)

    def _mark(self, marks: Sequence[tuple[str, int, int, str, Delivery]], time_ms: int) -> None:
        rows = [(*mark, time_ms, d.alert.alert_id, d.channel) for *mark, d in marks]
        with self._storage("write"), self._transaction() as connection:
            connection.executemany(
                "UPDATE delivery SET state = ?, tries = ?, next_ms = ?, problem = ?, at_ms = ? "
                "WHERE alert = ? AND channel = ?",
                rows,
            )

    def _add(self, connection: sqlite3.Connection, alert: Alert) -> None:
        row = (alert.alert_id, alert.subject, alert.time_ms, msgspec.msgpack.encode(alert))
        connection.execute(
            "INSERT OR IGNORE INTO alert (id, subject, time_ms, value) VALUES (?, ?, ?, ?)", row
        )
        connection.executemany(
            "INSERT OR IGNORE INTO delivery VALUES (?, ?, 0, ?, ?, '', NULL)",
            [(alert.alert_id, channel, alert.time_ms, OPEN) for channel in alert.channels],
        )

    def _prepare(self) -> None:
        connection = self._connection
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if self._version() == VERSION:
            return  # who only reads takes no lock
        with self._transaction():
            version = self._version()
            if version > VERSION:
                msg = f"{self._path} has version {version}; this release reads {VERSION}: upgrade"
                raise NewerFormat(msg)
            for sql in (sql for step in _STEPS[version:] for sql in step):
                connection.execute(sql)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        """Return the version of the file; 0 of a new one.

        Raises:
            UnreadableData: It is a database of something else.
        """
        connection = self._connection
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if not found and not tables:
            return 0
        if found != APPLICATION_ID:
            msg = f"{self._path} is a database of something else; name another file"
            raise UnreadableData(msg)
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return version

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _storage(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                msg = f"{self._path} is no database; name another file"
                raise UnreadableData(msg) from error
            msg = f"{self._path}: cannot {doing} alerts ({error}); check the disk, then try again"
            raise StorageFailed(msg) from error
