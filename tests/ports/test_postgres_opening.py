"""A journal in PostgreSQL that cannot be opened says why and what to do, never with a password."""

import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    KeelmarkError,
    NewerFormat,
    StorageFailed,
    UnreadableData,
)
from keelmark.engine.journal.access import Access, journal_name
from keelmark.engine.journal.open import open_journal
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.postgres import PostgresJournal
from keelmark.engine.journal.postgres_schema import VERSION
from keelmark.engine.journal.sqlite import SqliteJournal
from tests import postgres
from tests.ports.journals import Batches, batches, record
from tests.ports.postgres_tools import READER, WRITER, plain, schema_of, sql
from tests.postgres import GUARDED, Cluster, cluster

PASSWORD = "s3:cr/et"  # noqa: S105 of a server that lives as long as a test
own_server = pytest.mark.skipif(bool(postgres.URL), reason="needs a server of the tests' own")


def opened(url: str) -> list[tuple[int, tuple[Record, ...]]]:
    with PostgresJournal(url, WRITER) as journal:
        return list(journal.read(after=0))


# --- names --------------------------------------------------------------------------------------


def test_a_journal_is_opened_by_path_or_by_url(tmp_path: Path, postgres_url: str) -> None:
    for target in (str(tmp_path / "journal"), postgres_url):
        with pytest.raises(UnreadableData, match="no such journal"):
            open_journal(target, Access.READER)
        with open_journal(target) as journal:
            assert journal.append((record(1),), expected_position=0) == journal.position == 1
            with open_journal(target, Access.READER) as reader:
                assert list(reader.read(after=0)) == [(1, (record(1),))]
    with open_journal(tmp_path / "journal") as journal:
        assert isinstance(journal, SqliteJournal)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("data/journal.db", "data/journal.db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgres://u:p@h:5432/db?schema=x", "postgresql://h:5432/db"),
        ("postgresql://u:p@a:1,b:2/db?target_session_attrs=any", "postgresql://a:1,b:2/db"),
        ("postgresql://u:p%40w@[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("postgresql:///db?host=/run&password=p", "postgresql:///db"),
        ("postgresql://u:p/w@h/db", "postgresql://..."),
        ("postgresql://u:p?w@h/db", "postgresql://..."),
        ("postgresql://u:p w@h/db", "postgresql://..."),
        ("postgresql://u:p@w@h/db", "postgresql://..."),
    ],
)
def test_a_journals_name_never_holds_a_password(target: str, told: str) -> None:
    assert journal_name(target) == told


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://u:SECRET x@h/db", "not one libpq can read"),
        ("postgresql://u:SECRET@h/db?colour=red", "not one libpq can read"),
        ("postgresql://u:[SECRET@h/db", "cannot be taken apart"),
        ("postgresql://u:SECRET@h/db?schema=pg_x", "names the schema 'pg_x'"),
        ("postgresql://u:SECRET@h/db?schema=a;b", "names the schema 'a;b'"),
        ("postgresql://u:SECRET@h/db?unsafe=perhaps", "unsafe='perhaps'"),
        ("mysql://u:SECRET@h/db", "does not begin with postgresql://"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(url: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refusal:
        PostgresJournal(url)
    assert "SECRET" not in told(refusal.value)
    assert "postgresql://user:password@host" in str(refusal.value)


def test_without_psycopg_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from keelmark.engine.journal.open import open_journal\n"
        "try: open_journal('postgresql://h/db')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.startswith("MissingExtra a journal in PostgreSQL needs psycopg")
    assert "pip install 'keelmark[pg]'" in done.stdout


def told(error: BaseException) -> str:
    """Everything a log would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


# --- servers that refuse ------------------------------------------------------------------------


@pytest.fixture
def guarded(postgres_url: str) -> Iterator[str]:
    """The URL of a user with a password, on a server that asks for it."""
    sql(postgres_url, f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
    yield postgres_url.replace("//keelmark@", f"//{GUARDED}:{quote(PASSWORD, safe='')}@")
    sql(postgres_url, f"DROP OWNED BY {GUARDED} CASCADE", f"DROP ROLE {GUARDED}")


@own_server
def test_a_wrong_password_is_told_without_it(guarded: str) -> None:
    wrong = guarded.replace(quote(PASSWORD, safe=""), "hunter2")
    with pytest.raises(InvalidInput, match="check user and password") as refusal:
        PostgresJournal(wrong, WRITER)
    assert "hunter2" not in told(refusal.value)


@own_server
def test_a_role_without_rights_is_told_what_to_grant(guarded: str, postgres_url: str) -> None:
    with pytest.raises(StorageFailed, match=r"permission denied.*grant the role") as refusal:
        PostgresJournal(guarded, WRITER)
    assert PASSWORD not in told(refusal.value)
    sql(postgres_url, f"CREATE SCHEMA {schema_of(postgres_url)} AUTHORIZATION {GUARDED}")
    with PostgresJournal(guarded, WRITER) as journal:
        assert journal.append((record(1),), expected_position=0) == 1
        assert GUARDED in journal.name
        assert PASSWORD not in repr(journal) + journal.name


@own_server
@pytest.mark.parametrize(
    ("old", "new", "error", "fix"),
    [
        ("//keelmark@", "//nobody_here@", InvalidInput, "check the user"),
        ("/postgres?", "/no_such?", InvalidInput, "check the database's name"),
        ("@127.0.0.1:", "@127.0.0.1:1", StorageFailed, "check host and port"),
    ],
)
def test_what_is_wrong_in_a_url_is_named(
    postgres_url: str, old: str, new: str, error: type[KeelmarkError], fix: str
) -> None:
    url = postgres_url.replace(old, new)
    if "@127" in old:
        url = plain(postgres_url).rpartition(":")[0] + ":1/postgres"
    with pytest.raises(error, match=fix):
        PostgresJournal(url, WRITER)


@own_server
def test_a_server_that_does_not_flush_is_refused_by_name(postgres_url: str) -> None:
    honest = f"{plain(postgres_url)}?schema={schema_of(postgres_url)}"
    with pytest.raises(StorageFailed, match=r"fsync = off.*add \?unsafe=yes"):
        PostgresJournal(honest, WRITER)


def test_a_standby_is_read_and_not_written() -> None:
    with cluster(is_durable=False) as primary:
        url = postgres.new_schema(primary.url)
        with PostgresJournal(url, WRITER) as journal:
            journal.append_many(batches(3), expected_position=0)
        standby: Cluster = primary.standby()
        try:
            there = url.replace(f":{primary.port}/", f":{standby.port}/")
            with pytest.raises(StorageFailed, match="a standby that only reads: name the primary"):
                PostgresJournal(there, WRITER)
            with PostgresJournal(there, READER) as reader:
                assert list(reader.read(after=0)) == list(enumerate(batches(3), 1))
        finally:
            standby.stop()


# --- tables -------------------------------------------------------------------------------------


def test_a_journal_of_a_newer_release_is_refused_by_name(postgres_url: str) -> None:
    opened(postgres_url)
    sql(
        postgres_url,
        "UPDATE head SET version = version + 1",
        "ALTER TABLE batch ADD COLUMN news text",
    )
    with pytest.raises(NewerFormat, match=rf"version {VERSION + 1}; this release reads up to"):
        opened(postgres_url)


@pytest.mark.parametrize(
    ("statement", "error", "named"),
    [
        ("ALTER TABLE batch ADD COLUMN note text", CorruptJournal, r"batch\.note"),
        ("ALTER TABLE batch DROP COLUMN checksum", CorruptJournal, r"batch\.checksum"),
        ("ALTER TABLE batch ALTER COLUMN position TYPE numeric", CorruptJournal, "position"),
        ("DROP TABLE batch", CorruptJournal, "batch"),
        ("DROP TABLE head", UnreadableData, r"\?schema=ANOTHER"),
        ("DELETE FROM head", CorruptJournal, "head's row"),
        ("ALTER TABLE batch SET UNLOGGED", StorageFailed, "SET LOGGED"),
    ],
)
def test_tables_that_are_not_a_journals_are_reported(
    postgres_url: str, statement: str, error: type[KeelmarkError], named: str
) -> None:
    opened(postgres_url)
    sql(postgres_url, statement)
    with pytest.raises(error, match=named):
        opened(postgres_url)


def test_a_table_of_somebody_else_is_left_alone(postgres_url: str) -> None:
    schema = schema_of(postgres_url)
    sql(postgres_url, f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.batch (number int)")
    with pytest.raises(UnreadableData, match="no Keelmark journal"):
        opened(postgres_url)
    assert sql(postgres_url, "SELECT * FROM batch") == []


def test_two_schemas_hold_two_journals(postgres_server: str) -> None:
    first, second = postgres.new_schema(postgres_server), postgres.new_schema(postgres_server)
    with PostgresJournal(first, WRITER) as one, PostgresJournal(second, WRITER) as two:
        assert one.append((record(1),), expected_position=0) == 1
        assert two.position == 0


# --- damage -------------------------------------------------------------------------------------

CONTENT = [*batches(24), (record(1, 30_000),), *batches(5)]
SWAP = (
    "UPDATE batch SET position = -1 WHERE position = {0};"
    "UPDATE batch SET position = {0} WHERE position = {1};"
    "UPDATE batch SET position = {1} WHERE position = -1"
)
TAMPERED = {
    "first row removed": ("DELETE FROM batch WHERE position = 1", 1),
    "rows removed": ("DELETE FROM batch WHERE position BETWEEN 7 AND 9", 7),
    "last row removed": ("DELETE FROM batch WHERE position = 30", 30),
    "every row removed": ("DELETE FROM batch", 1),
    "rows swapped": (SWAP.format(7, 8), 7),
    "last rows swapped": (SWAP.format(29, 30), 30),
    "row moved": ("UPDATE batch SET position = 99 WHERE position = 7", 99),
    "row repeated at the end": (
        "INSERT INTO batch SELECT 31, checksum, link, payload, writer FROM batch LIMIT 1",
        31,
    ),
    "payload changed": ("UPDATE batch SET payload = payload || '\\x00' WHERE position = 4", 4),
    "byte of a large payload": (
        "UPDATE batch SET payload = set_byte(payload, 9999, 0) WHERE position = 25",
        25,
    ),
    "link changed": ("UPDATE batch SET link = '\\x00' WHERE position = 4", 4),
    "head moved back": ("UPDATE head SET position = 29", 30),
}


@pytest.mark.parametrize(("statements", "named"), TAMPERED.values(), ids=TAMPERED)
def test_rows_changed_behind_the_journal_are_reported(
    postgres_url: str, statements: str, named: int
) -> None:
    with PostgresJournal(postgres_url, WRITER) as journal:
        journal.append_many(CONTENT, expected_position=0)
    sql(postgres_url, *statements.split(";"))
    found: Batches = []
    with pytest.raises(CorruptJournal, match=f"batch {named} "):
        collect(postgres_url, found)
    assert found == CONTENT[: len(found)]
    assert len(found) < len(CONTENT)


def collect(url: str, found: Batches) -> None:
    with PostgresJournal(url, WRITER) as journal:
        for _, records in journal.read(after=0):
            found.append(records)


def test_pages_of_a_reader_are_bounded_and_join(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keelmark.engine.journal.postgres.PAGE_BYTES", 5_000)
    with PostgresJournal(postgres_url, WRITER) as journal:
        journal.append_many(CONTENT, expected_position=0)
        assert list(journal.read(after=3)) == list(enumerate(CONTENT, 1))[3:]
