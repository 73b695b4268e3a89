"""Scenarios drawn for a unit, and how far arrays may be from core."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from keelmark.core.excess import maintenance_rule
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.numbers import exact
from keelmark.core.quantum_rule import unrounded
from keelmark.core.rules import WholeNotionalRule
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.kernel import ERROR
from keelmark.risk.revaluation.moved import after_scenario
from keelmark.risk.scenarios import Scenarios, Shocks

ROWS = 3
"""Scenarios of a draw."""

NEAR = Decimal(repr(ERROR))
"""How near a floor either row may be taken."""

QUANTA = 3
"""Quanta that a contract in whole quanta may differ by."""


def block(draw: st.DrawFn, names: tuple[str, ...], reach: float) -> Shocks:
    """Draw a block: shocks within reach, often none or the whole reach."""
    shock = st.sampled_from([0.0, -reach, reach]) | st.floats(-reach, reach)
    count = ROWS * len(names)
    drawn = draw(st.lists(shock, min_size=count, max_size=count))
    return Shocks(names=names, values=np.array(drawn).reshape(ROWS, len(names)))


@st.composite
def scenarios_of(draw: st.DrawFn, valuer: UnitValuer) -> Scenarios:
    """Draw scenarios of everything a unit reads."""
    coins, assets = valuer.coins, valuer.assets

    def maybe(names: tuple[str, ...], reach: float) -> Shocks | None:
        return block(draw, names, reach) if draw(st.booleans()) else None

    return Scenarios(
        returns=block(draw, coins, 0.9),
        volatility=maybe(coins, 0.5),
        basis=maybe(coins, 0.05),
        funding=maybe(coins, 0.02),
        collateral=maybe(assets, 0.5),
    )


def agrees_with_core(valuer: UnitValuer, scenarios: Scenarios) -> None:
    """Assert that every number of every scenario is core's within the stated error."""
    found = valuer.values(scenarios)
    parts = valuer.leg_pnl(scenarios)
    now = margin_report(valuer.unit, valuer.market, valuer.model)
    for row in range(len(scenarios)):
        market, unit = after_scenario(valuer.unit, valuer.market, valuer.model, scenarios, row)
        report = margin_report(unit, market, valuer.model)
        bound = ERROR * gross_of(report) + slack_of(report, valuer)
        pairs = (
            (found.equity[row], report.equity),
            (found.maintenance[row], report.maintenance_margin),
            (found.excess[row], report.maintenance_excess),
            (found.worth[row], report.equity_raw),
        )
        for mine, theirs in pairs:
            assert abs(mine - float(theirs)) <= bound, (mine, theirs, bound, report)
        if abs(float(report.maintenance_excess)) > bound:
            assert bool(found.is_liquidatable[row]) == report.is_liquidatable
        bound += ERROR * gross_of(now)
        with exact():
            pnl = float(report.equity_raw - now.equity_raw)
        assert abs(found.pnl[row] - pnl) <= bound
        assert abs(parts[row].sum() - pnl) <= bound


def gross_of(report: MarginReport) -> float:
    """Return the sum of the absolute terms of a report, valuation currency."""
    total = Decimal(0)
    with exact():
        prices = {a.asset: a.required_price for a in report.assets}
        for asset in report.assets:
            amount = abs(asset.balance) + asset.accrued_interest + asset.loan_margin
            total += (10 * amount + asset.maintenance_margin) * asset.required_price
        for held in report.positions:
            terms = (
                abs(held.value) + abs(held.position.cost) + held.notional + held.maintenance_margin
            )
            if held.option is not None:
                terms += held.option.exposure or Decimal(0)
            total += 10 * terms * prices[held.settle]
    return float(total)


def slack_of(report: MarginReport, valuer: UnitValuer) -> float:
    """Return what rows beside a floor and roundings to whole quanta may differ by."""
    total = Decimal(0)
    with exact():
        prices = {a.asset: a.required_price for a in report.assets}
        for held in report.positions:
            price = prices[held.settle]
            if held.terms.whole_quanta is not None:
                total += QUANTA * held.terms.whole_quanta * price
            rule = unrounded(maintenance_rule(held.position, held.terms))
            if not isinstance(rule, WholeNotionalRule):
                continue
            for low, high in pairwise(rule.tiers):
                if abs(held.notional - high.floor) <= NEAR * held.notional:
                    total += held.notional * abs(high.rate - low.rate) * price
        total *= valuer.model.trigger_level
    return float(total)
