"""After each command a replica shows what the engine holds: units, margins, notes, the fleet."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.engine.execution import ExternalVenue
from keelmark.engine.outbox import JournalBehind
from keelmark.service.columns import generation, publisher
from keelmark.service.columns.publisher import Publisher
from keelmark.service.columns.replica import Replica
from tests.engine.market_of_all import PROCESSES
from tests.engine.test_engine_machine import EngineMachine, build_and_crash, quick
from tests.engine.venue import Venue, merged, rulebook_text
from tests.service.columns.published import require_equal

STEEP = {"rule": "open_interest", "base": "0.1", "quantum": "1", "lower": "1000", "upper": "9000"}
SCALED = {"instruments": {"A": {"initial": STEEP}}}
"""Initial margin of A grows with open interest."""


class PublishedMachine(EngineMachine):
    """The engine's machine; after each command the replica is held against the engine."""

    publisher: Publisher | None = None

    def follow(self) -> None:
        super().follow()
        engine = self.venue.engine
        if self.publisher is None:
            run = Path(tempfile.mkdtemp())
            self.publisher = Publisher(engine, run)
            self.replica = Replica.open(run, self.venue.rulebook)
        self.publisher.publish()
        require_equal(self.replica, engine)

    def teardown(self) -> None:
        super().teardown()
        if self.publisher is not None:
            self.publisher.close()


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables grow and logs begin anew all the time."""
    monkeypatch.setattr(generation, "ROWS_MIN", 2)
    monkeypatch.setattr(publisher, "LOG_MIN", 200)
    monkeypatch.setattr(publisher, "LOG_GROWTH", 2)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("process", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_replica_follows_a_crash_command_by_command(process: int) -> None:
    build_and_crash(PublishedMachine(), process % len(PROCESSES))


@pytest.mark.nightly
@pytest.mark.usefixtures("small_files")
def test_a_replica_follows_any_commands() -> None:
    PublishedMachine.TestCase.settings = settings(quick, max_examples=500)
    PublishedMachine.TestCase("runTest").runTest()


@pytest.mark.usefixtures("small_files")
def test_a_replica_follows_orders_that_are_out(tmp_path: Path) -> None:
    venue = Venue(market=ExternalVenue(time_out_s=10))
    with Publisher(venue.engine, tmp_path) as published:
        replica = Replica.open(tmp_path, venue.rulebook)

        def same() -> None:
            published.publish()
            require_equal(replica, venue.engine)

        venue.marks(A=1000.0, B=1000.0)
        unit, winner = venue.open("unit", USDT=1_100), venue.open("winner", USDT=10**6)
        venue.trade(unit, winner, "A", 10, 1000)
        venue.marks(A=930.0)
        same()
        assert [row.order for row in replica.state.working.of(unit)] == [1]
        for command in (
            c.ReportExecution(order=1, execution="x1", lots=-1, ticks=930),
            c.AdvanceTime(time_ms=venue.state.time_ms + 11_000),
            c.CloseOrder(order=1, outcome="cancelled"),
            c.ReportExecution(order=1, execution="late", lots=-1, ticks=930),
            c.Override(unit=unit, action="takeover", operator="me", reason="test"),
        ):
            venue.do(command)
            same()
        assert 1 in replica.state.working.closed


def test_keys_and_groups_show_when_they_are_durable(tmp_path: Path) -> None:
    venue = Venue()
    unit = venue.open("one", USDT=5)
    with Publisher(venue.engine, tmp_path) as published:
        replica = Replica.open(tmp_path, venue.rulebook)
        with venue.engine.group():
            venue.engine.submit(c.Deposit(unit=unit, asset=0, quanta=1), key="k")
            with pytest.raises(JournalBehind, match="end of a group"):
                published.publish()
            assert replica.view(unit).balances == {0: 5}
        assert replica.view(unit).balances == {0: 5}
        published.publish()
        assert replica.view(unit).balances == {0: 6}
        require_equal(replica, venue.engine)


def test_open_interest_is_counted_where_margins_read_it(tmp_path: Path) -> None:
    venue = Venue()
    unit, other = venue.open("one", USDT=5_000), venue.open("two", USDT=5_000)
    venue.marks(A=100.0, B=50.0)
    venue.trade(unit, other, "A", 20, 100)
    with Publisher(venue.engine, tmp_path) as published:
        replica = Replica.open(tmp_path, venue.rulebook)
        with pytest.raises(InvalidInput, match="in another process"):
            replica.state.longs()
        text = merged(venue.spec, SCALED)
        venue.do(c.SetRulebook(text=rulebook_text(text)))
        for lots in (5, -30, 4):
            published.publish()
            require_equal(replica, venue.engine)
            assert replica.state.longs() == venue.state.longs()
            venue.trade(unit, other, "A", lots, 100)


def test_a_rulebook_change_travels(tmp_path: Path) -> None:
    venue = Venue()
    unit = venue.open("one", USDT=5_000)
    other = venue.open("two", USDT=5_000)
    venue.marks(A=100.0, B=50.0)
    venue.trade(unit, other, "A", 20, 100)
    with Publisher(venue.engine, tmp_path) as published:
        replica = Replica.open(tmp_path, venue.rulebook)
        before = replica.report(unit).maintenance_margin
        rows = [{"floor": "0", "rate": "0.06", "leverage": "10"}]
        text = rulebook_text(merged(venue.spec, {"tables": {"flat": {"rows": rows}}}))
        venue.do(c.SetRulebook(text=text))
        published.publish()
        require_equal(replica, venue.engine)
        assert replica.report(unit).maintenance_margin > before
        later = Replica.open(tmp_path, venue.rulebook)
        require_equal(later, venue.engine)
