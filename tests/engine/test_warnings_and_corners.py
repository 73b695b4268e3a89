"""Warning levels by hand, collateral sold by hand, and corners that are rarely visited."""

from decimal import Decimal

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_closing import close, statement
from tests.engine.test_explain import section, working
from tests.engine.test_waterfall import (
    COINS,
    TAKEOVER_ONLY,
    coins,
    ended,
    equity,
    fallen,
    override,
    paid,
)
from tests.engine.venue import Spec, Venue, merged

LEVELS: Spec = {
    "liquidation": {
        "warn": {"levels": ["0.5", "0.8"], "hysteresis": "0.05", "recheck_s": 60},
        "margin_call": {"usage": "0.9"},
    },
}


def warned(venue: Venue) -> list[tuple[int, tuple[int, ...]]]:
    return [(x.level, x.units) for x in venue.of(e.Warned)]


def cleared(venue: Venue) -> list[tuple[int, tuple[int, ...]]]:
    return [(x.level, x.units) for x in venue.of(e.WarningCleared)]


def test_each_level_is_told_once_on_the_way_down() -> None:
    # 1,500 and 10 lots: usage 475 / 1,000 at 950, 470 / 900 = 0.52 at 940, 460 / 700 = 0.66 at
    # 920, 452.5 / 550 = 0.82 at 905, and 450 / 500 = 0.9 at 900
    venue, unit, _ = fallen(LEVELS, deposit=1_500)
    for price in (950.0, 940.0, 920.0, 905.0, 904.0, 900.0):
        venue.marks(A=price)
    assert warned(venue) == [(1, (unit,)), (2, (unit,)), (3, (unit,))]
    assert venue.state.is_reduce_only(unit)


def test_a_gap_tells_the_last_level_it_has_passed() -> None:
    venue, unit, _ = fallen(LEVELS, deposit=1_500)
    venue.marks(A=905.0)
    assert warned(venue) == [(2, (unit,))]


def test_a_level_is_cleared_below_its_hysteresis_and_not_before_its_time() -> None:
    # cleared below a usage of 0.45: at 970 it is 485 / 1,200 = 0.40, at 955 477.5 / 1,050 = 0.455
    venue, unit, _ = fallen(LEVELS, deposit=1_500)
    venue.marks(A=940.0)
    venue.marks(A=970.0)
    assert cleared(venue) == []
    venue.marks(A=955.0)
    venue.wait(60)
    assert cleared(venue) == []
    venue.marks(A=970.0)
    venue.wait(60)
    assert cleared(venue) == [(0, (unit,))]
    venue.marks(A=940.0)
    assert warned(venue) == [(1, (unit,)), (1, (unit,))]


def test_a_unit_that_was_taken_over_is_no_longer_warned() -> None:
    venue, unit, _ = fallen(merged(LEVELS, TAKEOVER_ONLY), deposit=1_500)
    venue.marks(A=940.0)
    venue.marks(A=800.0)
    assert ended(venue).unit == unit
    venue.wait(60)
    assert venue.state.levels == {}


def test_nobody_is_warned_who_holds_nothing() -> None:
    venue, _, _ = fallen(LEVELS, deposit=1_500)
    venue.open("empty")
    venue.open("rich", USDT=10)
    venue.marks(A=1001.0)
    assert warned(venue) == []


CORE_ONLY: Spec = merged(
    LEVELS,
    {
        "instruments": {"A": {"close_fee": {"rate": "0.001", "basis": "bankruptcy"}}},
        "profit": {"maintenance": {"weight": "1", "cap": "100"}},
    },
)
"""A capped profit has no kernel face: the core alone can margin these units."""


