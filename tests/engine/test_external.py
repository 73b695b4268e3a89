"""Orders that are executed outside: sent as events, answered by commands, late, in part, or never.

The venue is round (`venue.ROUND`): a quantum is a USDT, maintenance is 5 %. The unit holds 10 lots
of A from 1,000 with a deposit of 1,100; at 930 it has 400 left and needs 465, and two lots less
bring it above. Every command is followed by every invariant.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from keelmark.core.codes import Leg
from keelmark.core.errors import (
    DuplicateId,
    InvalidInput,
    OtherTerms,
    Rejected,
    RejectionReason,
)
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.codec import event_of
from keelmark.engine.engine import Engine
from keelmark.engine.execution import ExecutionVenue, ExternalVenue, MarkMarket
from keelmark.engine.explain import events_of_case, explain_liquidation
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.remembered import remembered
from tests.engine.market_of_all import everything
from tests.engine.test_engine_machine import START
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


# --- the stage goes on --------------------------------------------------------------------------


def test_a_rejected_order_counts_as_an_attempt_and_after_the_last_the_backstop_takes_it() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"interval_s": 5, "attempts": 2}}})
    assert kinds(close(venue, "rejected")) == ["OrderClosed", "Waiting"]
    venue.wait(5)
    assert sent(venue).order == 2
    assert venue.state.cases[unit].attempts == 1
    close(venue, "rejected", 2)
    venue.wait(5)
    assert venue.of(e.LiquidationEnded)[-1].outcome == "taken_over"
    assert venue.lots(venue.state.backstop, "A") == 10
    venue.check(replay=True)


def test_a_market_that_never_answers_does_not_hold_the_waterfall_up() -> None:
    # a unit that is sold whole: nothing is left to order when the only order has timed out
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "whole"}}})
    happened = venue.wait(10)
    assert "OrdersPassed" in kinds(happened)
    assert venue.of(e.LiquidationEnded)[-1].outcome == "taken_over"
    order = venue.state.working[1]
    assert (order.unit, order.reason) == (venue.state.backstop, "disposal")
    assert order.is_cancelling
    assert venue.lots(unit, "A") == 0
    late = fill(venue, -10, 925)  # the backstop bought them at the mark less the cushion
    assert [x.unit for x in late if isinstance(x, e.Filled)] == [venue.state.backstop]
    assert venue.lots(venue.state.backstop, "A") == 0
    venue.check(replay=True)


def test_lots_of_an_order_that_timed_out_are_not_ordered_again() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"buffer": "1", "attempts": 9}}})
    first = sent(venue)
    fill(venue, -1, 925)
    venue.wait(10)
    second = sent(venue)
    assert second.order == 2
    assert abs(first.lots) - 1 + abs(second.lots) <= venue.lots(unit, "A")
    venue.wait(10)  # nothing is left that no order works for
    assert len(venue.of(oe.OrderSent)) == 2 or venue.of(e.LiquidationEnded)


@pytest.mark.parametrize(
    ("ticks", "limit"),
    [
        (865, 970),  # it lost 80: the 60 left carry 4 lots of B 15 ticks down
        (875, 950),  # it lost nothing: 140 carry them 35 ticks down
        (955, None),  # it gained 640, and the unit is safe
    ],
)
def test_a_round_goes_out_order_by_order_each_priced_on_what_the_last_has_left(
    ticks: int, limit: int | None
) -> None:
    changes = {"liquidation": {"reduce": {"sizing": "whole", "price_limit": "bankruptcy"}}}
    venue = Venue(changes, market=OUTSIDE)
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("unit", USDT=1_200), venue.open("winner", USDT=PLENTY)
    venue.trade(unit, winner, "A", 8, 1000)
    venue.trade(unit, winner, "B", 4, 1000)
    venue.marks(A=875.0, B=985.0)  # equity 140, maintenance 350 + 197
    (planned,) = venue.of(oe.RoundPlanned)
    assert [(row.instrument, row.lots) for row in planned.closes] == [(0, 8), (1, 4)]
    assert (sent(venue).lots, sent(venue).limit_ticks) == (-8, 858)
    fill(venue, -8, ticks)
    second = [(x.instrument, x.lots, x.limit_ticks) for x in venue.of(oe.OrderSent)[1:]]
    assert second == ([] if limit is None else [(1, -4, limit)])
    assert (unit in venue.state.cases) == (limit is not None)


def test_an_order_sized_by_the_window_keeps_others_out_of_it_while_it_works() -> None:
    guards = {"notional_max": "1000", "window_s": 60}
    venue, unit, winner = fallen({"liquidation": {"guards": guards}}, mark=1000.0)
    other = venue.open("other", USDT=1_100)
    venue.trade(other, winner, "A", 10, 1000)
    venue.marks(A=930.0)
    (order,) = venue.of(oe.OrderSent)
    assert (order.unit, order.lots, order.is_cut) == (unit, -1, True)
    waits = [x for x in venue.of(e.Waiting) if x.unit == other]
    assert [x.reason for x in waits] == ["notional limit"]


def test_the_backstops_level_takes_a_unit_whose_order_works() -> None:
    venue, unit, _ = fallen({"liquidation": {"takeover": {"usage": "1.5"}}})
    venue.marks(A=929.0)
    assert venue.of(e.LiquidationEnded) == []
    venue.marks(A=910.0)  # equity 200, maintenance 455
    assert venue.of(e.LiquidationEnded)[-1].outcome == "taken_over"
    assert venue.state.working[1].unit == venue.state.backstop
    assert not venue.state.working[1].is_cancelling  # it sells what the backstop has now
    assert kinds(fill(venue, -2, 905)) == ["OrderFilled", "Filled", "OrderClosed"]
    assert venue.lots(venue.state.backstop, "A") == 8
    assert venue.lots(unit, "A") == 0


def test_what_the_backstop_did_not_take_is_cancelled() -> None:
    stages = ["reduce", "insurance", "auto_deleverage", "socialise"]
    venue, _, winner = fallen({"liquidation": {"stages": stages, "takeover": {"usage": "1.5"}}})
    happened = venue.marks(A=910.0)
    assert venue.lots(winner, "A") == 0
    (cancel,) = [x for x in happened if isinstance(x, oe.CancelRequested)]
    assert (cancel.order, cancel.unit, cancel.reason) == (
        1,
        venue.state.backstop,
        "beyond_position",
    )
    fill(venue, -2, 905)  # sold for a position nobody has: the backstop is short
    assert venue.lots(venue.state.backstop, "A") == -2
    venue.check(replay=True)


# --- a unit that recovers, and fills that come late ----------------------------------------------


def test_a_unit_that_recovers_is_let_go_when_its_order_is_closed() -> None:
    venue, unit, _ = fallen()
    happened = venue.marks(A=990.0)
    assert kinds(happened)[1:] == ["CancelRequested", "Waiting"]
    assert unit in venue.state.cases
    venue.marks(A=991.0)  # it is asked for once
    assert len(venue.of(oe.CancelRequested)) == 1
    ended = close(venue)
    assert kinds(ended) == ["OrderClosed", "LiquidationEnded"]
    assert ended[-1].outcome == "recovered"
    venue.check(replay=True)


def test_a_unit_that_falls_again_before_its_order_is_closed_goes_on() -> None:
    venue, unit, _ = fallen()
    venue.marks(A=990.0)
    venue.marks(A=930.0)
    assert len(venue.of(oe.OrderSent)) == 1  # not while the first is out
    assert len(venue.of(oe.RoundPlanned)) == 1
    close(venue)
    assert sent(venue).order == 2
    assert len(venue.of(e.LiquidationStarted)) == 1
    assert unit in venue.state.cases


def test_a_fill_after_an_operators_release_is_booked_where_it_still_shrinks() -> None:
    venue, unit, winner = fallen()
    venue.marks(A=1000.0)
    released = venue.do(c.Override(unit=unit, action="release", operator="ada", reason="test"))
    assert kinds(released) == ["Overridden", "LiquidationEnded"]  # its cancel was asked for before
    venue.trade(unit, winner, "A", -9, 1000)
    happened = fill(venue, -2, 925)
    told = happened[0]
    assert (told.lots, told.booked) == (-2, -1)
    assert [(x.unit, x.lots, x.reason) for x in happened if isinstance(x, e.Filled)] == [
        (unit, -1, "reduce"),
        (venue.state.backstop, -1, "late"),
    ]
    assert [x.reason for x in happened if isinstance(x, oe.ExecutionFlagged)] == ["more_than_held"]
    assert (venue.lots(unit, "A"), venue.lots(venue.state.backstop, "A")) == (0, -1)
    venue.check(replay=True)


@pytest.mark.parametrize(
    ("lots", "ticks", "flags"),
    [
        (-2, 885, []),
        (-3, 925, ["beyond_lots"]),
        (-2, 884, ["worse_than_limit"]),
        (-11, 800, ["beyond_lots", "worse_than_limit", "more_than_held"]),
    ],
)
def test_a_fill_that_was_not_ordered_is_a_fact_and_is_flagged(
    lots: int, ticks: int, flags: list[str]
) -> None:
    venue, unit, _ = fallen()
    assert sent(venue).limit_ticks == 885
    happened = fill(venue, lots, ticks)
    assert [x.reason for x in happened if isinstance(x, oe.ExecutionFlagged)] == flags
    assert 1 not in venue.state.working
    assert venue.lots(unit, "A") == max(0, 10 + lots)
    venue.check(replay=True)


def test_a_fill_after_the_close_is_booked_and_flagged() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"interval_s": 60}}})
    close(venue, "expired")
    happened = fill(venue, -1, 925)
    assert [x.reason for x in happened if isinstance(x, oe.ExecutionFlagged)] == ["after_close"]
    assert venue.lots(unit, "A") == 9
    assert venue.engine.submit(
        c.ReportExecution(order=1, execution="x1", lots=-1, ticks=925)
    ).is_repeated


def test_the_oldest_closed_order_is_forgotten_and_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keelmark.engine.working.CLOSED_KEPT", 1)
    venue, _, _ = fallen({"liquidation": {"reduce": {"interval_s": 1, "attempts": 9}}})
    for order in (1, 2):
        close(venue, "rejected", order)
        venue.wait(1)
    with pytest.raises(Rejected, match="order 1 was closed so long ago that it is forgotten"):
        fill(venue, -1, 925)
    assert kinds(fill(venue, -1, 925, order=2))[:2] == ["OrderFilled", "Filled"]


# --- fees ---------------------------------------------------------------------------------------


def test_fees_are_the_rulebooks_or_those_reported() -> None:
    liquidation = {"clearance_fee": "0.01", "insurance": {"fee_share": "0.5"}}
    venue, unit, _ = fallen({"liquidation": liquidation})
    happened = fill(venue, -1, 925)
    filled = next(x for x in happened if isinstance(x, e.Filled))
    assert filled.fee == 10  # 1 % of 925, rounded up
    assert venue.balance(venue.state.fund_of(-1)) == 5
    order = venue.state.working[1]
    report = c.ReportExecution(order=1, execution="x2", lots=order.lots + 1, ticks=925, fee=-3)
    filled = next(x for x in venue.do(report) if isinstance(x, e.Filled))
    assert filled.fee == -3
    assert venue.balance(venue.state.fund_of(-1)) == 5
    assert venue.lots(unit, "A") == 10 + order.lots
    venue.check(replay=True)


def test_a_reported_fee_is_shared_with_the_lots() -> None:
    venue, unit, winner = fallen()
    venue.marks(A=1000.0)
    venue.do(c.Override(unit=unit, action="release", operator="ada", reason="test"))
    venue.trade(unit, winner, "A", -9, 1000)
    report = c.ReportExecution(order=1, execution="x", lots=-2, ticks=925, fee=5)
    fees = [(x.unit, x.fee) for x in venue.do(report) if isinstance(x, e.Filled)]
    assert fees == [(unit, 3), (venue.state.backstop, 2)]


# --- decisions of others ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (c.Pause(instrument=0, reason="test"), "paused"),
        (c.Pause(instrument=-1, reason="test"), "paused"),
        (c.Override(unit=5, action="hold", operator="ada", reason="test"), "held"),
    ],
)
def test_what_stops_a_liquidation_cancels_what_is_out(command: c.Command, reason: str) -> None:
    venue, unit, _ = fallen()
    assert unit == 5
    happened = venue.do(command)
    assert [x.reason for x in happened if isinstance(x, oe.CancelRequested)] == [reason]
    fill(venue, -1, 925)  # a fact is booked all the same
    assert venue.lots(unit, "A") == 9
    close(venue)
    venue.marks(A=929.0)
    assert len(venue.of(oe.OrderSent)) == 1
    assert unit in venue.state.cases


def test_a_pause_of_another_instrument_leaves_an_order_alone() -> None:
    venue, _, _ = fallen()
    venue.do(c.Pause(instrument=1, reason="test"))
    assert venue.of(oe.CancelRequested) == []


def test_a_mark_that_cannot_be_trusted_stops_new_orders_and_not_the_one_that_works() -> None:
    venue, unit, _ = fallen()
    venue.marks(A=float("nan"))
    assert venue.of(oe.CancelRequested) == []
    fill(venue, -1, 925)
    happened = venue.wait(10)  # its time runs on
    assert kinds(happened)[-2:] == ["OrderTimedOut", "CancelRequested"]
    assert len(venue.of(oe.OrderSent)) == 1
    venue.marks(A=930.0)
    assert sent(venue).order == 2
    assert unit in venue.state.cases


def test_an_operators_takeover_passes_the_orders_on() -> None:
    venue, unit, _ = fallen()
    venue.do(c.Override(unit=unit, action="takeover", operator="ada", reason="test"))
    assert venue.state.working[1].unit == venue.state.backstop
    fill(venue, -2, 925)
    assert venue.lots(venue.state.backstop, "A") == 8
    assert venue.lots(unit, "A") == 0
    venue.check(replay=True)


def test_a_closed_account_never_hears_of_its_orders_again() -> None:
    venue, unit, _ = fallen()
    account = int(venue.state.book.units[unit]["account"])
    happened = venue.do(c.CloseAccount(account=account, reason="regulatory"))
    names = kinds(happened)
    assert names.index("CancelRequested") < names.index("OrdersPassed") < names.index("Filled")
    fill(venue, -2, 925)
    assert venue.lots(venue.state.backstop, "A") == -2
    assert venue.lots(unit, "A") == 0
    venue.check(replay=True)


# --- the backstop -------------------------------------------------------------------------------


def taken() -> Venue:
    """Return a venue whose backstop holds 10 lots of A and offers 3 of them every minute."""
    takeover = {"dispose_share": "0.3", "dispose_interval_s": 60}
    stages = ["takeover", "insurance", "auto_deleverage", "socialise"]
    venue, _, _ = fallen({"liquidation": {"takeover": takeover, "stages": stages}}, mark=920.0)
    return venue


def test_the_backstop_offers_what_no_order_works_for() -> None:
    venue = taken()
    backstop = venue.state.backstop
    lots = []
    for _ in range(3):
        venue.wait(60)
        lots.append(sent(venue).lots)
    assert lots == [-3, -3, -3]
    assert sent(venue).limit_ticks is None
    venue.wait(60)
    assert sent(venue).lots == -1  # all the others are out, though nobody waits for them
    assert venue.lots(backstop, "A") == 10
    fill(venue, -3, 915, order=1)
    assert venue.lots(backstop, "A") == 7
    close(venue, "rejected", 2)
    venue.wait(60)
    assert sent(venue).lots == -3
    venue.check(replay=True)


def test_a_broken_backstop_is_deleveraged_by_the_lots_that_do_not_work() -> None:
    takeover = {"dispose_share": "0.3", "dispose_interval_s": 60, "deleverage_below": "0"}
    stages = ["takeover", "insurance", "auto_deleverage", "socialise"]
    venue, _, winner = fallen({"liquidation": {"takeover": takeover, "stages": stages}}, mark=920.0)
    venue.wait(60)
    venue.marks(A=880.0)  # it took 10 lots with 300; at 880 it has -100
    assert venue.lots(winner, "A") == -3
    assert venue.lots(venue.state.backstop, "A") == 3
    fill(venue, -3, 875)
    assert venue.lots(venue.state.backstop, "A") == 0
    venue.check(replay=True)


# --- protections --------------------------------------------------------------------------------


def protected(kind: str, trigger: int, **more: int) -> tuple[Venue, int, int]:
    venue, unit, winner = fallen(mark=1000.0)
    venue.deposit(unit, 3_900)
    venue.do(c.SetProtection(unit=unit, protection=7, kind=kind, trigger=trigger, **more))
    return venue, unit, winner


def removed(events: list[Any]) -> list[tuple[int, bool]]:
    return [(x.protection, x.fired) for x in events if isinstance(x, e.ProtectionRemoved)]


def test_a_stop_is_over_when_all_it_closes_is_closed() -> None:
    venue, unit, _ = protected("stop_loss", 950, instrument=0)
    venue.marks(A=950.0)
    order = sent(venue)
    assert (order.reason, order.protection, order.lots, order.limit_ticks) == (
        "protection",
        7,
        -10,
        None,
    )
    venue.marks(A=949.0)
    assert len(venue.of(oe.OrderSent)) == 1
    assert removed(fill(venue, -4, 948)) == []
    assert removed(fill(venue, -6, 947, "x2")) == [(7, True)]
    assert venue.lots(unit, "A") == 0
    venue.check(replay=True)


def test_a_stop_that_is_rejected_is_tried_again_after_a_moment() -> None:
    venue, _, _ = protected("stop_loss", 950, instrument=0)
    venue.marks(A=950.0)
    close(venue, "rejected")
    venue.marks(A=949.0, after_ms=999)
    assert len(venue.of(oe.OrderSent)) == 1
    venue.marks(A=949.0, after_ms=1)
    assert sent(venue).order == 2


def test_a_stop_that_is_removed_takes_its_order_with_it() -> None:
    venue, unit, _ = protected("stop_loss", 950, instrument=0)
    venue.marks(A=950.0)
    happened = venue.do(c.RemoveProtection(unit=unit, protection=7))
    assert kinds(happened) == ["CancelRequested", "ProtectionRemoved"]
    fill(venue, -10, 948)
    assert venue.lots(unit, "A") == 0


def test_another_stop_under_the_same_number_is_not_ended_by_the_first_ones_fill() -> None:
    venue, unit, _ = protected("stop_loss", 950, instrument=0)
    venue.marks(A=950.0)
    again = c.SetProtection(unit=unit, protection=7, kind="stop_loss", trigger=900, instrument=0)
    assert kinds(venue.do(again)) == ["CancelRequested", "ProtectionSet"]
    assert removed(fill(venue, -10, 948)) == []
    assert 7 in venue.state.protections[unit]


def test_what_a_user_closes_himself_is_cancelled() -> None:
    venue, unit, winner = protected("stop_loss", 950, instrument=0)
    venue.marks(A=950.0)
    venue.trade(unit, winner, "A", -3, 950)
    assert [x.reason for x in venue.of(oe.CancelRequested)] == ["beyond_position"]
    happened = fill(venue, -10, 948)
    assert [x.booked for x in happened if isinstance(x, oe.OrderFilled)] == [-7]
    assert venue.lots(venue.state.backstop, "A") == -3
    venue.check(replay=True)


def test_an_automatic_deleverage_waits_for_its_order_and_ends_with_its_first_fill() -> None:
    venue, unit, _ = protected("deleverage", 200_000, target=100_000)
    venue.marks(A=670.0)  # equity 1,700, maintenance 335: usage 19.7 %
    assert venue.of(oe.OrderSent) == []
    venue.marks(A=660.0)  # 1,600 and 330: 20.6 %
    order = sent(venue)
    venue.marks(A=659.0)
    assert len(venue.of(oe.OrderSent)) == 1
    assert removed(fill(venue, -1, 675, order=order.order)) == [(7, True)]
    assert venue.lots(unit, "A") == 9


def test_an_equity_floor_sells_every_position_at_once() -> None:
    venue, unit, winner = protected("equity_floor", 4_000)
    venue.trade(unit, winner, "B", 5, 1000)
    venue.marks(A=900.0)
    assert [(x.instrument, x.lots) for x in venue.of(oe.OrderSent)] == [(0, -10), (1, -5)]
    assert removed(fill(venue, -10, 900, order=1)) == []
    assert removed(fill(venue, -5, 1000, order=2)) == [(7, True)]


def test_a_liquidation_waits_for_the_order_of_a_protection() -> None:
    venue, unit, _ = fallen(mark=1000.0)
    protection = c.SetProtection(
        unit=unit, protection=1, kind="stop_loss", trigger=950, instrument=0
    )
    venue.do(protection)
    venue.marks(A=945.0)
    venue.marks(A=930.0)
    assert len(venue.of(e.LiquidationStarted)) == 1
    assert [x.reason for x in venue.of(oe.OrderSent)] == ["protection"]
    happened = fill(venue, -10, 928)
    assert kinds(happened)[-1] == "LiquidationEnded"
    assert happened[-1].outcome == "recovered"
    venue.check(replay=True)


def test_an_operators_release_at_the_trigger_begins_anew_and_cancels_what_is_out() -> None:
    venue, unit, _ = fallen()
    released = venue.do(c.Override(unit=unit, action="release", operator="ada", reason="test"))
    assert kinds(released) == [
        "Overridden",
        "CancelRequested",
        "LiquidationEnded",
        "LiquidationStarted",
    ]
    close(venue)
    assert (sent(venue).order, sent(venue).case) == (2, 2)


# --- legs and inverse contracts -----------------------------------------------------------------


def test_an_order_of_a_hedge_leg_closes_that_leg_alone() -> None:
    venue = Venue(market=OUTSIDE)
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("unit", USDT=1_500), venue.open("winner", USDT=PLENTY)
    venue.trade(unit, winner, "A", 12, 1000, leg=1)
    venue.trade(unit, winner, "A", -2, 1000, leg=-1)
    venue.marks(A=915.0)  # equity 1,500 - 850 = 650, maintenance 640.5
    venue.marks(A=912.0)
    order = sent(venue)
    assert order.leg in {1, -1}
    before = venue.state.book.lots(unit, 0, Leg(-order.leg))
    fill(venue, order.lots, 910)
    assert venue.state.book.lots(unit, 0, Leg(-order.leg)) == before
    happened = fill(venue, order.lots * 15, 910, "x2")
    assert venue.state.book.lots(unit, 0, Leg(order.leg)) == 0
    assert [x.leg for x in happened if isinstance(x, e.Filled)] == [order.leg, 0]
    venue.check(replay=True)


def test_an_inverse_contract_is_booked_in_its_coin_without_a_quantum_lost() -> None:
    venue = Venue(base=everything(0), market=OUTSIDE)
    venue.stream([START])
    unit, other = venue.open("unit", BTC=10**7), venue.open("other", BTC=10**10)
    venue.trade(unit, other, "BTCUSD", 1_000, 120_000)
    venue.marks(BTCUSD=57_000.0, asset_BTC=57_000.0)
    order = sent(venue)
    assert order.lots < -3
    fill(venue, -1, 113_333)
    fill(venue, order.lots + 1 - 7, 113_331, "x2")
    venue.check(replay=True)


# --- durability ---------------------------------------------------------------------------------


def test_orders_outlive_a_restart_as_they_are(tmp_path: Path) -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "whole"}}})
    fill(venue, -1, 925)
    venue.do(c.Pause(instrument=0, reason="test"))
    path = tmp_path / "snapshot"
    digest = venue.engine.write_snapshot(path)
    position = venue.engine.position
    fill(venue, -1, 924, "x2")
    for snapshot in (None, path):
        again = Engine.recover(venue.rulebook, venue.engine.journal, snapshot=snapshot)
        assert again.digest() == venue.engine.digest() != digest
        assert again.state.working.rows() == venue.state.working.rows()
        assert again.state.external == OUTSIDE.terms
        assert again.position == position + 1
        report = c.ReportExecution(order=1, execution="x1", lots=-1, ticks=925)
        assert again.submit(report).is_repeated
        with pytest.raises(Rejected, match="order 2 was never sent"):
            again.submit(c.CloseOrder(order=2, outcome="done"))
    assert venue.lots(unit, "A") == 8


def test_an_order_is_in_the_journal_once_and_its_number_is_never_given_again() -> None:
    venue, _, _ = fallen({"liquidation": {"reduce": {"interval_s": 1, "attempts": 9}}})
    close(venue, "rejected")
    again = Engine.recover(venue.rulebook, venue.engine.journal, market=OUTSIDE)
    for _ in range(2):
        again.submit(c.AdvanceTime(time_ms=again.state.time_ms + 1000))
        again.submit(c.CloseOrder(order=again.state.working.sent, outcome="rejected"))
    events = [event_of(r) for _, rows in again.journal.read(after=0) for r in rows]
    assert [x.order for x in events if isinstance(x, oe.OrderSent)] == [1, 2, 3]


@pytest.mark.parametrize("market", [MarkMarket(), ExternalVenue(time_out_s=11)])
def test_a_journal_goes_on_where_its_orders_have_gone(market: ExecutionVenue) -> None:
    venue, _, _ = fallen()
    with pytest.raises(OtherTerms, match="time_out_ms=10000"):
        Engine.recover(venue.rulebook, venue.engine.journal, market=market)


def test_a_journal_of_the_built_in_market_does_not_go_on_outside() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    with pytest.raises(OtherTerms, match="in the built-in market, not outside"):
        Engine.recover(venue.rulebook, venue.engine.journal, market=OUTSIDE)


def test_an_empty_journal_begins_where_it_is_told() -> None:
    rules = Venue().rulebook
    begun = Engine.recover(rules, MemoryJournal(), market=OUTSIDE)
    assert begun.state.external == OUTSIDE.terms
    begun.submit(c.OpenAccount(name="a"))
    assert Engine.recover(rules, begun.journal).state.external == OUTSIDE.terms


def test_nothing_of_it_is_written_where_the_market_is_built_in() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    _, records = next(iter(venue.engine.journal.read(after=0)))
    assert b"external" not in records[0].payload
    assert b"outside" not in msgspec.json.encode(remembered(venue.state))


@pytest.mark.parametrize(("time_out_s", "retry_s"), [(0, 1), (1, -1)])
def test_a_time_out_of_nothing_is_refused(time_out_s: int, retry_s: int) -> None:
    with pytest.raises(InvalidInput, match="at least 1 s and 0 s"):
        ExternalVenue(time_out_s=time_out_s, retry_s=retry_s)


# --- telling it ---------------------------------------------------------------------------------


def test_an_explanation_tells_what_became_of_every_order() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"interval_s": 5}}})
    fill(venue, -1, 880)
    venue.wait(10)
    venue.do(c.CloseOrder(order=1, outcome="cancelled", reason="book halted"))
    venue.wait(5)
    fill(venue, -9, 925, "y1", order=2)
    fill(venue, -1, 925, "y2", order=2)
    events = events_of_case(venue.events, 1)
    (steps,) = [
        section.lines
        for section in explain_liquidation(events, venue.state.universe).sections
        if section.title == "steps"
    ]
    told = "\n".join(steps)
    for words in (
        "order 1 to sell 2 A at 885 or better sent, to be answered by 1970-01-01T00:00:12.000Z",
        "order 1, execution x1: 1 A at 880",
        "execution x1 is odd: worse than limit",
        "order 1 is to be cancelled: timed out",
        "order 1 closed: cancelled (book halted)",
        "order 2, execution y1: 9 A at 925",
        "execution y1 is odd: beyond lots",
        "order 2 closed: done",
        "execution y2 is odd: more than held",
        "order 2, execution y2: 1 A at 925, of it 1 A the backstop's",
    ):
        assert words in told, told
    assert venue.lots(unit, "A") == 0
