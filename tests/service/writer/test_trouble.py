"""A disk, a lock, a database that says no: nothing acknowledged is lost, nothing is done twice."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from keelmark.core.errors import CorruptJournal, StorageFailed
from keelmark.engine.commands import OpenAccount
from keelmark.engine.journal.open import StoredJournal
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings
from keelmark.service.link import messages as m
from keelmark.service.link.commands import item
from keelmark.service.link.sync_link import LinkLost, SyncLink
from tests.service.writer.house import (
    START,
    Fault,
    House,
    RawPeer,
    ended,
    named,
    refused,
    rounds,
    statuses,
    written_and_refused,
)

PATIENCE_S = 20


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def until_done(link: SyncLink, items: list[m.Item]) -> list[list[str]]:
    """Send the same items until all are durable; return what each attempt was answered."""
    attempts: list[list[str]] = []
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        outcomes = link.submit(items)
        attempts.append(statuses(outcomes))
        if set(attempts[-1]) <= {"done", "repeated"}:
            return attempts
        time.sleep(max(outcome.retry_after_ms for outcome in outcomes) / 1000)
    pytest.fail(f"never done: {attempts[-3:]}")


@pytest.mark.parametrize(
    ("fault", "again"),
    [(refused, "done"), (written_and_refused, "repeated")],
    ids=["nothing written", "written and the word lost"],
)
def test_a_failed_write_is_answered_behind_and_the_same_keys_say_what_became_of_it(
    house: House, fault: Fault, again: str
) -> None:
    with house.open() as link:
        link.prices(None, marks=START)
        link.submit(named("alice"))
        house.faults.append(fault)
        first = link.submit(named("bob", "carol"))
        assert statuses(first) == ["behind"] * 2
        assert all(outcome.retry_after_ms > 0 and outcome.position == 0 for outcome in first)
        assert first[0].error is not None
        assert "same key" in first[0].error.message
        assert until_done(link, named("bob", "carol"))[-1] == [again] * 2
        assert link.status().counters["recoveries"] == 1
    assert sorted(house.engine().state.names) == ["alice", "bob", "carol"]
    assert len(house.told("behind")) == len(house.told("going_on")) == 1


def test_marks_that_could_not_be_written_are_answered_behind(house: House) -> None:
    with house.open() as link:
        house.faults.append(refused)
        assert link.prices(None, marks=START).status == "behind"
        until_done(link, named("alice"))
        assert link.prices(None, marks=START).status == "done"


def test_while_the_journal_is_gone_everybody_is_answered_and_status_says_so(house: House) -> None:
    writer = house.writer()
    house.faults.append(refused)
    house.no_opening += [StorageFailed("no database")] * 2
    with RawPeer(house) as peer:
        peer.send(m.Submit(id=1, items=tuple(named("a", "b"))))
        rounds(writer, 2)
        peer.send(m.Submit(id=2, items=tuple(named("c"))), m.Status(id=3))
        rounds(writer, 1)
        answers = {a.id: a for a in peer.receive(3) if isinstance(a, m.Done | m.Counters)}
        assert isinstance(answers[1], m.Done)
        assert isinstance(answers[2], m.Done)
        assert isinstance(answers[3], m.Counters)
        assert statuses(answers[1].results + answers[2].results) == ["behind"] * 3
        assert answers[3].is_behind
        end = time.monotonic() + PATIENCE_S
        while not house.told("going_on") and time.monotonic() < end:
            rounds(writer, 1)
        assert [report["attempt"] for report in house.told("still_behind")] == [1, 2]
        peer.send(m.Submit(id=4, items=tuple(named("a", "b"))))
        rounds(writer, 2)
        (done,) = peer.receive(1)
        assert isinstance(done, m.Done)
        assert statuses(done.results) == ["done", "done"]
        ended(writer)


def test_batches_that_became_durable_unseen_end_the_subscriptions(house: House) -> None:
    with house.open() as link, SyncLink(house.socket) as other:
        other.subscribe()
        house.faults.append(written_and_refused)
        link.submit(named("alice"))
        until_done(link, named("alice"))
        with pytest.raises(LinkLost, match="read them in the journal"):
            other.receive()


def test_a_full_disk_is_waited_out(house: House) -> None:
    """A quota of the file stands for the disk: an append beyond it fails in the same way."""
    quotas: list[int | None] = [40_000, None]

    def opened(target: str) -> StoredJournal:
        quota = quotas.pop(0) if len(quotas) > 1 else quotas[0]
        return SqliteJournal(Path(target), SqliteSettings(size_bytes_max=quota))

    house.opener = opened
    large = [item(OpenAccount(name="x" * 60_000), key="large")]
    with house.open() as link:
        link.submit(named("alice"))
        assert statuses(link.submit(large)) == ["behind"]
        assert "free some space" in house.told("behind")[0]["reason"]
        assert until_done(link, large)[-1] == ["done"]
    assert len(house.engine().state.names) == 2


def test_a_lock_of_another_process_is_waited_out(house: House) -> None:
    with house.open() as link:
        link.submit(named("alice"))
        path = house.data / "journal.db"
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert statuses(link.submit(named("bob"))) == ["behind"]
            other.execute("ROLLBACK")
        assert until_done(link, named("bob"))[-1] in (["done"], ["repeated"])
    assert sorted(house.engine().state.names) == ["alice", "bob"]


def gone(data: Path, away: Path) -> None:
    for file in data.glob("journal.db*"):
        shutil.move(file, away / file.name)


def back(data: Path, away: Path) -> None:
    for file in away.glob("journal.db*"):
        shutil.move(file, data / file.name)


def test_a_journal_that_is_moved_away_is_not_written_to_and_found_again(house: House) -> None:
    away = house.data / "away"
    away.mkdir()
    with house.open() as link:
        link.submit(named("alice"))
        gone(house.data, away)
        assert statuses(link.submit(named("bob"))) == ["behind"]
        time.sleep(0.2)
        assert statuses(link.submit(named("bob"))) == ["behind"]
        assert not (house.data / "journal.db").exists(), "no new journal is begun in its place"
        back(house.data, away)
        until_done(link, named("bob"))
    assert sorted(house.engine().state.names) == ["alice", "bob"]


def test_a_journal_replaced_by_an_older_one_stops_the_writer(house: House) -> None:
    """What was acknowledged is not in it: going on would lose it without a word."""
    older = house.data / "older"
    older.mkdir()
    with house.open() as link:
        link.submit(named("alice"))
    copied(house.data, older)
    writer = house.writer()
    with RawPeer(house) as peer:
        peer.send(m.Submit(id=1, items=tuple(named("bob"))))
        rounds(writer, 2)
        assert isinstance(peer.receive(1)[0], m.Done)
        for file in house.data.glob("journal.db*"):
            file.unlink()
        back(house.data, older)
        peer.send(m.Submit(id=2, items=tuple(named("carol"))))
        with pytest.raises(CorruptJournal, match="was acknowledged"):
            rounds(writer, 3)
        writer._hall.close()  # noqa: SLF001 the process would end here


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_writer_that_starts_without_its_journal_begins_no_new_one(
    house: House, *, is_killed: bool
) -> None:
    """What was acknowledged is somewhere else: a new journal in its place would hide that."""
    away = house.data / "away"
    away.mkdir()
    with house.open() as link:
        link.submit(named("alice"))
    if is_killed:
        (house.data / "stopped.json").unlink()
    gone(house.data, away)
    with pytest.raises(StorageFailed, match="is gone; put it back"):
        house.writer()
    assert not (house.data / "journal.db").exists()
    back(house.data, away)
    with house.open() as link:
        assert link.hello.position == 1


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_writer_that_starts_on_an_older_journal_says_so(house: House, *, is_killed: bool) -> None:
    older = house.data / "older"
    older.mkdir()
    with house.open() as link:
        link.submit(named("alice"))
    copied(house.data, older)
    with house.open() as link:
        link.submit(named("bob"))
    if is_killed:
        (house.data / "stopped.json").unlink()
    for file in house.data.glob("journal.db*"):
        file.unlink()
    back(house.data, older)
    with pytest.raises(CorruptJournal, match="ends at position 1, and 2 was acknowledged"):
        house.writer()


def test_snapshots_without_a_journal_are_not_begun_anew(house: House) -> None:
    (house.data / "snapshots").mkdir()
    (house.data / "snapshots" / f"{7:016}.snapshot").write_bytes(b"of a journal that is gone")
    with pytest.raises(StorageFailed, match="is gone; put it back"):
        house.writer()
    SqliteJournal(house.data / "journal.db").close()
    with pytest.raises(CorruptJournal, match="ends at position 0, and 7 was acknowledged"):
        house.writer()


def test_a_note_that_cannot_be_left_does_not_spoil_the_end(house: House) -> None:
    (house.data / ".stopped.json.new").mkdir()
    with house.open() as link:
        link.submit(named("alice"))
    assert "not_noted" in [report["event"] for report in house.reports]
    assert house.told("stopped")
    assert sorted(house.engine().state.names) == ["alice"]


def copied(data: Path, target: Path) -> None:
    for file in data.glob("journal.db*"):
        shutil.copy(file, target / file.name)


def test_many_failures_in_a_row_lose_and_repeat_nothing(house: House) -> None:
    """Every third write fails, now before and now after it was made."""
    with house.open() as link:
        for n in range(12):
            if n % 3 == 1:
                house.faults.append(refused if n % 2 else written_and_refused)
            until_done(link, named(f"x{n}", f"y{n}"))
    names = [f"{side}{n}" for n in range(12) for side in "xy"]
    engine = house.engine()
    assert sorted(engine.state.names) == sorted(names)
    assert engine.position == len(names)
