"""The tables of a journal in PostgreSQL: made once, recognised at every opening."""

from typing import Any, TypeAlias

from keelmark.core.errors import CorruptJournal, NewerFormat, StorageFailed, UnreadableData
from keelmark.engine.journal.chain import EMPTY
from keelmark.engine.journal.postgres_driver import psycopg

VERSION = 1
LOCK_CLASS = int.from_bytes(b"KMJL", "big")
"""First key of the advisory locks; the second is the number of the table `head`."""

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_EXPECTED = {
    ("batch", "position", "bigint", True),
    ("batch", "checksum", "bytea", True),
    ("batch", "link", "bytea", True),
    ("batch", "payload", "bytea", True),
    ("batch", "writer", "bigint", True),
    ("head", "one", "boolean", True),
    ("head", "version", "integer", True),
    ("head", "position", "bigint", True),
    ("head", "link", "bytea", True),
}
_CREATE = (
    "CREATE TABLE {head} (one boolean PRIMARY KEY CHECK (one), version integer NOT NULL, "
    # Rewritten by every append: room in its page, so that old versions are reused in place.
    "position bigint NOT NULL, link bytea NOT NULL) WITH (fillfactor = 10)"
    ";CREATE TABLE {batch} (position bigint PRIMARY KEY, checksum bytea NOT NULL, "
    "link bytea NOT NULL, payload bytea NOT NULL, writer bigint NOT NULL) "
    "WITH (toast_tuple_target = 8160)"
    # Payloads are stored as they are: a bulk record is not worth the time to compress it.
    ";ALTER TABLE {batch} ALTER COLUMN payload SET STORAGE EXTERNAL"
)
_FIND = (
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
    "c.relpersistence::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "WHERE n.nspname = %s AND c.relname IN ('batch', 'head') AND c.relkind <> 'i'"
)


class Tables:
    """The names of a journal's tables, ready to be put into statements."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._names = {
            "schema": psycopg.sql.Identifier(schema),
            "batch": psycopg.sql.Identifier(schema, "batch"),
            "head": psycopg.sql.Identifier(schema, "head"),
        }

    def statement(self, template: str) -> psycopg.sql.Composed:
        """Return a statement with `{schema}`, `{batch}` and `{head}` filled in."""
        return psycopg.sql.SQL(template).format(**self._names)


def prepare(connection: Connection, tables: Tables, name: str, *, create: bool) -> None:
    """Make a blank schema a journal, or recognise the journal in it.

    Raises:
        UnreadableData: There is none, and none is to be made; or the tables are another's.
        NewerFormat: A newer release made it.
        CorruptJournal: It says it is a journal of this version and has other columns.
        StorageFailed: Its tables do not survive a crash of the server.
    """
    if not _columns(connection, tables):
        if not create:
            msg = (
                f"{name}: there is no such journal; check database and schema, or open it to write"
            )
            raise UnreadableData(msg)
        _create(connection, tables)
    _check(connection, tables, name)


def _columns(connection: Connection, tables: Tables) -> list[tuple[Any, ...]]:
    return connection.execute(_FIND, (tables.schema,)).fetchall()


def _create(connection: Connection, tables: Tables) -> None:
    """Make the tables in one transaction; another session may get there first."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCK_CLASS,))
        if _columns(connection, tables):
            return
        known = "SELECT 1 FROM pg_namespace WHERE nspname = %s"  # may be there and not ours to make
        if connection.execute(known, (tables.schema,)).fetchone() is None:
            connection.execute(tables.statement("CREATE SCHEMA {schema}"))
        connection.execute(tables.statement(_CREATE))
        insert = tables.statement("INSERT INTO {head} VALUES (true, %s, %s, %s)")
        connection.execute(insert, (VERSION, EMPTY.position, EMPTY.link))


def _check(connection: Connection, tables: Tables, name: str) -> None:
    found = _columns(connection, tables)
    columns = {tuple(row[:4]) for row in found}
    if ("head", "version", "integer", True) not in columns:
        msg = f"{name}: the schema's tables are no Keelmark journal; add ?schema=ANOTHER to the URL"
        raise UnreadableData(msg)
    stated = connection.execute(tables.statement("SELECT version FROM {head}")).fetchone()
    version = stated[0] if stated else VERSION
    if version > VERSION:
        msg = (
            f"{name} is a journal of schema version {version}; this release reads up to {VERSION}: "
            "open it with the release that wrote it, or upgrade keelmark"
        )
        raise NewerFormat(msg)
    if columns != _EXPECTED or stated is None or version != VERSION:
        different = sorted(".".join(row[:2]) for row in columns ^ _EXPECTED) or ["head's row"]
        msg = (
            f"{name}: the tables are not those of a journal of version {VERSION} ({different} "
            "differ); keep the database and restore the journal from a copy"
        )
        raise CorruptJournal(msg)
    if {row[4] for row in found} != {"p"}:
        msg = f"{name}: its tables do not survive a crash; ALTER TABLE ... SET LOGGED, then retry"
        raise StorageFailed(msg)
