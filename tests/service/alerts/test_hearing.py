from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keelmark.core.errors import CorruptJournal, StorageFailed
from keelmark.engine import commands as c
from keelmark.engine.codec import record_of
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.service.alerts import hearing as module
from keelmark.service.alerts.guard import Guard, GuardSettings
from keelmark.service.alerts.hearing import Heard, Hearing, history_of
from keelmark.service.alerts.rules import read_rules
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.venue import Happening, happening_of, venue_rules
from keelmark.service.link import messages as m
from keelmark.service.reading import EngineReader
from tests.engine.venue import Venue
from tests.service.views.books import quiet

SECOND = 1000


@dataclass
class Told:
    """A venue whose journal is a file, the guard's hearing of it, and what it heard.

    Each batch but the first is a pause of another instrument, told as `paused`.
    """

    folder: Path
    venue: Venue = field(default_factory=Venue)
    heard: list[Heard] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    batches: list[m.Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        quiet(self.venue)
        self.venue.marks(A=100, B=100)
        self.journal = SqliteJournal(self.path)
        self.keep(self.venue.events)
        self.hearing = self.again(1)

    @property
    def path(self) -> Path:
        return self.folder / "journal.db"

    @property
    def reader(self) -> EngineReader:
        return EngineReader(self.venue.engine)

    def keep(self, events: list[object]) -> None:
        records = tuple(record_of(event) for event in events)
        position = self.journal.append(records, expected_position=len(self.batches))
        self.batches.append(m.Batch(position=position, time_ms=0, records=records))

    def pause(self, count: int) -> None:
        for _ in range(count):
            row = len(self.batches) % 2
            self.keep(self.venue.do(c.Pause(instrument=row, reason="test")))
            self.venue.do(c.Resume(instrument=row, reason="test"))

    def again(self, position: int) -> Hearing:
        return Hearing(
            reader=self.reader,
            history=history_of(self.path),
            hear=self.heard.append,
            position=position,
            complained=self.problems.append,
        )

    @property
    def happened(self) -> list[int]:
        return [one.position for one in self.heard for _ in one.happenings]


@dataclass
class FakeLink:
    """The link to a writer: where its stream begins, and what comes on it."""

    start: int
    coming: Callable[[], list[m.Batch]] = list

    def subscribe(self, after: int = 0) -> int:
        assert after >= 0
        return self.start

    def batches(self) -> Iterator[m.Batch]:
        yield from self.coming()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    yield made
    made.journal.close()


def bare(batch: m.Batch) -> m.Batch:
    return m.Batch(position=batch.position, time_ms=0, records=None)


def test_what_the_link_does_not_bring_is_read_from_the_journal(told: Told) -> None:
    told.pause(2)

    def coming() -> list[m.Batch]:
        told.pause(4)
        return [told.batches[4], bare(told.batches[6])]  # 4 and 6 are missing, 7 is too large

    told.hearing.follow(FakeLink(3, coming))
    assert told.happened == [2, 3, 4, 5, 6, 7]
    told.hearing.follow(FakeLink(5, lambda: told.batches[5:]))  # what was heard is said again
    assert told.happened == [2, 3, 4, 5, 6, 7]
    assert told.problems == []


@contextmanager
def unreadable(problem: Exception) -> Iterator[module.Batches]:
    yield from ()
    raise problem


def test_a_journal_that_is_away_is_waited_for_and_said_once(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    told.pause(2)
    away = StorageFailed("away")
    tries = iter(range(3))

    def history(after: int) -> AbstractContextManager[module.Batches]:
        is_away = next(tries, None) is not None
        return unreadable(away) if is_away else history_of(told.path)(after)

    told.hearing.history = history
    told.hearing.follow(FakeLink(3))
    assert told.happened == [2, 3]
    assert told.problems == ["what happened up to 3 is told later: away"]


def test_a_damaged_journal_is_said_and_what_follows_is_heard(told: Told) -> None:
    told.pause(4)
    problem = CorruptJournal("batch 2 is damaged")
    told.hearing.history = lambda _: unreadable(problem)
    told.hearing.follow(FakeLink(3, lambda: told.batches[3:]))
    assert told.happened == [4, 5]
    assert told.problems == ["what happened up to 3 cannot be told: batch 2 is damaged"]


def test_a_batch_that_cannot_be_told_is_said_and_the_next_is_heard(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.pause(2)
    calls: list[int] = []

    def failing(event: dict[str, object], _: object) -> Happening | None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError
        return happening_of(event, [])

    monkeypatch.setattr(module, "happening_of", failing)
    told.hearing.follow(FakeLink(3))
    assert told.happened == [3]
    assert told.problems == ["batch 2 cannot be told: KeyError; report it"]


def test_an_older_journal_is_gone_on_with(told: Told) -> None:
    told.pause(2)
    told.hearing = told.again(50)

    def coming() -> list[m.Batch]:
        told.pause(1)
        return told.batches[-1:]

    told.hearing.follow(FakeLink(3, coming))
    assert told.happened == [4]


def a_guard(told: Told, store: AlertStore) -> Guard:
    return Guard(
        settings=GuardSettings(data=str(told.folder), rules={}),
        rules=read_rules(venue_rules({}), title="test"),
        reader=told.reader,
        store=store,
    )


def test_a_restart_misses_nothing_and_tells_nothing_twice(told: Told, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store = AlertStore(tmp_path / "alerts.db")
    guard = a_guard(told, store)
    now = 100 * SECOND
    guard.step(now)  # where it begins is kept
    told.pause(3)

    def started() -> Guard:
        guard = a_guard(told, store)
        hearing = told.again(guard.place)
        hearing.hear = guard.heard.put
        hearing.follow(FakeLink(len(told.batches)))
        return guard

    def lived(seconds: int) -> list[str]:
        guard = started()
        return [a.text for a in guard.step(now + seconds * SECOND) if a.subject == "venue"]

    started()  # killed before it could tell anything
    assert lived(0) == ["paused: B"]
    assert lived(1) == []  # two that came within the minute are gathered
    told.pause(1)
    assert lived(2) == []
    assert lived(61) == ["paused 3 times: A, B"]
    assert lived(130) == []
    store.close()
