"""Parameters change under open positions; what things are counted in does not."""

from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_waterfall import COINS, TAKEOVER_ONLY, fallen
from tests.engine.venue import Spec, Venue, merged, rulebook_text

DEARER: Spec = {
    "tables": {"flat": {"rows": [{"floor": "0", "rate": "0.12", "leverage": "5"}]}},
}


def change(venue: Venue, changes: Spec) -> list[Any]:
    return venue.do(c.SetRulebook(text=rulebook_text(merged(venue.spec, changes))))


def test_a_unit_that_a_dearer_table_brings_to_its_trigger_is_liquidated_at_once() -> None:
    # equity 1,100 against 12 % of 10,000
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    change(venue, DEARER)
    assert [x.unit for x in venue.of(e.LiquidationEnded)] == [unit]
    venue.check(replay=True)


def test_a_cheaper_table_lets_a_waiting_unit_recover() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}})
    venue.marks(A=930.0)
    assert unit in venue.state.cases
    rows = [{"floor": "0", "rate": "0.01", "leverage": "10"}]
    change(venue, {"tables": {"flat": {"rows": rows}}})
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["recovered"]


def test_a_usage_protection_is_watched_as_before() -> None:
    venue, unit, _ = fallen(deposit=1_500)
    command = c.SetProtection(unit=unit, protection=1, kind="usage_ceiling", trigger=500_000)
    venue.do(command)
    change(venue, {"liquidation": {"clearance_fee": "0.001"}})
    venue.marks(A=940.0)
    assert venue.lots(unit, "A") == 0


def test_an_equity_floor_sees_new_haircuts() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDC=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(c.SetProtection(unit=unit, protection=1, kind="equity_floor", trigger=8_500))
    change(venue, {"assets": {"USDC": {"weights": [{"floor": "0", "weight": "0.8"}]}}})
    assert venue.lots(unit, "A") == 0


def test_a_fund_may_be_given_other_instruments() -> None:
    changes = {"liquidation": {"insurance": {"segments": {"small": ["B"]}}}}
    venue, _, _ = fallen(merged(TAKEOVER_ONLY, changes))
    small = venue.state.funds["fund:small"]
    assert venue.state.fund_of(0) == venue.state.funds["fund:default"]
    venue.deposit(small, 5_000)
    change(venue, {"liquidation": {"insurance": {"segments": {"small": ["A", "B"]}}}})
    assert venue.state.fund_of(0) == small
    venue.marks(A=800.0)
    assert venue.balance(small) == 4_100


COUNTED: dict[str, Spec] = {
    "a coarser lot": {"instruments": {"A": {"lot": "10"}}},
    "a finer price": {"defaults": {"price_unit": "0.5"}},
    "another contract size": {"instruments": {"B": {"contract_size": "2"}}},
    "another kind": {"instruments": {"A": {"kind": "inverse_perpetual"}}},
    "another settle asset": {
        "assets": {"USDC": {"quantum": "1"}},
        "instruments": {"A": {"settle": "USDC"}},
    },
    "a finer quantum": {"assets": {"USDT": {"quantum": "0.1"}}},
    "a further instrument": {
        "instruments": {"C": {"kind": "linear_perpetual", "base": "C", "settle": "USDT"}},
    },
    "a further asset": {"assets": {"USDC": {"quantum": "1"}}},
    "margin on an index": {"instruments": {"A": {"margin_price": "index", "index": "I"}}},
    "another valuation": {"valuation": "USD"},
    "single assets": {"single_asset": True},
    "a fund nobody has": {"liquidation": {"insurance": {"segments": {"new": ["A"]}}}},
    "a policy nobody has": {"liquidation": {"deleverage": "lottery"}},
    "a table nobody has": {"instruments": {"A": {"table": "none"}}},
}


@pytest.mark.parametrize("changes", COUNTED.values(), ids=COUNTED)
def test_what_would_move_money_without_an_event_is_refused(changes: Spec) -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    with pytest.raises(InvalidInput):
        change(venue, changes)
    venue.marks(A=990.0)


def test_rows_in_another_order_are_refused() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    spec = dict(venue.spec)
    spec["instruments"] = dict(reversed(spec["instruments"].items()))
    with pytest.raises(InvalidInput):
        venue.do(c.SetRulebook(text=rulebook_text(spec)))


# --- a future that ends -----------------------------------------------------------------------


DATED: Spec = {
    "instruments": {
        "A": {"kind": "linear_future", "expiry": "2025-12-26T08:00:00Z"},
    },
}


def test_a_settled_future_becomes_cash_and_is_traded_no_more() -> None:
    venue, unit, winner = fallen(DATED, deposit=5_000)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=0, lots=1, ticks=1000))
    venue.do(c.Settle(instrument=0, ticks=970))
    assert (venue.balance(unit), venue.lots(unit, "A")) == (4_700, 0)
    assert venue.lots(winner, "A") == 0
    assert not venue.state.orders.get(unit)
    assert venue.state.is_paused(0)
    venue.check(replay=True)


def test_a_settlement_that_leaves_a_debt_is_resolved() -> None:
    venue, unit, _ = fallen(merged(TAKEOVER_ONLY, DATED), fund=5_000)
    venue.do(c.Settle(instrument=0, ticks=800))
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.unit, ended.deficit, ended.fund) == (unit, 900, 900)


def test_a_settlement_ends_a_liquidation_that_waits() -> None:
    waits = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}}
    venue, unit, _ = fallen(merged(waits, DATED))
    venue.marks(A=930.0)
    assert unit in venue.state.cases
    venue.do(c.Settle(instrument=0, ticks=930))
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["recovered"]
    assert venue.balance(unit) == 400


# --- orders inside maintenance ------------------------------------------------------------------


ORDERS_COUNT: Spec = {"orders_in_maintenance": True, "liquidation": TAKEOVER_ONLY["liquidation"]}


def test_orders_that_count_in_maintenance_are_watched_though_no_wire_sees_them() -> None:
    # 10 lots and an order for 10 of B: at 950 equity 2,600 - 500 = 2,100 of 475 + 500; at 850
    # 1,100 of 425 + 500 = 925; at 830 900 of 415 + 500 = 915: the trigger, 415 alone would not be
    venue, unit, _ = fallen(ORDERS_COUNT, deposit=2_600)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=10, ticks=1000))
    venue.stream([{"A": 950.0}, {"A": 850.0}])
    assert venue.of(e.LiquidationStarted) == []
    venue.stream([{"A": 840.0}, {"A": 830.0}, {"A": 1000.0}])
    (started,) = venue.of(e.LiquidationStarted)
    assert (started.equity, started.maintenance) == ("900", "915.00")
