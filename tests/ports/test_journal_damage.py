"""Damage to a journal in SQLite is reported; nothing wrong is ever read, nothing is skipped."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import CorruptJournal, NewerFormat, UnreadableData
from keelmark.engine.journal.chain import EMPTY, Row, encode_batch, rows_after
from keelmark.engine.journal.port import Record
from keelmark.engine.journal.schema import VERSION
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from tests.ports.journals import (
    Batches,
    batches,
    beside,
    copied,
    crash_image,
    outcome,
    record,
    written,
)

CONTENT = [*batches(24), (record(1, 30_000),), *batches(5)]  # one batch spans several pages
REFUSED = (CorruptJournal, UnreadableData, NewerFormat)


def flip(path: Path, offset: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in sql.split(";"):
            connection.execute(statement)


def assert_honest(path: Path, content: Batches, what: str) -> bool:
    """All of it is read, or its end is an error and what came before is true; whether an error."""
    seen = outcome(path)
    if seen.error is None:
        assert seen.found == content, what
        return False
    assert isinstance(seen.error, REFUSED), f"{what}: {seen.error!r}"
    assert seen.found == content[: len(seen.found)], what
    return True


def test_a_flipped_bit_anywhere_in_the_file_is_harmless_or_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    rng = np.random.default_rng(1)
    size = path.stat().st_size
    dense = range(200)  # every byte of the header and of the first cells
    reported = 0
    for offset in [*dense, *rng.integers(0, size, 300).tolist()]:
        damaged = copied(path, tmp_path / "damaged.sqlite")
        mask = 1 << int(rng.integers(8))
        flip(damaged, offset, mask)
        reported += assert_honest(damaged, CONTENT, f"byte {offset}, mask {mask}")
    assert reported > 100


def test_a_flipped_bit_in_a_payload_names_its_batch(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    offset = path.read_bytes().index(b"000120")  # first record of batch 12
    flip(path, offset, 1)
    seen = outcome(path)
    assert seen.found == CONTENT[:11]
    assert "batch 12 does not match its checksum" in str(seen.error)
    assert "batches 1 to 11" in str(seen.error)


def test_a_file_cut_anywhere_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    size = path.stat().st_size
    cuts = np.random.default_rng(2).integers(0, size, 150).tolist()
    for length in [0, 1, 99, 100, 4096, 8192, size - 1, *cuts]:
        damaged = copied(path, tmp_path / "damaged.sqlite")
        cut(damaged, length)
        assert assert_honest(damaged, CONTENT, f"cut to {length}"), f"cut to {length}"


@pytest.mark.parametrize("companion", ["", "-wal", "-acked"])
def test_a_flipped_bit_in_what_a_killed_process_leaves_is_harmless_or_reported(
    tmp_path: Path,
    companion: str,
) -> None:
    with crash_image(tmp_path / "journal.sqlite", CONTENT) as image:
        rng = np.random.default_rng(3)
        size = beside(image, companion).stat().st_size
        reported = 0
        for offset in rng.integers(0, size, 120).tolist():
            damaged = copied(image, tmp_path / "damaged.sqlite")
            flip(beside(damaged, companion), offset, 1 << int(rng.integers(8)))
            reported += assert_honest(damaged, CONTENT, f"byte {offset} of {companion!r}")
        assert companion == "" or reported > 60


def test_a_log_cut_anywhere_is_reported(tmp_path: Path) -> None:
    with crash_image(tmp_path / "journal.sqlite", CONTENT) as image:
        size = beside(image, "-wal").stat().st_size
        cuts = np.random.default_rng(4).integers(0, size, 150).tolist()
        for length in [0, 31, 32, size - 1, *cuts]:
            damaged = copied(image, tmp_path / "damaged.sqlite")
            cut(beside(damaged, "-wal"), length)
            assert assert_honest(damaged, CONTENT, f"cut to {length}"), f"cut to {length}"


def test_without_the_mark_a_cut_log_still_gives_whole_batches_in_order(tmp_path: Path) -> None:
    with crash_image(tmp_path / "journal.sqlite", CONTENT) as image:
        beside(image, "-acked").unlink()
        size = beside(image, "-wal").stat().st_size
        for length in np.random.default_rng(5).integers(0, size, 60).tolist():
            damaged = copied(image, tmp_path / "damaged.sqlite")
            cut(beside(damaged, "-wal"), length)
            seen = outcome(damaged)
            assert seen.error is None
            assert seen.found == CONTENT[: len(seen.found)]


SWAP = (
    "UPDATE batch SET position = -1 WHERE position = {0};"
    "UPDATE batch SET position = {0} WHERE position = {1};"
    "UPDATE batch SET position = {1} WHERE position = -1"
)
SWAP_CONTENTS = (
    "CREATE TEMP TABLE kept AS SELECT checksum, payload FROM batch WHERE position = 6;"
    "UPDATE batch SET (checksum, payload) = "
    "(SELECT checksum, payload FROM batch WHERE position = 8) WHERE position = 6;"
    "UPDATE batch SET (checksum, payload) = (SELECT * FROM kept) WHERE position = 8"
)
TAMPERED = {
    "first row removed": ("DELETE FROM batch WHERE position = 1", 1),
    "row removed": ("DELETE FROM batch WHERE position = 7", 7),
    "rows removed": ("DELETE FROM batch WHERE position BETWEEN 7 AND 9", 7),
    "last row removed": ("DELETE FROM batch WHERE position = 30", 0),
    "every row removed": ("DELETE FROM batch", 0),
    "rows swapped": (SWAP.format(7, 8), 7),
    "distant rows swapped": (SWAP.format(3, 21), 3),
    "last rows swapped": (SWAP.format(29, 30), 30),
    "row moved": ("UPDATE batch SET position = 99 WHERE position = 7", 99),
    "row before the first": (
        "INSERT INTO batch SELECT 0, checksum, link, payload FROM batch WHERE position = 5;",
        -1,
    ),
    "row repeated at the end": (
        "INSERT INTO batch SELECT 31, checksum, link, payload FROM batch WHERE position = 30",
        31,
    ),
    "payloads swapped with their checksums": (
        SWAP_CONTENTS,
        6,
    ),
    "payload of another type": ("UPDATE batch SET payload = 5 WHERE position = 4", 4),
    "link changed": ("UPDATE batch SET link = zeroblob(16) WHERE position = 4", 4),
    "head removed": ("DELETE FROM head", 0),
    "head moved back": ("UPDATE head SET position = 29", 30),
    "head of another type": ("UPDATE head SET position = 'x'", 0),
}


@pytest.mark.parametrize(("sql", "named"), TAMPERED.values(), ids=TAMPERED)
def test_rows_changed_behind_the_journal_are_reported(
    tmp_path: Path,
    sql: str,
    named: int,
) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    execute(path, sql.strip(";"))
    if named < 0:  # never read, so never wrong
        assert outcome(path).found == CONTENT
        return
    seen = outcome(path)
    assert isinstance(seen.error, CorruptJournal)
    assert seen.found == CONTENT[: len(seen.found)]
    assert not named or f"batch {named} " in str(seen.error)


def test_an_end_removed_with_its_traces_is_still_told_by_the_mark(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    trim = (
        "DELETE FROM batch WHERE position > 20;"
        "UPDATE head SET (position, link) = "
        "(SELECT position, link FROM batch WHERE position = 20)"
    )
    execute(path, trim)
    seen = outcome(path)
    assert "30 batches were acknowledged and the file ends after batch 20" in str(seen.error)
    beside(path, "-acked").unlink()  # what the message says, to go on knowingly
    assert outcome(path).found == CONTENT[:20]


def test_another_journal_of_equal_length_is_told_by_the_mark(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    other = written(tmp_path / "other.sqlite", [(record(i),) for i in range(len(CONTENT))])
    path.write_bytes(other.read_bytes())
    assert "batch 30 is not the one that was acknowledged" in str(outcome(path).error)


def test_a_tail_is_read_only_if_it_follows_from_what_the_reader_has(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    execute(path, "UPDATE batch SET link = zeroblob(16) WHERE position = 10")
    with SqliteJournal(path) as journal:
        with pytest.raises(CorruptJournal, match="batch 11 does not follow"):
            list(journal.read(after=10))
        assert [position for position, _ in journal.read(after=11)] == list(range(12, 31))
    execute(path, "DELETE FROM batch WHERE position = 15")
    with SqliteJournal(path) as journal, pytest.raises(CorruptJournal, match="batch 15 is missing"):
        journal.read(after=15)


def test_a_batch_that_is_intact_but_not_records_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", [])
    (row,) = rows_after(EMPTY, [b"\x93\x01\x02\x03"])
    append_row(path, row)
    assert "batch 1 is intact but not a list of records" in str(outcome(path).error)


@pytest.mark.parametrize("depth", [3, 100_000])
def test_a_deeply_nested_batch_is_reported(tmp_path: Path, depth: int) -> None:
    path = written(tmp_path / "journal.sqlite", [])
    (row,) = rows_after(EMPTY, [b"\x91" * depth + b"\x00"])
    append_row(path, row)
    assert isinstance(outcome(path).error, CorruptJournal)


def append_row(path: Path, row: Row) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = (row.position, row.checksum, row.link, row.payload)
        connection.execute("INSERT INTO batch VALUES (?, ?, ?, ?)", columns)
        connection.execute("UPDATE head SET position = ?, link = ?", (row.position, row.link))


def text_file(path: Path) -> None:
    path.write_text("position,payload\n1,abc\n" * 100, "utf-8")


def other_database(path: Path) -> None:
    execute(path, "CREATE TABLE batch (position INTEGER PRIMARY KEY, payload BLOB)")


@pytest.mark.parametrize("make", [text_file, other_database])
def test_a_file_that_is_not_a_journal_is_refused_and_left_alone(
    tmp_path: Path,
    make: Callable[[Path], None],
) -> None:
    path = tmp_path / "other"
    make(path)
    before = path.read_bytes()
    with pytest.raises(UnreadableData, match="Keelmark journal"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_a_folder_or_a_missing_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "journal.sqlite"):
        assert outcome(path).error is not None


def test_a_journal_of_a_newer_release_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    execute(path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(NewerFormat, match=rf"version {VERSION + 1}; this release reads up to"):
        SqliteJournal(path)


def test_a_journal_with_another_table_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    execute(path, "CREATE TABLE notes (text TEXT)")
    with pytest.raises(CorruptJournal, match="notes"):
        SqliteJournal(path)


def test_a_journal_that_must_exist_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "typo.sqlite"
    with pytest.raises(UnreadableData, match="no such journal"):
        SqliteJournal(path, SqliteSettings(create=False))
    assert not path.exists()


def test_a_lost_file_beside_its_mark_is_not_a_new_journal(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite", CONTENT)
    path.unlink()
    assert "30 batches were acknowledged" in str(outcome(path).error)


def test_the_stored_form_of_a_batch_is_fixed() -> None:
    batch = (Record(1, b"a"), Record(300, b""))
    assert encode_batch(batch).hex() == "929201c4016192cd012cc400"
    first, second = rows_after(EMPTY, [encode_batch(batch), encode_batch(())])
    assert first.checksum.hex() == "03550269dda612c9"
    assert first.link.hex() == "37115669f3b5032ac401ae04dec7894b"
    assert second.checksum.hex() == "f9be920e63136958"
    assert second.link.hex() == "3755cfce775e7604dd067b3d3fae3b65"
    assert (first.position, second.position) == (1, 2)
