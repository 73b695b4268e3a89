"""Fills in batches: decided one after the other, carried out together or not at all."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from keelmark.book.postings import Fill, Transfer, posting_rows
from keelmark.core.errors import InvalidInput, KeelmarkError, OutOfScale, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_waterfall import fallen
from tests.engine.venue import Venue

R = RejectionReason
HOUSE = 2


def venue_of(*balances: int) -> tuple[Venue, list[int]]:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    return venue, [venue.open(f"unit {n}", USDT=quanta) for n, quanta in enumerate(balances)]


def fill(unit: int, lots: int, ticks: int = 1000, row: int = 0, **more: Any) -> c.Fill:  # noqa: ANN401 fields
    return c.Fill(unit=unit, counterparty=HOUSE, instrument=row, lots=lots, ticks=ticks, **more)


# --- fills that are asked everything --------------------------------------------------------------


def test_a_batch_is_decided_as_if_the_fills_before_had_happened() -> None:
    # 1,000 carries 10 lots at 10 %; the closing of 5 makes room for 5 of the other instrument
    venue, (unit,) = venue_of(1_000)
    happened = venue.do(c.FillBatch(fills=(fill(unit, 10), fill(unit, -5), fill(unit, 5, row=1))))
    assert [(x.instrument, x.lots) for x in happened] == [(0, 10), (0, -5), (1, 5)]
    assert (venue.lots(unit, "A"), venue.lots(unit, "B")) == (5, 5)


def test_a_refused_fill_refuses_the_batch_and_is_named() -> None:
    venue, (unit, other) = venue_of(1_000, 1_000)
    command = c.FillBatch(fills=(fill(unit, 10), fill(other, 5), fill(unit, 1)))
    with pytest.raises(Rejected, match="fill 2 of 3") as refused:
        venue.do(command)
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    assert refused.value.index == 2
    assert venue.lots(other, "A") == 0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (fill(99, 1), InvalidInput),
        (fill(5, 1, row=7), InvalidInput),
        (fill(5, 0), Rejected),
        (fill(6, 2**53 - 1), OutOfScale),
    ],
    ids=["unknown unit", "unknown instrument", "no lots", "more lots than fit"],
)
def test_whatever_is_wrong_with_one_fill_has_its_place(
    wrong: c.Fill, error: type[KeelmarkError]
) -> None:
    # the last: 2**53 - 1 lots fit alone, and not on top of those of the fill before
    venue, units = venue_of(10**7, 10**15)
    assert units == [5, 6]
    venue.do(c.Deposit(unit=6, asset=0, quanta=2**60))
    with pytest.raises(error) as refused:
        venue.do(c.FillBatch(fills=(fill(5, 10), fill(6, 10, 1), wrong)))
    assert refused.value.index == 2
    assert not venue.engine.is_behind


def test_a_batch_of_nothing_is_refused() -> None:
    venue, _ = venue_of()
    with pytest.raises(InvalidInput, match="no fills"):
        venue.do(c.FillBatch(fills=()))


def test_liquidation_follows_after_the_last_fill_of_a_batch() -> None:
    # an order of the other instrument, placed when it stood at 1,000, is filled at that: 700 are
    # left at 800, and 40 more of maintenance; the fill that shrinks comes too late to help
    venue, unit, _ = fallen(deposit=2_000)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=10, ticks=1000))
    venue.marks(B=850.0)
    happened = venue.do(
        c.FillBatch(fills=(fill(unit, 10, 1000, row=1, order=1), fill(unit, -1, 1000)))
    )
    assert [type(x) for x in happened[:3]] == [e.Filled, e.OrderReleased, e.Filled]
    assert isinstance(happened[3], e.LiquidationStarted)


def test_a_journal_with_a_batch_gives_the_same_state() -> None:
    venue, (unit, _) = venue_of(10_000, 10_000)
    order = c.ReserveOrder(unit=unit, order=1, instrument=0, lots=5, ticks=1000, leverage=500)
    venue.do(order)
    venue.do(c.FillBatch(fills=(fill(unit, 2, order=1), fill(unit, 3, row=1, leverage=300))))
    venue.do(c.SetLeverage(unit=unit, instrument=0, leverage=400))
    assert venue.state.orders[unit][1].lots == 3
    venue.check(replay=True)


# --- postings in columns ------------------------------------------------------------------------


def bulk(
    venue: Venue,
    *moves: Fill | Transfer,
    opening: bool = False,
    columns: Mapping[str, int] = MappingProxyType({}),
) -> None:
    rows = posting_rows(moves)
    for name, value in columns.items():  # of the last row
        rows[name][-1] = value
    before = venue.engine.digest()
    try:
        venue.engine.submit_bulk(e.Posted(rows=rows), opening=opening)
    except KeelmarkError:
        assert venue.engine.digest() == before
        assert not venue.engine.is_behind
        raise
    venue.check()


def traded(unit: int, lots: int, value: int, **more: int) -> Fill:
    return Fill(unit=unit, counterparty=HOUSE, instrument=0, lots=lots, value=value, **more)  # type: ignore[arg-type]  # legs are left out


def paid(unit: int, other: int, quanta: int) -> Transfer:
    return Transfer(unit=unit, counterparty=other, asset=0, quanta=quanta)


def test_the_fund_never_pays_in_bulk_what_it_does_not_have() -> None:
    venue, (unit,) = venue_of(1_000)
    fund = venue.state.fund_of(-1)
    with pytest.raises(Rejected, match="row 0 of 1") as refused:
        bulk(venue, paid(fund, unit, 1))
    assert refused.value.reason is R.INSUFFICIENT_BALANCE
    with pytest.raises(Rejected):
        bulk(venue, paid(fund, unit, 1), opening=True)
    bulk(venue, paid(-1, fund, 10), paid(fund, unit, 10))  # it has it by then
    with pytest.raises(Rejected):
        bulk(venue, paid(-1, fund, 10), paid(fund, unit, 11))
    with pytest.raises(Rejected) as refused:
        bulk(venue, paid(fund, unit, 1), paid(-1, fund, 10))  # and not yet
    assert refused.value.index == 0


def test_a_client_pays_in_bulk_what_it_could_pay_alone() -> None:
    venue, (unit, other) = venue_of(1_000, 1)
    venue.trade(unit, HOUSE, "A", 5, 1000)
    with pytest.raises(Rejected) as refused:
        bulk(venue, paid(unit, other, 400), paid(unit, -1, 101))
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    with pytest.raises(Rejected) as refused:
        bulk(venue, paid(unit, other, 1_001))
    assert refused.value.reason is R.INSUFFICIENT_BALANCE
    bulk(venue, paid(unit, other, 400), paid(unit, -1, 100))
    assert venue.balance(other) == 401


def test_a_book_that_was_held_elsewhere_is_opened_with_its_debts_and_its_prices() -> None:
    venue, (unit,) = venue_of(10_000)
    with pytest.raises(Rejected) as refused:
        bulk(venue, traded(unit, 1, 800))
    assert refused.value.reason is R.OFF_MARK
    bulk(venue, traded(unit, 1, 800), opening=True)
    indebted = venue.open("indebted", USDT=10)
    bulk(venue, paid(indebted, -1, 11), opening=True)
    assert venue.balance(indebted) in {-1, 0}  # the debt, or paid for by a liquidation


@pytest.mark.parametrize(("value", "refused"), [(10_500, False), (10_501, True), (9_499, True)])
def test_the_band_round_the_mark_is_exact(value: int, refused: bool) -> None:  # noqa: FBT001 a table
    venue, (unit,) = venue_of(10_000)
    if not refused:
        bulk(venue, traded(unit, 10, value))
        return
    with pytest.raises(Rejected) as error:
        bulk(venue, traded(unit, 10, value))
    assert error.value.reason is R.OFF_MARK


def test_markets_that_are_closed_to_single_fills_are_closed_to_bulk() -> None:
    venue, (unit,) = venue_of(10_000)
    venue.do(c.Pause(instrument=0, reason="test"))
    with pytest.raises(Rejected) as refused:
        bulk(venue, traded(unit, 1, 1000))
    assert refused.value.reason is R.MARKET_PAUSED
    venue.do(c.Resume(instrument=0, reason="test"))
    venue.marks(A=float("nan"))
    with pytest.raises(Rejected) as refused:
        bulk(venue, traded(unit, 1, 1000))
    assert refused.value.reason is R.UNTRUSTED_MARK


def test_a_unit_in_liquidation_does_not_trade_in_bulk() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}})
    venue.marks(A=930.0)
    assert unit in venue.state.cases
    with pytest.raises(Rejected) as refused:
        bulk(venue, traded(unit, -1, -930))
    assert refused.value.reason is R.UNIT_IN_LIQUIDATION


GOOD = traded(5, 1, 1000)
MALFORMED: dict[str, tuple[Fill | Transfer, dict[str, int]]] = {
    "no such kind": (GOOD, {"kind": 7}),
    "no such leg": (GOOD, {"leg": 3}),
    "unknown bits": (GOOD, {"reducing": 64}),
    "no lots": (GOOD, {"lots": 0}),
    "a value of the wrong sign": (GOOD, {"value": -1000}),
    "a fee above the value": (GOOD, {"fee": 1001}),
    "an unknown unit": (GOOD, {"unit": 99}),
    "a fill from outside": (GOOD, {"counterparty": -1}),
    "a fill with itself": (GOOD, {"counterparty": 5}),
    "an unknown instrument": (GOOD, {"subject": 2}),
    "a fill of the fund": (GOOD, {"counterparty": 3}),
    "a payment the other way": (paid(-1, 5, 1), {"value": -1}),
    "a payment of nothing": (paid(-1, 5, 1), {"value": 0}),
    "a payment from outside to outside": (paid(-1, 5, 1), {"counterparty": -1}),
    "an unknown asset": (paid(-1, 5, 1), {"subject": 4}),
    "a payer that trades": (paid(5, -1, 1), {}),
}


@pytest.mark.parametrize(("move", "columns"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_row_is_refused_with_its_place(
    move: Fill | Transfer, columns: dict[str, int]
) -> None:
    venue, units = venue_of(10_000)
    assert units == [5]
    with pytest.raises(InvalidInput) as refused:
        bulk(venue, GOOD, move, columns=columns)
    assert refused.value.index == (1 if columns else 0)


def test_what_is_no_batch_and_no_command_is_refused_by_name() -> None:
    venue, _ = venue_of()
    for wrong in ("x", 3, None, c.Command()):
        with pytest.raises(InvalidInput, match="is no command"):
            venue.engine.submit(wrong)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidInput, match="is no batch"):
        venue.engine.submit_bulk("x")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidInput, match="array of"):
        venue.engine.submit_bulk(e.Posted(rows=np.zeros(1, np.dtype([("lots", "i8")]))))
    for name in ("", "  "):
        with pytest.raises(InvalidInput, match="give it a name"):
            venue.do(c.OpenAccount(name=name))
