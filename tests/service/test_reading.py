"""A reader of an engine answers what the engine holds, of one moment."""

import pytest

from keelmark.core.errors import UnknownUnit
from keelmark.engine import commands as c
from keelmark.service.reading import EngineReader, Reader
from tests.engine.venue import Venue


def traded() -> tuple[Venue, int, int]:
    venue = Venue()
    long = venue.open("long", USDT=1_000)
    short = venue.open("short", USDT=1_000)
    venue.marks(A=100.0, B=50.0)
    venue.trade(long, short, "A", 20, 100)
    return venue, long, short


def test_a_reading_is_of_one_moment() -> None:
    venue, long, short = traded()
    reader: Reader = EngineReader(venue.engine)
    reading = reader.read([short, long])
    reports = [venue.state.report(short), venue.state.report(long)]
    before = venue.engine.position
    venue.marks(A=101.0)
    assert reading.position == before == reader.position - 1
    assert reading.time_ms == reader.time_ms - 1000
    assert [reading.report(0), reading.report(1)] == reports
    assert [view.unit for view in reading.views] == [short, long]
    assert reader.report(long) == reader.read([long]).report() != reports[1]


def test_open_orders_count_in_a_reading() -> None:
    venue, long, _ = traded()
    reader = EngineReader(venue.engine)
    without = reader.report(long).initial_margin
    venue.do(c.ReserveOrder(unit=long, order=1, instrument=0, lots=5, ticks=100))
    assert reader.read([long]).report().initial_margin > without


def test_the_fleet_is_a_copy() -> None:
    venue, long, _ = traded()
    reader = EngineReader(venue.engine)
    fleet = reader.fleet()
    venue.deposit(long, 7)
    venue.marks(A=90.0)
    assert fleet.position == reader.position - 2
    row = fleet.tables.units[long]["balances_start"]
    assert fleet.tables.balances[row]["quanta"] == 1_000
    assert fleet.tables.prices[venue.factor("A")] == 100.0
    assert reader.prices[venue.factor("A")] == 90.0
    assert fleet.first_unit == len(venue.state.book.in_house)


def test_a_unit_that_was_never_opened_is_refused_by_name() -> None:
    venue, _, _ = traded()
    reader = EngineReader(venue.engine)
    for ask in (reader.view, reader.report, lambda unit: reader.read([unit])):
        with pytest.raises(UnknownUnit, match="unit 99 was never opened"):
            ask(99)
