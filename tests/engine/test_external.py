"""Orders that are executed outside: sent as events, answered by commands, late, in part, or never.

The venue is round (`venue.ROUND`): a quantum is a USDT, maintenance is 5 %. The unit holds 10 lots
of A from 1,000 with a deposit of 1,100; at 930 it has 400 left and needs 465, and two lots less
bring it above. Every command is followed by every invariant.
"""

from typing import Any

import pytest

from keelmark.core.errors import DuplicateId, InvalidInput, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.execution import ExternalVenue
from tests.engine.venue import Venue, merged

PLENTY = 10**6
OUTSIDE = ExternalVenue(time_out_s=10)


def fallen(changes: dict[str, Any] | None = None, *, mark: float = 930.0) -> tuple[Venue, int, int]:
    """Return a venue whose orders are executed outside, a unit at its trigger, and the winner."""
    venue = Venue(changes, market=OUTSIDE)
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("unit", USDT=1_100), venue.open("winner", USDT=PLENTY)
    venue.trade(unit, winner, "A", 10, 1000)
    venue.marks(A=mark)
    return venue, unit, winner


def sent(venue: Venue) -> oe.OrderSent:
    """Return the order that was sent last."""
    event = venue.of(oe.OrderSent)[-1]
    assert isinstance(event, oe.OrderSent)
    return event


def fill(venue: Venue, lots: int, ticks: int, execution: str = "x1", order: int = 1) -> list[Any]:
    return venue.do(c.ReportExecution(order=order, execution=execution, lots=lots, ticks=ticks))


def close(venue: Venue, outcome: str = "cancelled", order: int = 1) -> list[Any]:
    return venue.do(c.CloseOrder(order=order, outcome=outcome))


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_liquidation_sends_its_order_and_waits_for_it() -> None:
    venue, unit, _ = fallen()
    order = sent(venue)
    assert (order.order, order.unit, order.lots, order.reason) == (1, unit, -2, "reduce")
    assert order.expires_ms == order.time_ms + 10_000
    assert order.limit_ticks is not None
    assert list(venue.state.working) == [1]
    assert venue.lots(unit, "A") == 10
    for price in (929.0, 928.0):  # nothing more is ordered, and nothing is exhausted
        venue.marks(A=price)
    assert len(venue.of(oe.OrderSent)) == 1
    assert unit in venue.state.cases
    venue.check(replay=True)


def test_parts_are_booked_at_once_and_the_whole_ends_it() -> None:
    venue, unit, _ = fallen()
    assert kinds(fill(venue, -1, 925)) == ["OrderFilled", "Filled"]
    assert venue.lots(unit, "A") == 9
    ended = fill(venue, -1, 925, "x2")
    assert kinds(ended) == ["OrderFilled", "Filled", "OrderClosed", "LiquidationEnded"]
    assert ended[-1].outcome == "recovered"
    assert not len(venue.state.working)
    venue.check(replay=True)


def test_a_report_that_is_repeated_is_booked_once() -> None:
    venue, unit, _ = fallen()
    fill(venue, -1, 925)
    again = c.ReportExecution(order=1, execution="x1", lots=-1, ticks=925)
    receipt = venue.engine.submit(again)
    assert receipt.is_repeated
    assert receipt.events == ()
    assert venue.lots(unit, "A") == 9
    with pytest.raises(DuplicateId, match="reported as -1 lots at 925"):
        fill(venue, -1, 924)


def test_an_order_nobody_sent_is_refused_by_name() -> None:
    venue, _, _ = fallen()
    for command in (
        c.ReportExecution(order=2, execution="x", lots=-1, ticks=900),
        c.CloseOrder(order=2, outcome="done"),
    ):
        with pytest.raises(Rejected, match="order 2 was never sent") as refused:
            venue.do(command)
        assert refused.value.reason is RejectionReason.NO_SUCH_ORDER


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (c.ReportExecution(order=1, execution="x", lots=1, ticks=900), "an order that sells"),
        (c.ReportExecution(order=1, execution="x", lots=0, ticks=900), "sign them like"),
        (c.ReportExecution(order=1, execution="", lots=-1, ticks=900), "1 to 64 characters"),
        (c.ReportExecution(order=1, execution="x" * 65, lots=-1, ticks=900), "1 to 64 characters"),
        (c.CloseOrder(order=1, outcome="canceled"), "did you mean 'cancelled'"),
        (c.CloseOrder(order=1, outcome="done", reason="x" * 501), "at most 500"),
    ],
)
def test_a_malformed_report_is_refused(command: c.Command, words: str) -> None:
    venue, _, _ = fallen()
    with pytest.raises(InvalidInput, match=words):
        venue.do(command)


@pytest.mark.parametrize(
    "command",
    [
        c.ReportExecution(order=1, execution="x", lots=-1, ticks=0),
        c.ReportExecution(order=1, execution="x", lots=-(2**54), ticks=1),
        c.ReportExecution(order=1, execution="x", lots=-1, ticks=900, fee=901),
    ],
)
def test_a_report_that_nothing_can_carry_is_refused(command: c.Command) -> None:
    venue, _, _ = fallen()
    with pytest.raises(Rejected) as refused:
        venue.do(command)
    assert refused.value.reason is RejectionReason.OUT_OF_SCALE


def test_an_order_whose_time_is_up_is_cancelled_and_can_still_be_filled() -> None:
    venue, unit, _ = fallen(merged({}, {"liquidation": {"reduce": {"interval_s": 5}}}))
    happened = venue.wait(10)
    assert kinds(happened)[1:] == ["OrderTimedOut", "CancelRequested", "Waiting"]
    assert venue.state.cases[unit].attempts == 1
    assert kinds(fill(venue, -2, 925)) == [
        "OrderFilled",
        "Filled",
        "OrderClosed",
        "LiquidationEnded",
    ]
    assert venue.lots(unit, "A") == 8
    venue.check(replay=True)


def test_a_closed_order_is_closed_once() -> None:
    venue, _, _ = fallen()
    assert kinds(close(venue, "rejected"))[0] == "OrderClosed"
    assert venue.engine.submit(c.CloseOrder(order=1, outcome="cancelled")).is_repeated
    assert len([x for x in venue.of(oe.OrderClosed) if x.order == 1]) == 1
    assert venue.of(e.LiquidationEnded)
