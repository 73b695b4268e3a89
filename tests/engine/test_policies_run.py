"""Every policy of every registry runs through the engine, under every invariant."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.core.process import UnitOrder
from keelmark.engine import events as e
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.engine import Engine
from keelmark.engine.execution import SimulatedMarket
from keelmark.engine.losses import LOSS
from keelmark.engine.reduce.order import ORDER
from keelmark.engine.reduce.prices import PRICE
from keelmark.engine.reduce.sizing import SIZING
from keelmark.market.impact import FlatDensity, ImpactModel, exponential_memory
from tests.engine.venue import Venue, merged, rulebook

TIERS = {
    "tables": {
        "flat": {
            "rows": [
                {"floor": "0", "rate": "0.05", "leverage": "10"},
                {"floor": "5000", "rate": "0.07", "leverage": "8"},
                {"floor": "20000", "rate": "0.1", "leverage": "5"},
            ],
        },
    },
}


def a_bad_day(changes: Mapping[str, Any], *, slide: bool = True) -> Venue:
    """Return a venue after a slide and a gap, with winners in profit and a small fund."""
    venue = Venue(merged(TIERS, {"liquidation": changes}))
    venue.marks(A=1000.0, B=1000.0)
    venue.deposit(venue.state.fund_of(-1), 300)
    winners = [venue.open(f"winner {n}", USDT=4_000 * n) for n in (1, 2, 3)]
    losers = [venue.open(f"loser {n}", USDT=1_200 * n) for n in (1, 2, 3)]
    for number, (loser, winner) in enumerate(zip(losers, winners, strict=True), start=1):
        venue.trade(loser, winner, "A", 6 * number, 1000)
        venue.trade(loser, venue.state.liquidity, "B", -number, 1000)
        venue.trade(winner, venue.state.liquidity, "B", number, 1000)
    for price in (960.0, 900.0, 830.0) if slide else ():
        venue.marks(A=price, B=1010.0)
    venue.marks(A=700.0, B=1200.0)
    venue.wait(120)
    venue.check(replay=True)
    return venue


GAP_ONLY = {"stages": ["insurance", "auto_deleverage", "socialise"]}
"""No reduce and no takeover: what the fund cannot carry is deleveraged, then socialised."""


@pytest.mark.parametrize("name", list(DELEVERAGE))
def test_every_deleverage_policy(name: str) -> None:
    venue = a_bad_day({**GAP_ONLY, "deleverage": name}, slide=False)
    assert venue.of(e.Deleveraged)
    assert venue.auditor.steps[8] > 0


@pytest.mark.parametrize("name", list(LOSS))
def test_every_loss_policy(name: str) -> None:
    stages = ["takeover", "insurance", "socialise"]
    venue = a_bad_day({"stages": stages, "socialise": name}, slide=False)
    charged = venue.of(e.LossSocialised)
    assert {event.form for event in charged} == {name}
    assert venue.auditor.steps[9] > 0


@pytest.mark.parametrize("name", list(SIZING))
def test_every_sizing_policy(name: str) -> None:
    venue = a_bad_day({"reduce": {"sizing": name, "price_limit": "no_limit"}})
    assert venue.auditor.steps[7] > 0


@pytest.mark.parametrize("name", list(ORDER))
def test_every_order_policy(name: str) -> None:
    venue = a_bad_day({"reduce": {"order": name, "price_limit": "no_limit", "seed": 3}})
    assert venue.auditor.steps[7] > 0


@pytest.mark.parametrize("name", list(PRICE))
def test_every_price_limit_policy(name: str) -> None:
    venue = a_bad_day({"reduce": {"price_limit": name}})
    assert venue.auditor.steps[7] > 0


@pytest.mark.parametrize("order", list(UnitOrder))
def test_every_order_of_units(order: UnitOrder) -> None:
    assert a_bad_day({"unit_order": order.value}).of(e.LiquidationStarted)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_thin_book_fills_orders_in_part_and_every_part_raises_the_excess(side: int) -> None:
    # 2 lots move the price by 1 %: a limit 3 % away leaves most of 200 lots unfilled
    thin = ImpactModel(
        shape=FlatDensity(density=200.0), memory=exponential_memory(half_life_s=10.0)
    )
    changes = {
        "liquidation": {
            "clearance_fee": "0.001",
            "reduce": {
                "sizing": "whole",
                "price_limit": "bounded_slippage",
                "price_settings": {"slippage": "0.03"},
                "interval_s": 5,
                "attempts": 4,
            },
        },
    }
    venue = Venue(changes, market=SimulatedMarket([thin, thin]))
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=22_000)
    venue.trade(unit, venue.state.liquidity, "A", 200 * side, 1000)
    venue.marks(A=1000.0 - 70 * side)
    for _ in range(6):
        venue.wait(5)
    fills = [x for x in venue.of(e.Filled) if x.reason == "reduce"]
    assert len(fills) > 1
    assert all(0 < -side * x.lots < 200 for x in fills)
    assert venue.auditor.steps[7] == len(fills)
    venue.check(replay=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"deleverage": "queue_leverage_profits"},
        {"socialise": "pro_rata_profits"},
        {"reduce": {"sizing": "wholes"}},
        {"reduce": {"order": "largest"}},
        {"reduce": {"price_limit": "none"}},
        {"reduce": {"sizing": "whole", "sizing_settings": {"fraction": "0.2"}}},
        {"reduce": {"price_limit": "no_limit", "price_settings": {"slippage": "0.2"}}},
        {"reduce": {"impact": {"AA": "0.1"}}},
        {"reduce": {"impact": {"A": "-0.1"}}},
        {"insurance": {"segments": {"meme": ["AA"]}}},
    ],
    ids=str,
)
def test_a_policy_nobody_has_is_refused_when_the_engine_is_opened(changes: dict[str, Any]) -> None:
    spec = merged(Venue().spec, {"liquidation": {"reduce": {"price_limit": "bankruptcy"}}})
    with pytest.raises(InvalidInput):
        Engine(rulebook(merged(spec, {"liquidation": changes})))


def test_least_cost_spreads_a_close_by_the_impact_the_rulebook_assumes() -> None:
    # equal rates and fees: the marginal cost is equal where x_A k_A = x_B k_B, here 3 to 1
    impact = {"A": "0.0000001", "default": "0.0000003"}
    reduce = {"sizing": "least_cost", "price_limit": "no_limit", "impact": impact}
    venue = Venue({"liquidation": {"reduce": reduce}})
    venue.marks(A=1000.0, B=1000.0)
    unit, other = venue.open("spread", USDT=120_000), venue.open("other", USDT=10_000_000)
    for symbol in ("A", "B"):
        venue.trade(unit, other, symbol, 500, 1000)
    venue.marks(A=910.0, B=910.0)
    sold = {x.instrument: -x.lots for x in venue.of(e.Filled) if x.reason == "reduce"}
    assert sold[venue.row("A")] == pytest.approx(3 * sold[venue.row("B")], abs=4)
    assert sold[venue.row("B")] > 50


def test_settings_of_a_policy_reach_it() -> None:
    venue = a_bad_day(
        {
            "reduce": {
                "sizing": "fraction_then_cooldown",
                "sizing_settings": {"fraction": "0.5", "threshold": "100"},
            },
        },
    )
    (first, *_) = [x for x in venue.of(e.Filled) if x.reason == "reduce"]
    started = venue.of(e.LiquidationStarted)[0]
    held = {(row.instrument, row.leg): abs(row.lots) for row in started.holdings}
    half = Decimal(held[first.instrument, first.leg]) / 2
    assert abs(first.lots) == int(half.to_integral_value(rounding="ROUND_CEILING"))
