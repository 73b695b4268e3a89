"""A database that goes away or says no: each is told by name, and nothing is half done."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from time import sleep

import psycopg
import pytest

from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    JournalLocked,
    OutcomeUnknown,
    PositionConflict,
    StorageFailed,
)
from keelmark.engine.journal.postgres import PostgresJournal
from tests.ports.journals import batches, record
from tests.ports.postgres_tools import (
    IMPATIENT,
    READER,
    SHARED,
    WRITER,
    end_sessions,
    plain,
    schema_of,
    sql,
    stored,
    wire_to,
)

MEGABYTE = 2**20


# --- who writes ---------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as first:
        with pytest.raises(JournalLocked, match=rf"written by keelmark {os.getpid()} on .*127\.0"):
            PostgresJournal(postgres_url, WRITER)
        assert first.append((record(1),), expected_position=0) == 1
    with PostgresJournal(postgres_url, WRITER) as second:
        assert second.append((record(2),), expected_position=1) == 2


def test_readers_follow_a_writer_and_cannot_write(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as writer:
        with PostgresJournal(postgres_url, READER) as reader:
            writer.append((record(1),), expected_position=0)
            assert reader.position == 1
            assert list(reader.read(after=0)) == [(1, (record(1),))]
            with pytest.raises(InvalidInput, match=r"opened to read; open it with Access\.WRITER"):
                reader.append((record(2),), expected_position=1)
        assert writer.append((record(2),), expected_position=1) == 2


def test_whoever_appends_beside_a_writer_is_noticed(postgres_url: str) -> None:
    with (
        PostgresJournal(postgres_url, WRITER) as writer,
        PostgresJournal(postgres_url, SHARED) as other,
    ):
        other.append((record(1),), expected_position=0)
        with pytest.raises(PositionConflict, match="at position 1, not 0"):
            writer.append((record(2),), expected_position=0)
        assert writer.append((record(2),), expected_position=1) == 2


# --- a database that goes away ------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["request", "answer"])
@pytest.mark.parametrize("size", [12, 2 * MEGABYTE])
def test_a_connection_lost_in_an_append_stores_it_once(
    postgres_url: str, lost: str, size: int
) -> None:
    group = [(record(1), record(2, size)), (record(3),)]
    with wire_to(postgres_url) as (wire, url), PostgresJournal(url, WRITER) as journal:
        journal.append((), expected_position=0)
        wire.lose(lost)
        assert journal.append_many(group, expected_position=1) == 3
        assert wire.loses == ""
        assert journal.append((), expected_position=3) == 4
    assert stored(postgres_url) == [(1, ()), (2, group[0]), (3, group[1]), (4, ())]


@pytest.mark.parametrize(("lost", "found"), [("request", 1), ("answer", 2)])
def test_an_outcome_that_cannot_be_learnt_is_called_unknown_until_it_is_opened_again(
    postgres_url: str, lost: str, found: int
) -> None:
    with wire_to(postgres_url) as (wire, url), PostgresJournal(url, IMPATIENT) as journal:
        journal.append((record(1),), expected_position=0)
        wire.lose(lost)
        with pytest.raises(OutcomeUnknown, match="after position 1 are durable is not known"):
            journal.append((record(2),), expected_position=1)
        with pytest.raises(OutcomeUnknown, match="open it again"):
            journal.append((record(2),), expected_position=1)
    with PostgresJournal(postgres_url, WRITER) as again:
        assert again.position == found
        assert again.append((record(3),), expected_position=found) == found + 1


def test_the_same_batch_of_another_writer_is_not_taken_for_a_lost_one(postgres_url: str) -> None:
    same = (record(1),)
    with (
        wire_to(postgres_url) as (wire, url),
        PostgresJournal(url, SHARED) as journal,
        PostgresJournal(postgres_url, SHARED) as other,
    ):
        wire.lose("request")
        other.append(same, expected_position=0)
        with pytest.raises(PositionConflict):
            journal.append(same, expected_position=0)
        assert journal.append((record(2),), expected_position=1) == 2
    assert stored(postgres_url) == [(1, same), (2, (record(2),))]


def test_sessions_that_are_ended_are_begun_again(postgres_url: str) -> None:
    with (
        PostgresJournal(postgres_url, WRITER) as journal,
        PostgresJournal(postgres_url, READER) as reader,
    ):
        journal.append((record(1),), expected_position=0)
        pages = reader.read(after=0)
        end_sessions(postgres_url)
        assert list(pages) == [(1, (record(1),))]
        assert journal.append((record(2),), expected_position=1) == 2
        with pytest.raises(JournalLocked):  # the lock was taken again
            PostgresJournal(postgres_url, WRITER)


def test_a_writer_whose_place_was_taken_is_told_by_whom(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as first:
        first.append((record(1),), expected_position=0)
        end_sessions(postgres_url)
        with PostgresJournal(postgres_url, WRITER) as second:
            with pytest.raises(StorageFailed, match="being written by keelmark"):
                first.append((record(2),), expected_position=1)
            assert second.append((record(3),), expected_position=1) == 2
    assert stored(postgres_url) == [(1, (record(1),)), (2, (record(3),))]


def test_a_database_that_comes_back_older_is_noticed(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as journal:
        journal.append_many(batches(3), expected_position=0)
        sql(
            postgres_url,
            "DELETE FROM batch WHERE position = 3",
            "UPDATE head SET (position, link) = (SELECT position, link FROM batch "
            "WHERE position = 2)",
        )
        end_sessions(postgres_url)
        with pytest.raises(StorageFailed, match="came back at position 2 without all of the 3"):
            journal.append((record(1),), expected_position=3)
        with pytest.raises(CorruptJournal, match="restore the newest copy"):
            list(journal.read(after=0))


# --- a database that says no --------------------------------------------------------------------


def test_a_full_disk_applies_nothing_and_the_journal_goes_on(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as journal:
        sql(
            postgres_url,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF octet_length(NEW.payload) > 1000 THEN RAISE EXCEPTION 'could not extend file' "
            "USING ERRCODE = '53100'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON batch "
            "FOR EACH ROW EXECUTE FUNCTION full_disk()",
        )
        for size in (2_000, 2 * MEGABYTE):
            with pytest.raises(StorageFailed, match="nothing of it was applied; free some space"):
                journal.append_many([(record(1),), (record(2, size),)], expected_position=0)
        assert journal.position == 0
        assert journal.append((record(1),), expected_position=0) == 1


def test_a_statement_that_is_cancelled_applies_nothing(postgres_url: str) -> None:
    patient = PostgresJournal(postgres_url)
    with patient as journal, psycopg.connect(plain(postgres_url)) as other:
        hold_head(other, postgres_url)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(journal.append, (record(1),), expected_position=0)
            while not sql(
                postgres_url,
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND application_name LIKE 'keelmark%'",
            ):
                sleep(0.01)
            with pytest.raises(StorageFailed, match="look who cancels"):
                waiting.result()
        other.rollback()
        assert journal.append((record(2),), expected_position=0) == 1


def test_a_session_that_sits_on_the_journals_end_is_told(postgres_url: str) -> None:
    with (
        PostgresJournal(postgres_url, WRITER) as journal,
        psycopg.connect(plain(postgres_url)) as other,
    ):
        hold_head(other, postgres_url)
        with pytest.raises(JournalLocked, match="another session holds the journal's end"):
            journal.append((record(1),), expected_position=0)
        other.rollback()
        assert journal.append((record(1),), expected_position=0) == 1


def hold_head(connection: psycopg.Connection[tuple[object, ...]], url: str) -> None:
    connection.execute(f"LOCK TABLE {schema_of(url)}.head IN EXCLUSIVE MODE".encode())


def test_limits_for_interactive_sessions_do_not_end_an_append(postgres_url: str) -> None:
    limits = ("statement_timeout", "lock_timeout", "idle_session_timeout")
    options = "%20".join(f"-c%20{name}%3D200" for name in limits)
    with (
        PostgresJournal(f"{postgres_url}&options={options}") as journal,
        psycopg.connect(plain(postgres_url)) as other,
    ):
        hold_head(other, postgres_url)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(journal.append, (record(1),), expected_position=0)
            sleep(0.4)
            other.rollback()
            assert waiting.result() == 1


def test_a_database_that_only_reads_is_told_at_the_append(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as journal:
        journal.append((), expected_position=0)
    url = f"{postgres_url}&options=-c%20default_transaction_read_only%3Don"
    with PostgresJournal(url, WRITER) as journal:
        with pytest.raises(StorageFailed, match="the server only reads: name the primary"):
            journal.append((record(1),), expected_position=1)
        assert journal.position == 1


def test_commits_wait_for_the_device_whatever_the_role_prefers(postgres_url: str) -> None:
    url = f"{postgres_url}&options=-c%20synchronous_commit%3Doff"
    with PostgresJournal(url, WRITER) as journal:
        sql(  # a trigger sees the setting of the session that appends
            postgres_url,
            "CREATE TABLE seen (value text)",
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$",
            "ALTER FUNCTION note() SET search_path FROM CURRENT",
            "CREATE TRIGGER note BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION note()",
        )
        journal.append((record(1),), expected_position=0)
    assert sql(postgres_url, "SELECT value FROM seen") == [("on",)]


def test_a_closed_journal_says_so(postgres_url: str) -> None:
    journal = PostgresJournal(postgres_url, WRITER)
    journal.close()
    journal.close()
    with pytest.raises(StorageFailed, match="closed"):
        journal.append((record(1),), expected_position=0)
    with pytest.raises(StorageFailed, match="closed"):
        journal.read(after=0)


def test_appends_of_several_threads_through_one_journal_do_not_mix(postgres_url: str) -> None:
    with PostgresJournal(postgres_url, WRITER) as journal:

        def insist(number: int) -> None:
            position = 0
            while True:
                try:
                    journal.append((record(number),), expected_position=position)
                except PositionConflict as conflict:
                    position = conflict.actual
                else:
                    return

        threads = [Thread(target=insist, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [records for _, records in journal.read(after=0)]
    assert sorted(found, key=lambda batch: batch[0].kind) == [(record(i),) for i in range(12)]
