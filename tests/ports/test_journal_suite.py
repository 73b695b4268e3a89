"""What every journal does. An adapter joins by adding itself to `ADAPTERS`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput, PositionConflict
from keelmark.engine.journal.access import Access
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import KIND_MAX, Journal, Record
from keelmark.engine.journal.postgres import PostgresJournal, PostgresSettings
from keelmark.engine.journal.sqlite import SqliteJournal
from tests.ports.journals import batches, record
from tests.postgres import new_schema

Opener = Callable[[Path], AbstractContextManager[Journal]]


def memory(_: pytest.FixtureRequest) -> Opener:
    return lambda _: nullcontext(MemoryJournal())


def sqlite(_: pytest.FixtureRequest) -> Opener:
    return lambda path: closing(SqliteJournal(path))


def postgres(request: pytest.FixtureRequest) -> Opener:
    server = request.getfixturevalue("postgres_server")
    shared = PostgresSettings(access=Access.SHARED)
    return lambda path: closing(PostgresJournal(new_schema(server, path), shared))


DURABLE = {"sqlite": sqlite, "postgres": postgres}
ADAPTERS = {"memory": memory, **DURABLE}


@pytest.fixture(params=ADAPTERS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with ADAPTERS[request.param](request)(tmp_path / "journal") as opened:
        yield opened


@pytest.fixture(scope="session", params=DURABLE)
def durable(request: pytest.FixtureRequest) -> Opener:
    return DURABLE[request.param](request)


def contents(journal: Journal, after: int = 0) -> list[tuple[int, tuple[Record, ...]]]:
    return list(journal.read(after=after))


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert contents(journal) == []


def test_batches_are_read_as_they_were_appended(journal: Journal) -> None:
    made = batches(12)
    for position, batch in enumerate(made):
        assert journal.append(batch, expected_position=position) == position + 1
    assert contents(journal) == list(enumerate(made, 1))


@pytest.mark.parametrize("after", range(8))
def test_reading_goes_on_after_any_position(journal: Journal, after: int) -> None:
    made = batches(7)
    journal.append_many(made, expected_position=0)
    assert contents(journal, after) == list(enumerate(made, 1))[after:]


def test_reading_after_a_position_that_was_never_reached_is_refused(journal: Journal) -> None:
    journal.append((record(1),), expected_position=0)
    with pytest.raises(PositionConflict, match=r"ends at position 1; read\(after=2\)"):
        journal.read(after=2)
    with pytest.raises(InvalidInput, match="after=-1"):
        journal.read(after=-1)


@pytest.mark.parametrize("expected", [-1, 0, 1, 3, 100])
def test_appending_at_another_position_is_a_conflict_and_changes_nothing(
    journal: Journal,
    expected: int,
) -> None:
    journal.append_many(batches(2), expected_position=0)
    with pytest.raises(PositionConflict, match=f"at position 2, not {expected}") as conflict:
        journal.append((record(9),), expected_position=expected)
    assert (conflict.value.expected, conflict.value.actual) == (expected, 2)
    assert contents(journal) == list(enumerate(batches(2), 1))
    assert journal.append((record(9),), expected_position=2) == 3


def test_a_group_is_committed_together_and_reads_as_single_batches(journal: Journal) -> None:
    assert journal.append_many(batches(1000), expected_position=0) == 1000
    assert contents(journal) == list(enumerate(batches(1000), 1))


def test_an_empty_group_changes_nothing_and_still_checks_the_position(journal: Journal) -> None:
    journal.append((), expected_position=0)
    assert journal.append_many((), expected_position=1) == 1
    with pytest.raises(PositionConflict):
        journal.append_many((), expected_position=0)


def test_an_empty_batch_and_an_empty_payload_are_kept(journal: Journal) -> None:
    journal.append_many([(), (Record(0, b""),), ()], expected_position=0)
    assert contents(journal) == [(1, ()), (2, (Record(0, b""),)), (3, ())]


def test_a_payload_of_tens_of_megabytes_is_kept(journal: Journal) -> None:
    bulk = Record(KIND_MAX, bytes(range(256)) * (40 * 2**20 // 256))
    journal.append_many([(record(1), bulk), (record(2),)], expected_position=0)
    assert contents(journal) == [(1, (record(1), bulk)), (2, (record(2),))]


UNTYPED: Any = Record  # a caller without types
MALFORMED = {
    "negative kind": Record(-1, b""),
    "kind over 16 bits": Record(KIND_MAX + 1, b""),
    "kind is a boolean": Record(kind=True, payload=b""),
    "kind is text": UNTYPED("1", b""),
    "payload is mutable": UNTYPED(1, bytearray(b"a")),
    "payload is text": UNTYPED(1, "a"),
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
def test_one_malformed_record_refuses_the_whole_group(journal: Journal, bad: Record) -> None:
    with pytest.raises(InvalidInput, match=r"batches\[1\]\[1\]\.(kind|payload) is"):
        journal.append_many([(record(1),), (record(2), bad)], expected_position=0)
    assert contents(journal) == []


def test_the_journal_keeps_its_own_copy_of_a_batch(journal: Journal) -> None:
    batch = [record(1)]
    journal.append(batch, expected_position=0)
    batch.append(record(2))
    assert contents(journal) == [(1, (record(1),))]


def test_a_reader_sees_the_journal_as_it_was_when_reading_began(journal: Journal) -> None:
    journal.append_many(batches(5), expected_position=0)
    reader = journal.read(after=0)
    first = next(reader)
    journal.append((record(9),), expected_position=5)
    assert [first, *reader] == list(enumerate(batches(5), 1))
    assert contents(journal, 5) == [(6, (record(9),))]


def test_two_readers_do_not_disturb_each_other(journal: Journal) -> None:
    journal.append_many(batches(6), expected_position=0)
    pairs = zip(journal.read(after=0), journal.read(after=0), strict=True)
    assert [left for left, right in pairs if left == right] == list(enumerate(batches(6), 1))


def test_a_reader_may_stop_early(journal: Journal) -> None:
    journal.append_many(batches(6), expected_position=0)
    reader = journal.read(after=0)
    next(reader)
    del reader
    journal.read(after=0)  # nor need it begin
    assert journal.append((), expected_position=6) == 7


@given(
    groups=st.lists(
        st.lists(
            st.lists(
                st.builds(Record, st.integers(0, KIND_MAX), st.binary(max_size=200)),
                max_size=4,
            ),
            max_size=4,
        ),
        max_size=5,
    ),
)
def test_every_adapter_means_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    durable: Opener,
    groups: list[list[list[Record]]],
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    found = []
    for opened in (nullcontext(MemoryJournal()), durable(folder / "journal")):
        with opened as journal:
            position = 0
            for group in groups:
                position = journal.append_many(group, expected_position=position)
            found.append((position, contents(journal)))
    flat = [tuple(batch) for group in groups for batch in group]
    assert found == [(len(flat), list(enumerate(flat, 1)))] * 2


def test_a_journal_that_is_opened_again_goes_on_where_it_was(
    tmp_path: Path, durable: Opener
) -> None:
    made = batches(9)
    for position, batch in enumerate(made):
        with durable(tmp_path / "journal") as journal:
            assert contents(journal) == list(enumerate(made[:position], 1))
            journal.append(batch, expected_position=position)
    with durable(tmp_path / "journal") as journal:
        assert contents(journal) == list(enumerate(made, 1))


def test_a_second_writer_learns_that_the_journal_has_moved_on(
    tmp_path: Path, durable: Opener
) -> None:
    with durable(tmp_path / "journal") as first, durable(tmp_path / "journal") as second:
        first.append((record(1),), expected_position=0)
        with pytest.raises(PositionConflict):
            second.append((record(2),), expected_position=0)
        assert contents(second) == [(1, (record(1),))]
        second.append((record(2),), expected_position=1)
        assert contents(first) == contents(second)


def test_writers_that_race_append_every_batch_once(tmp_path: Path, durable: Opener) -> None:
    def write(start: int) -> None:
        with durable(tmp_path / "journal") as mine:
            position = 0
            for number in range(start, start + 20):
                position = insist(mine, record(number), position)

    threads = [Thread(target=write, args=(start,)) for start in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with durable(tmp_path / "journal") as journal:
        found = sorted(records[0].payload for _, records in journal.read(after=0))
    expected = (record(s + i).payload for s in (100, 200, 300) for i in range(20))
    assert found == sorted(expected)


def test_processes_that_make_the_same_journal_at_once_share_it(
    tmp_path: Path,
    durable: Opener,
) -> None:
    found: list[list[object]] = []

    def open_it(path: Path, start: Barrier) -> None:
        start.wait()
        with durable(path) as mine:
            found.append(list(mine.read(after=0)))

    for trial in range(10):
        arguments = (tmp_path / str(trial), Barrier(4))
        threads = [Thread(target=open_it, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [[]] * 40


def insist(journal: Journal, wanted: Record, position: int) -> int:
    while True:
        try:
            return journal.append((wanted,), expected_position=position)
        except PositionConflict as conflict:
            position = conflict.actual
