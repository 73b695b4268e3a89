"""Fills of reserved orders: charged when the order was placed, and not again."""

import pytest

from keelmark.core.errors import Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.venue import Venue

R = RejectionReason


def venue_of(quanta: int = 1_000) -> tuple[Venue, int, int]:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    return venue, venue.open("unit", USDT=quanta), venue.open("other", USDT=10**6)


def reserve(venue: Venue, unit: int, lots: int, ticks: int = 1000, **more: int) -> None:
    venue.do(
        c.ReserveOrder(unit=unit, order=1, instrument=0, lots=lots, ticks=ticks, **more)  # type: ignore[arg-type]  # a flag among them
    )


@pytest.mark.parametrize("side", ["unit", "counterparty"])
def test_a_fill_within_its_reservation_is_not_asked_for_margin_again(side: str) -> None:
    # 10 lots are reserved with all the money; the mark then rises, and 1,100 would be needed
    venue, unit, other = venue_of()
    reserve(venue, unit, 10)
    venue.marks(A=1100.0)
    if side == "unit":
        fill = c.Fill(unit=unit, counterparty=other, instrument=0, lots=6, ticks=1000)
        named = c.Fill(unit=unit, counterparty=other, instrument=0, lots=6, ticks=1000, order=1)
    else:
        fill = c.Fill(unit=other, counterparty=unit, instrument=0, lots=-6, ticks=1000)
        named = c.Fill(
            unit=other, counterparty=unit, instrument=0, lots=-6, ticks=1000, counterparty_order=1
        )
    venue.marks(A=900.0)  # filled at 1,000 it loses 600: 400 against 540, and above 270
    with pytest.raises(Rejected) as refused:
        venue.do(fill)
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    happened = venue.do(named)
    assert [type(x) for x in happened] == [e.Filled, e.OrderReleased]
    assert (happened[1].unit, happened[1].order, happened[1].lots) == (unit, 1, 4)
    assert venue.state.orders[unit][1].lots == 4
    assert venue.lots(unit, "A") == 6
    venue.check(replay=True)


def test_the_last_lots_end_the_reservation() -> None:
    venue, unit, other = venue_of()
    reserve(venue, unit, -10)
    venue.trade(unit, other, "A", -10, 1000, order=1)
    assert not venue.state.orders[unit]
    with pytest.raises(Rejected) as refused:
        venue.trade(unit, other, "A", -1, 1000, order=1)
    assert refused.value.reason is R.NO_SUCH_ORDER


@pytest.mark.parametrize(
    ("symbol", "lots", "ticks", "more"),
    [
        ("A", 11, 1000, {}),
        ("A", -1, 1000, {}),
        ("A", 1, 1001, {}),
        ("B", 1, 1000, {}),
        ("A", 1, 1000, {"leg": 1}),
    ],
    ids=["too many lots", "the other side", "a worse price", "another instrument", "another leg"],
)
def test_a_fill_is_within_the_order_it_names(
    symbol: str, lots: int, ticks: int, more: dict[str, int]
) -> None:
    venue, unit, other = venue_of(5_000)
    reserve(venue, unit, 10)
    with pytest.raises(Rejected) as refused:
        venue.trade(unit, other, symbol, lots, ticks, order=1, **more)
    assert refused.value.reason is R.BEYOND_RESERVATION
    venue.trade(unit, other, "A", 10, 999, order=1)


def test_what_was_not_reserved_is_asked_for() -> None:
    # a fee above the ordinary one, and a smaller leverage
    venue, unit, other = venue_of()
    reserve(venue, unit, 10)
    for more in ({"fee": 1}, {"leverage": 900}):
        with pytest.raises(Rejected) as refused:
            venue.trade(unit, other, "A", 10, 1000, order=1, **more)
        assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    venue.trade(unit, other, "A", 10, 1000, order=1)


def test_an_order_past_the_margin_call_is_filled_when_it_was_placed_before() -> None:
    called = {"liquidation": {"margin_call": {"usage": "0.5"}}}
    venue = Venue(called)
    venue.marks(A=1000.0, B=1000.0)
    unit, other = venue.open("unit", USDT=2_000), venue.open("other", USDT=10**6)
    venue.trade(unit, other, "A", 10, 1000)
    reserve(venue, unit, 1)
    venue.marks(A=885.0)  # equity 850, maintenance 442.5
    assert venue.state.is_reduce_only(unit)
    with pytest.raises(Rejected):
        venue.trade(unit, other, "A", 1, 885)
    venue.trade(unit, other, "A", 1, 885, order=1)


def test_two_fills_of_a_batch_share_one_reservation() -> None:
    venue, unit, other = venue_of()
    reserve(venue, unit, 10)
    fills = tuple(
        c.Fill(unit=unit, counterparty=other, instrument=0, lots=lots, ticks=1000, order=1)
        for lots in (6, 4, 1)
    )
    with pytest.raises(Rejected, match="fill 2 of 3") as refused:
        venue.do(c.FillBatch(fills=fills))
    assert refused.value.reason is R.NO_SUCH_ORDER
    venue.do(c.FillBatch(fills=fills[:2]))
    assert not venue.state.orders[unit]


@pytest.mark.parametrize("reduce_only", [False, True])
def test_a_full_hedge_account_can_place_the_order_that_closes(reduce_only: bool) -> None:  # noqa: FBT001 a table
    venue, unit, other = venue_of(2_000)
    venue.trade(unit, other, "A", 10, 1000, leg=1)
    venue.trade(unit, other, "A", -10, 1000, leg=-1)
    before = venue.state.report(unit).initial_margin
    assert before == 2_000
    reserve(venue, unit, -10, leg=1, reduce_only=reduce_only)
    assert venue.state.report(unit).initial_margin == before
    with pytest.raises(Rejected) as refused:
        venue.do(c.ReserveOrder(unit=unit, order=2, instrument=0, lots=1, ticks=1000, leg=1))
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    venue.trade(unit, other, "A", -10, 1000, leg=1, order=1)
    assert venue.state.report(unit).initial_margin == 1_000


def test_orders_of_both_legs_are_both_reserved_before_there_is_a_position() -> None:
    venue, unit, _ = venue_of(2_000)
    reserve(venue, unit, 10, leg=1)
    assert venue.state.report(unit).initial_margin == 1_000
    venue.do(c.ReserveOrder(unit=unit, order=2, instrument=0, lots=-10, ticks=1000, leg=-1))
    assert venue.state.report(unit).initial_margin == 2_000


def test_a_reduce_only_order_reserves_nothing_and_opens_nothing() -> None:
    venue, unit, other = venue_of()
    venue.trade(unit, other, "A", 10, 1000)
    reserve(venue, unit, -30, reduce_only=True)
    with pytest.raises(Rejected) as refused:
        venue.trade(unit, other, "A", -11, 1000, order=1)
    assert refused.value.reason is R.REDUCE_ONLY
    venue.trade(unit, other, "A", -10, 1000, order=1)
    assert venue.state.orders[unit][1].lots == -20
    with pytest.raises(Rejected):
        venue.trade(unit, other, "A", -1, 1000, order=1)


def test_an_order_is_in_the_mode_of_what_is_held() -> None:
    venue, unit, other = venue_of(10_000)
    venue.trade(unit, other, "A", 1, 1000)
    with pytest.raises(Rejected) as refused:
        reserve(venue, unit, 1, leg=1)
    assert refused.value.reason is R.POSITION_MODE
