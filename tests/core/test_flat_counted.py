"""Legs whose counted profits cancel: what is left of the amount is rounding, and no price."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from keelmark.core.codes import Leg
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import maintenance_excess
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    InstrumentTerms,
    MarginModel,
    MarginPurpose,
    ProfitTerms,
    Trigger,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import TieredRule, with_deductions
from keelmark.core.unit import MarginUnit, Position

D = Decimal
BTC = Instrument(symbol="BTCUSDT", kind=InstrumentKind.LINEAR_PERPETUAL, base="BTC", settle="USDT")
WEIGHTS = tuple(
    HaircutTier(floor=D(floor), weight=D(weight))
    for floor, weight in ((0, "0.99"), (50_000, "0.9"))
)


def model(trigger: Trigger) -> MarginModel:
    brackets = ((D(0), D("0.005")), (D(1_000_000), D("0.01")), (D(10_000_000), D("0.025")))
    return MarginModel(
        name="half",
        instruments={
            "BTCUSDT": InstrumentTerms(
                instrument=BTC, maintenance=TieredRule(tiers=with_deductions(brackets))
            )
        },
        assets={"USDT": AssetTerms(asset="USDT", schedule=CollateralSchedule(tiers=WEIGHTS))},
        single_asset=True,
        trigger=trigger,
        profit={MarginPurpose.MAINTENANCE: ProfitTerms(weight=D("0.5"))},
    )


def unit(seed: int) -> MarginUnit:
    """Return twice as much long as short: half the profit of the one cancels the other's loss."""
    rng = np.random.default_rng(seed)
    size = D(str(round(rng.uniform(1, 300), 3)))
    with exact():
        legs = tuple(
            Position(
                instrument="BTCUSDT",
                size=signed,
                cost=signed * D(str(round(rng.uniform(20_000, 100_000), 1))),
                leg=leg,
            )
            for signed, leg in ((2 * size, Leg.LONG), (-size, Leg.SHORT))
        )
    return MarginUnit(
        balances={"USDT": D(str(round(rng.uniform(1000, 200_000), 2)))}, positions=legs
    )


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_price_is_one_at_which_the_status_changes(trigger: Trigger) -> None:
    terms, market = model(trigger), Market(marks={"BTCUSDT": D(60_000)})
    near = D("1e-9")
    for seed in range(150):
        held = unit(seed)
        for price in liquidation_prices(held, "BTCUSDT", market, terms).values:
            sides = [
                maintenance_excess(held, replace(market, marks={"BTCUSDT": at}), terms)
                for at in (price * (1 - near), price * (1 + near))
            ]
            assert trigger.holds(excess=sides[0]) != trigger.holds(excess=sides[1]), (seed, price)
