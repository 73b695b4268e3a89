"""A disk or a lock that says no leaves the journal as it was, and says so."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from keelmark.core.errors import InvalidInput, JournalLocked, StorageFailed
from keelmark.engine.journal import chain
from keelmark.engine.journal.database import connect
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from tests.ports.journals import QUICK, batches, beside, outcome, record

MEGABYTE = 2**20


def test_a_full_disk_applies_nothing_and_the_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    made = batches(3)
    with SqliteJournal(path, SqliteSettings(size_bytes_max=MEGABYTE // 2)) as journal:
        journal.append_many(made, expected_position=0)
        group = [(record(8),), (record(9, MEGABYTE),)]
        with pytest.raises(StorageFailed, match="nothing of it was applied; free some space"):
            journal.append_many(group, expected_position=3)
        assert journal.position == 3
        assert journal.append(made[0], expected_position=3) == 4
    assert outcome(path).found == [*made, made[0]]


def test_a_failing_write_stops_the_journal_until_it_is_opened_again(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    path = tmp_path / "journal.sqlite"
    made = batches(3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with SqliteJournal(path) as journal:
        journal.append_many(made, expected_position=0)
        largest = beside(path, "-wal").stat().st_size + 100_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
        try:
            with pytest.raises(StorageFailed, match="check the disk"):
                journal.append((record(1, MEGABYTE),), expected_position=3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        with pytest.raises(StorageFailed, match="an earlier write failed"):
            journal.append((record(1),), expected_position=3)
    with SqliteJournal(path) as journal:
        assert list(journal.read(after=0)) == list(enumerate(made, 1))
        assert journal.append((record(1),), expected_position=3) == 4


def test_another_process_that_writes_is_named_and_nothing_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with SqliteJournal(path, QUICK) as journal, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match="another process is writing"):
            journal.append((record(1),), expected_position=0)
        assert list(journal.read(after=0)) == []
        other.execute("ROLLBACK")
        assert journal.append((record(1),), expected_position=0) == 1


def test_a_journal_held_by_another_process_alone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match="cannot open"):
            SqliteJournal(path, QUICK)


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    journal.close()
    with pytest.raises(StorageFailed, match="closed"):
        journal.append((record(1),), expected_position=0)


def test_a_batch_over_the_limit_is_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chain, "BATCH_BYTES_MAX", 1000)
    with SqliteJournal(tmp_path / "journal.sqlite") as journal:
        with pytest.raises(InvalidInput, match="split the command"):
            journal.append((Record(1, bytes(1000)),), expected_position=0)
        assert journal.append((Record(1, bytes(900)),), expected_position=0) == 1


def test_every_commit_waits_for_the_device(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with SqliteJournal(path), closing(connect(path, QUICK)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == (b"wal", 2)


def test_a_journal_that_may_only_be_read_is_told_at_the_append(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with SqliteJournal(path) as journal:
        journal.append((record(1),), expected_position=0)
        journal._connection.execute("PRAGMA query_only = ON")  # noqa: SLF001 as a read-only disk
        with pytest.raises(StorageFailed, match="check the disk and its permissions"):
            journal.append((record(2),), expected_position=1)
        assert len(list(journal.read(after=0))) == 1


def test_a_reader_makes_no_journal_in_the_place_of_one_that_is_gone(tmp_path: Path) -> None:
    path, away = tmp_path / "journal.sqlite", tmp_path / "away"
    away.mkdir()
    made = batches(2)
    with SqliteJournal(path) as journal:
        journal.append_many(made, expected_position=0)
        with SqliteJournal(path, SqliteSettings(create=False)) as reader:
            _moved(tmp_path, away)
            with pytest.raises(StorageFailed, match="put it back"):
                list(reader.read(after=0))
            with pytest.raises(StorageFailed, match="put it back"):
                assert reader.position
            begun = journal.read(after=0)
            with pytest.raises(StorageFailed):
                next(begun)
            assert not list(tmp_path.glob("journal.*"))
            _moved(away, tmp_path)
            assert [batch for _, batch in reader.read(after=0)] == made


def test_a_reader_follows_the_file_that_has_the_name(tmp_path: Path) -> None:
    """A copy that was put in the place of a lost file is read, not the lost one."""
    path, other = tmp_path / "journal.sqlite", tmp_path / "other.sqlite"
    made = batches(3)
    for target, count in ((path, 1), (other, 3)):
        with SqliteJournal(target) as journal:
            journal.append_many(made[:count], expected_position=0)
    with SqliteJournal(path, SqliteSettings(create=False)) as reader:
        assert reader.position == 1
        for suffix in ("", "-acked"):
            beside(other, suffix).replace(beside(path, suffix))
        assert reader.position == 3
        assert [batch for _, batch in reader.read(after=0)] == made


def _moved(source: Path, target: Path) -> None:
    for file in source.glob("journal.*"):
        file.rename(target / file.name)
