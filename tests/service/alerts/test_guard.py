import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keelmark.service.alerts.guard import Guard, GuardSettings
from keelmark.service.alerts.hearing import Heard
from keelmark.service.alerts.rules import read_rules
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.venue import Happening, venue_rules
from keelmark.service.reading import EngineReader
from tests.engine.venue import Venue
from tests.service.views.books import quiet

SECOND = 1000


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    (tmp_path / "run").mkdir()
    venue = Venue()
    quiet(venue)
    venue.marks(A=100, B=100)
    store = AlertStore(tmp_path / "alerts.db")
    made = Guard(
        settings=GuardSettings(data=str(tmp_path), rules={}),
        rules=read_rules(venue_rules({}), title="test"),
        reader=EngineReader(venue.engine),
        store=store,
        probe=(tmp_path / "api").exists,
    )
    (tmp_path / "api").touch()
    made.connected.set()
    yield made
    store.close()


def restarted(guard: Guard) -> Guard:
    """Return what a process that is started again begins with: the same store."""
    return Guard(
        settings=guard.settings,
        rules=guard.rules,
        reader=guard.reader,
        store=guard.store,
        probe=guard.probe,
    )


def levels(guard: Guard, seconds: float) -> list[tuple[str, str]]:
    return [(a.subject, a.level) for a in guard.step(int(SECOND * seconds))]


def test_a_service_that_is_well_tells_nothing(guard: Guard) -> None:
    assert levels(guard, 100) == []
    assert levels(guard, 200) == []


def test_a_writer_or_an_api_that_is_gone_is_told_and_kept(guard: Guard) -> None:
    levels(guard, 100)
    guard.connected.clear()
    (Path(guard.settings.data) / "api").unlink()
    assert levels(guard, 101) == []  # it is not time to look
    assert levels(guard, 106) == [("service writer", "failing"), ("service api", "failing")]
    kept = {alert.subject for _, alert in guard.store.history()}
    assert kept == {"service writer", "service api"}
    again = restarted(guard)
    assert levels(again, 300) == []  # a restart repeats nothing


def test_a_law_that_breaks_is_told_at_the_next_look_at_the_laws(guard: Guard) -> None:
    levels(guard, 100)
    reader = guard.reader
    assert isinstance(reader, EngineReader)
    reader.state.book.vault[0] += 1
    assert levels(guard, 110) == []
    assert levels(guard, 131) == [("service INV-01", "failing")]


def doubted(guard: Guard, *names: str) -> None:
    """Let the guard's venue believe no price of these, and that of every other."""
    assert isinstance(guard.reader, EngineReader)
    state = guard.reader.state
    rows = {row for row, factor in enumerate(state.universe.factors) if factor.name in names}
    state.untrusted = rows


def test_a_price_that_is_not_trusted_beside_others_is_told_as_well(guard: Guard) -> None:
    assert isinstance(guard.reader, EngineReader)
    state = guard.reader.state
    levels(guard, 100)
    doubted(guard, "A")
    assert levels(guard, 105) == []  # nobody reads it
    held = Venue()
    quiet(held)
    held.marks(A=100, B=100)
    unit = held.open("ana", USDT=10_000)
    for symbol in ("A", "B"):
        held.trade(unit, held.state.liquidity, symbol, 1, 100)
    guard.reader, state = EngineReader(held.engine), held.state
    doubted(guard, "A")
    assert levels(guard, 110) == [("service prices", "degraded")]
    assert levels(guard, 115) == []
    doubted(guard, "A", "B")
    assert levels(guard, 120) == [("service price B", "degraded")]
    again = restarted(guard)
    again.connected.set()
    assert levels(again, 125) == []
    doubted(again, "A")
    assert levels(again, 130) == [("service price B", "none")]
    state.untrusted = set()
    assert levels(again, 135) == [("service prices", "none")]


def test_a_follower_that_found_something_is_told(guard: Guard) -> None:
    status = {"position": 1, "findings": ["unit 3 differs"]}
    guard.settings.folder.follower.write_text(json.dumps(status))
    assert levels(guard, 100) == [("service snapshots", "failing")]


def test_what_was_heard_is_told(guard: Guard) -> None:
    happened = tuple(Happening("liquidation", (who,)) for who in ("alice", "bob"))
    guard.heard.put(Heard(7, happened))
    assert [alert.text for alert in guard.step(100 * SECOND)] == ["liquidation started: alice"]
    assert [alert.text for alert in guard.step(161 * SECOND)] == ["liquidation started: bob"]
