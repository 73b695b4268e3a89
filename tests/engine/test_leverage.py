"""The leverage of a position: set with fills, orders and by command, and held to its tier."""

import pytest

from keelmark.core.errors import Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.venue import Venue

R = RejectionReason
TWO_TIERS = {
    "tables": {
        "flat": {
            "rows": [
                {"floor": "0", "rate": "0.05", "leverage": "10"},
                {"floor": "10000", "rate": "0.1", "leverage": "5"},
            ]
        }
    }
}
"""Ten lots at 1,000 are the last of the lower tier."""


def venue_of(quanta: int = 100_000) -> tuple[Venue, int, int]:
    venue = Venue(TWO_TIERS)
    venue.marks(A=1000.0, B=1000.0)
    return venue, venue.open("unit", USDT=quanta), venue.open("other", USDT=quanta)


def leverages(venue: Venue, unit: int) -> list[int]:
    return [p.leverage for p in venue.state.book.unit_view(unit).positions]


def initial(venue: Venue, unit: int) -> int:
    return int(venue.state.report(unit).initial_margin)


@pytest.mark.parametrize(
    ("lots", "leverage", "refused"),
    [(10, 1000, False), (10, 1001, True), (11, 500, False), (11, 501, True), (10, 65535, True)],
)
@pytest.mark.parametrize("side", ["unit", "counterparty"])
def test_a_leverage_above_the_tier_of_the_resulting_position_is_refused(
    lots: int,
    leverage: int,
    refused: bool,  # noqa: FBT001 a table
    side: str,
) -> None:
    venue, unit, other = venue_of()
    command = c.Fill(unit=unit, counterparty=other, instrument=0, lots=lots, ticks=1000)
    fields = {"leverage" if side == "unit" else "counterparty_leverage": leverage}
    command = c.Fill(unit=unit, counterparty=other, instrument=0, lots=lots, ticks=1000, **fields)
    if refused:
        with pytest.raises(Rejected, match="its tier allows at most") as error:
            venue.do(command)
        assert error.value.reason is R.LEVERAGE_ABOVE_MAXIMUM
        return
    venue.do(command)
    assert leverages(venue, unit if side == "unit" else other) == [leverage]


def test_a_position_that_grows_into_a_tier_is_margined_at_the_smaller_leverage() -> None:
    venue, unit, other = venue_of()
    venue.trade(unit, other, "A", 10, 1000, leverage=1000)
    assert initial(venue, unit) == 1_000
    venue.trade(unit, other, "A", 1, 1000)  # 11,000 at 5
    assert (leverages(venue, unit), initial(venue, unit)) == ([1000], 2_200)
    venue.trade(unit, other, "A", -1, 1000)
    assert initial(venue, unit) == 1_000
    venue.marks(A=1001.0)  # 10,010: so does one that the price carries there
    assert initial(venue, unit) == 2_002


def test_a_fill_sets_the_leverage_of_the_whole_position_or_leaves_it() -> None:
    venue, unit, other = venue_of()
    venue.trade(unit, other, "A", 4, 1000, leverage=800)
    venue.trade(unit, other, "A", 4, 1000)
    assert (leverages(venue, unit), initial(venue, unit)) == ([800], 1_000)
    venue.trade(unit, other, "A", 2, 1000, leverage=200)
    assert (leverages(venue, unit), initial(venue, unit)) == ([200], 5_000)
    venue.trade(unit, other, "A", -15, 1000)  # changes sides
    assert leverages(venue, unit) == [200]
    venue.trade(unit, other, "A", 5, 1000)
    venue.trade(unit, other, "A", 5, 1000)  # what was closed is forgotten
    assert leverages(venue, unit) == [0]


def test_a_fill_that_shrinks_and_asks_for_less_leverage_needs_the_margin() -> None:
    venue, unit, other = venue_of(1_000)
    venue.trade(unit, other, "A", 10, 1000)
    with pytest.raises(Rejected) as refused:
        venue.trade(unit, other, "A", -1, 1000, leverage=100)
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    venue.trade(unit, other, "A", -9, 1000, leverage=100)
    assert initial(venue, unit) == 1_000


def test_the_leverage_of_an_open_position_is_set_by_command() -> None:
    venue, unit, other = venue_of(5_000)
    venue.trade(unit, other, "A", 10, 1000)
    happened = venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=200))
    assert happened == [e.LeverageSet(unit=unit, instrument=0, leg=0, leverage=200)]
    assert initial(venue, unit) == 5_000
    for leverage, reason in (
        (199, R.INSUFFICIENT_INITIAL_MARGIN),
        (1001, R.LEVERAGE_ABOVE_MAXIMUM),
        (2**16, R.OUT_OF_SCALE),
        (-1, R.OUT_OF_SCALE),
    ):
        with pytest.raises(Rejected) as refused:
            venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=leverage))
        assert refused.value.reason is reason
    venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=0))
    assert initial(venue, unit) == 1_000
    venue.check(replay=True)


def test_a_unit_short_of_margin_may_raise_its_leverage() -> None:
    venue, unit, other = venue_of(5_000)
    venue.trade(unit, other, "A", 10, 1000, leverage=200)
    venue.marks(A=900.0)  # 4,000 against 4,500
    venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=220))
    assert venue.state.report(unit).available == 0
    venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=1000))
    assert initial(venue, unit) == 900


def test_a_leverage_is_one_of_a_position() -> None:
    venue, unit, other = venue_of()
    with pytest.raises(Rejected) as refused:
        venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=200))
    assert refused.value.reason is R.NO_POSITION
    venue.trade(unit, other, "A", 5, 1000, leg=1)
    venue.trade(unit, other, "A", -5, 1000, leg=-1)
    venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=200, leg=-1))
    view = venue.state.book.unit_view(unit)
    assert {int(p.leg): p.leverage for p in view.positions} == {1: 0, -1: 200}


def test_an_order_reserves_at_its_leverage_and_its_fills_set_it() -> None:
    venue, unit, other = venue_of(5_000)
    reserve = c.ReserveOrder(unit=unit, order=1, instrument=0, lots=10, ticks=1000, leverage=200)
    venue.do(reserve)
    assert initial(venue, unit) == 5_000
    venue.trade(unit, other, "A", 4, 1000, order=1)
    assert (leverages(venue, unit), initial(venue, unit)) == ([200], 5_000)
    assert venue.state.orders[unit][1].lots == 6


@pytest.mark.parametrize(("lots", "leverage"), [(10, 1001), (11, 501)])
def test_an_order_is_held_to_the_tier_it_would_reach(lots: int, leverage: int) -> None:
    venue, unit, _ = venue_of()
    command = c.ReserveOrder(
        unit=unit, order=1, instrument=0, lots=lots, ticks=1000, leverage=leverage
    )
    with pytest.raises(Rejected) as refused:
        venue.do(command)
    assert refused.value.reason is R.LEVERAGE_ABOVE_MAXIMUM