def test_units_that_only_the_core_can_margin_go_the_same_way() -> None:
    # a fee to close of 10,000 * 0.1 % * (1 - 1/10) = 9 is inside maintenance at a leverage of 10
    venue = Venue(CORE_ONLY)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000, leverage=1000)
    assert venue.state.report(unit).maintenance_margin == 509
    assert warned(venue) == []
    venue.marks(A=940.0)  # (470 + 9) / 900 = 0.53
    assert warned(venue) == [(1, (unit,))]
    venue.marks(A=1000.0)
    venue.wait(60)
    assert cleared(venue) == [(0, (unit,))]
    venue.marks(A=895.0)  # equity 450, maintenance 447.5 + 9
    assert [x.unit for x in venue.of(e.LiquidationStarted)] == [unit]
    assert "+ 9 to close" in section(working(venue), "requirement")[0]


CONVERT: Spec = {"assets": {"USDC": {"conversion_haircut": "0.01"}}}


def converting(**balances: int) -> tuple[Venue, int]:
    venue = Venue(merged(merged(COINS, CONVERT), {"liquidation": {"stages": STAGES}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", **balances)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    return venue, unit


STAGES = ["convert_collateral", "reduce", "takeover", "insurance", "auto_deleverage", "socialise"]


def test_collateral_is_sold_for_what_the_unit_is_short_of() -> None:
    # 100 USDT and 1,500 USDC. At 910: 100 - 900 = -800 and 1,350 counted: 550 of 455. At 890:
    # -1,000 + 1,350 = 350 of 445. Sold are 1,000 / 0.99 = 1,010.1, so 1,011 USDC for 1,000 USDT:
    # what is left counts 0.9 * 489 = 440.1 of 445, and a lot is sold after all.
    venue, unit = converting(USDT=100, USDC=1_500)
    venue.marks(A=890.0)
    moves = [(x.asset, x.quanta) for x in venue.of(e.Transferred) if x.reason == "conversion"]
    assert moves == [(1, 1_011), (0, 1_000)]
    assert venue.lots(unit, "A") == 9
    assert ended(venue).outcome == "recovered"
    assert venue.balance(unit, "USDC") == 489


def test_collateral_is_not_sold_where_the_exchange_costs_more_than_the_haircut() -> None:
    dear = {"assets": {"USDC": {"conversion_haircut": "0.2"}}}
    venue = Venue(merged(merged(COINS, dear), {"liquidation": {"stages": STAGES}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=100, USDC=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=890.0)
    assert [x for x in venue.of(e.Transferred) if x.reason == "conversion"] == []
    assert venue.lots(unit, "A") < 10


def test_collateral_that_nobody_buys_stays() -> None:
    none = {"assets": {"USDC": {"conversion_haircut": "1"}}}
    venue = Venue(merged(merged(COINS, none), {"liquidation": {"stages": STAGES}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=100, USDC=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=890.0)
    assert venue.balance(unit, "USDC") == 1_500


def test_a_debt_that_collateral_covers_is_paid_and_the_rest_is_kept() -> None:
    # 500 USDT owed beside 1,000 USDC at 0.55: 495 counted. They buy 550 USDT: 50 stay.
    venue = coins()
    unit = venue.open("unit", USDC=2_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=950.0)
    venue.trade(unit, venue.state.liquidity, "A", -10, 950)
    venue.do(c.Withdraw(unit=unit, asset=1, quanta=1_000))
    venue.marks(asset_USDC=0.55)
    assert paid(ended(venue)) == {}
    assert (venue.balance(unit), venue.balance(unit, "USDC")) == (50, 0)


def test_an_operator_takes_over_what_he_has_held_past_its_trigger() -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY, fund=5_000)
    venue.do(override(unit, "hold"))
    venue.marks(A=800.0)
    assert venue.of(e.LiquidationStarted) == []
    venue.do(override(unit, "takeover"))
    assert paid(ended(venue)) == {"deficit": 900, "fund": 900}


def test_a_window_smaller_than_a_lot_lets_one_lot_through() -> None:
    changes = {"liquidation": {"guards": {"notional_max": "500", "window_s": 10}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)  # 2 lots are needed
    assert venue.lots(unit, "A") == 9
    venue.wait(10)
    assert venue.lots(unit, "A") == 8
    assert ended(venue).outcome == "recovered"


def test_both_legs_of_a_hedge_are_sold_together_where_the_rulebook_says_so() -> None:
    changes = {"liquidation": {"reduce": {"order": "hedged_first", "sizing": "whole"}}}
    venue = Venue(changes)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=2_500)
    venue.trade(unit, venue.state.liquidity, "B", 10, 1000)
    venue.trade(unit, venue.state.liquidity, "A", 5, 1000, leg=1)
    venue.trade(unit, venue.state.liquidity, "A", -5, 1000, leg=-1)
    venue.marks(B=825.0)  # equity 750, maintenance 250 + 250 + 412.5
    fills = [(x.instrument, x.lots) for x in venue.of(e.Filled) if x.reason == "reduce"]
    assert fills[0][0] == 0
    assert ended(venue).outcome == "recovered"


def test_a_paused_inventory_is_not_deleveraged() -> None:
    takeover = {"deleverage_below": "0", "dispose_interval_s": 60}
    venue, _, winner = fallen(merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}}))
    venue.marks(A=920.0)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.marks(A=880.0, after_ms=60_000)
    assert venue.of(e.Deleveraged) == []
    venue.do(c.Resume(instrument=0, reason="test"))
    venue.wait(60)
    assert venue.lots(winner, "A") == 0
    assert equity(venue, venue.state.backstop) == -100


def test_closing_an_account_cancels_its_orders_and_needs_prices_for_its_debts() -> None:
    venue = coins()
    unit = venue.open("unit", USDC=2_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=1, ticks=1000))
    venue.marks(A=950.0)
    venue.marks(asset_USDC=float("nan"))
    with pytest.raises(Rejected) as error:
        venue.do(close())
    assert error.value.reason is RejectionReason.UNTRUSTED_MARK
    venue.marks(asset_USDC=1.0)
    venue.do(close())
    assert [x.unit for x in venue.of(e.OrdersCancelled)] == [unit]
    assert statement(venue)[-1] == ("owner", 1, 1_500)


def test_a_future_is_not_settled_at_no_price() -> None:
    dated = {"kind": "linear_future", "expiry": "2025-12-26T08:00:00Z"}
    venue, _, _ = fallen({"instruments": {"A": dated}})
    with pytest.raises(InvalidInput):
        venue.do(c.Settle(instrument=0, ticks=0))


def test_accounts_opened_in_bulk_are_watched_like_others() -> None:
    venue = Venue(LEVELS)
    venue.marks(A=1000.0, B=1000.0)
    venue.engine.submit_bulk(e.AccountsOpened(count=3, isolated=np.array([1])))
    first = venue.state.book.cross_unit(0)
    isolated = venue.state.book.units_of(1)[1]
    assert (venue.state.book.accounts_count, isolated) == (3, first + 3)
    for unit in (first, isolated):
        venue.deposit(unit, 1_500)
        venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=940.0)
    assert warned(venue) == [(1, (first, isolated))]
    venue.check(replay=True)


def test_margin_on_a_debt_and_cancelled_orders_are_explained() -> None:
    loans = merged(COINS, {"assets": {"USDT": {"loan_rate": "0.1"}}})
    venue = Venue(merged(loans, {"liquidation": {"stages": ["cancel_orders", *STAGES[1:]]}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=100, USDC=2_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=1, ticks=1000))
    venue.marks(A=870.0)  # 100 - 1,300 = -1,200: margin on it 120; 600 of 435 + 120
    venue.marks(A=862.0)  # -1,280 and 128; 520 of 431 + 128
    found = working(venue)
    required = section(found, "requirement")
    assert Decimal(required[1].split(": ")[1].split()[0]) == 128
    assert section(found, "steps")[0] == f"open orders of unit {unit} cancelled"
