"""Margin written a second time, another way: exact fractions, slice by slice.

Shares nothing with `keelmark.core.margin` but the value types: requirements are sums over the
slices of a table instead of rate times notional less a deduction, collateral is counted slice by
slice, and everything is a `Fraction`, so there is no rounding at all.
"""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from keelmark.core.collateral import CollateralSchedule
from keelmark.core.market import Market
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    Trigger,
)
from keelmark.core.rules import (
    MaintenanceRule,
    SizeScaledRule,
    SizeTierRule,
    TieredRule,
    WholeNotionalRule,
)
from keelmark.core.unit import MarginUnit, Position


def value(terms: InstrumentTerms, size: Fraction, price: Fraction) -> Fraction:
    """Signed value of a position."""
    lot = Fraction(terms.instrument.contract_size)
    return -size * lot / price if terms.instrument.is_inverse else size * lot * price


def slices(amount: Fraction, floors: list[Fraction]) -> list[Fraction]:
    """What of `amount` lies in each slice of a table."""
    edges: list[Fraction | None] = [*floors, None]
    return [
        max(Fraction(0), (amount if high is None else min(amount, high)) - (low or Fraction(0)))
        for low, high in pairwise(edges)
    ]


def row_rate(rule: SizeTierRule | WholeNotionalRule, key: Fraction) -> Fraction:
    """The rate of the row that owns `key`."""
    rate = rule.tiers[0].rate
    for tier in rule.tiers[1:]:
        floor = Fraction(tier.floor)
        if key > floor or (key == floor and rule.edge_upper):
            rate = tier.rate
    return Fraction(rate)


def requirement(rule: MaintenanceRule, size: Fraction, notional: Fraction) -> Fraction:
    """Maintenance by slices."""
    if isinstance(rule, TieredRule):
        parts = slices(notional, [Fraction(t.floor) for t in rule.tiers])
        rates = [Fraction(t.rate) for t in rule.tiers]
        return sum((p * r for p, r in zip(parts, rates, strict=True)), Fraction(0))
    if isinstance(rule, WholeNotionalRule):
        return notional * row_rate(rule, notional)
    if isinstance(rule, SizeTierRule):
        return notional * row_rate(rule, size)
    assert isinstance(rule, SizeScaledRule)
    return notional * (Fraction(rule.base) + Fraction(rule.slope) * size)


def maintenance(position: Position, terms: InstrumentTerms, notional: Fraction) -> Fraction:
    """Maintenance of a position with its close fee."""
    size = abs(Fraction(position.size))
    if position.tier is not None:
        rate, amount = position.tier.maintenance_rate, position.tier.maintenance_amount
        total = max(Fraction(0), notional * Fraction(rate) - Fraction(amount))
    else:
        total = requirement(terms.maintenance, size, notional)
    fee = terms.close_fee
    if fee is None:
        return total
    if fee.basis is CloseFeeBasis.MARK or position.leverage is None:
        return total + Fraction(fee.rate) * notional
    side = 1 if position.size > 0 else -1
    if terms.instrument.is_inverse:  # its value in coin grows as its price falls: L / (L + side)
        side = -side
    bankrupt = abs(Fraction(position.cost)) * (1 - side / Fraction(position.leverage))
    return total + Fraction(fee.rate) * bankrupt


def collateral(schedule: CollateralSchedule, amount: Fraction) -> Fraction:
    """Value of an amount by slices; a debt counts in full."""
    if amount <= 0:
        return amount
    parts = slices(amount, [Fraction(t.floor) for t in schedule.tiers])
    weights = [Fraction(t.weight) for t in schedule.tiers]
    return sum((p * w for p, w in zip(parts, weights, strict=True)), Fraction(0))


def excess(unit: MarginUnit, market: Market, model: MarginModel, level: int = 1) -> Fraction:
    """Equity minus `level` times maintenance, valuation currency, maintenance purpose."""
    weight = Fraction(model.profit_terms(MarginPurpose.MAINTENANCE).weight)
    cash = {a: Fraction(b) for a, b in unit.balances.items()}
    for asset, owed in unit.accrued_interest.items():
        cash[asset] = cash.get(asset, Fraction(0)) - Fraction(owed)
    profit: dict[str, Fraction] = {}
    margin: dict[str, Fraction] = {}
    for position in unit.positions:
        terms = model.instruments[position.instrument]
        settle = terms.instrument.settle
        mark = Fraction(market.marks[position.instrument])
        gain = value(terms, Fraction(position.size), mark) - Fraction(position.cost)
        price = mark
        if terms.margin_price is MarginPrice.INDEX:
            assert terms.instrument.index is not None
            price = Fraction(market.indices[terms.instrument.index])
        notional = abs(value(terms, Fraction(position.size), price))
        if terms.margin_price is MarginPrice.ENTRY:
            notional = abs(Fraction(position.cost))
        profit[settle] = profit.get(settle, Fraction(0)) + (gain * weight if gain > 0 else gain)
        margin[settle] = margin.get(settle, Fraction(0)) + maintenance(position, terms, notional)
    total = Fraction(0)
    for asset in {**cash, **profit, **unit.loans}:
        terms_of = model.assets[asset]
        counted = cash.get(asset, Fraction(0)) + profit.get(asset, Fraction(0))
        based = counted
        if terms_of.haircut_base is HaircutBase.BALANCE:
            based = cash.get(asset, Fraction(0))
        loan = max(Fraction(0), -based) * Fraction(terms_of.schedule.loan_rate)
        loan += Fraction(unit.loans.get(asset, Decimal(0))) * Fraction(terms_of.gross_loan_rate)
        ask = Fraction(terms_of.schedule.ask)
        worth = collateral(terms_of.schedule, based) * (ask if based < 0 else 1) + counted - based
        asset_price = (
            Fraction(market.asset_prices[asset]) if model.reads_price_of(asset) else Fraction(1)
        )
        times = level * Fraction(model.trigger_level)
        total += asset_price * (worth - ask * times * (margin.get(asset, Fraction(0)) + loan))
    return total


def scale(unit: MarginUnit, market: Market, model: MarginModel) -> Fraction:
    """Sum of the absolute terms of the excess: what rounding errors are relative to."""
    total = Fraction(1)
    for asset in {*unit.balances, *unit.accrued_interest, *unit.loans}:
        price = Fraction(market.asset_prices.get(asset, Decimal(1)))
        owed = abs(Fraction(unit.accrued_interest.get(asset, Decimal(0))))
        owed += 2 * Fraction(unit.loans.get(asset, Decimal(0)))
        total += price * (abs(Fraction(unit.balances.get(asset, Decimal(0)))) + owed)
    for position in unit.positions:
        terms = model.instruments[position.instrument]
        price = Fraction(market.asset_prices.get(terms.instrument.settle, Decimal(1)))
        mark = Fraction(market.marks[position.instrument])
        seen = {mark, Fraction(market.indices.get(terms.instrument.index or "", mark))}
        gross = sum((abs(value(terms, Fraction(position.size), p)) for p in seen), Fraction(0))
        total += price * (gross + abs(Fraction(position.cost))) * 4
    return total


def is_liquidatable(unit: MarginUnit, market: Market, model: MarginModel) -> bool:
    """Whether the trigger holds for a unit that has something to liquidate."""
    left = excess(unit, market, model)
    owes = any(
        b - unit.accrued_interest.get(a, Decimal(0)) < 0 for a, b in unit.balances.items()
    ) or any(a not in unit.balances and owed > 0 for a, owed in unit.accrued_interest.items())
    owes = owes or any(
        loan * model.assets[asset].gross_loan_rate > 0 for asset, loan in unit.loans.items()
    )
    holds = left < 0 or (left == 0 and model.trigger is Trigger.AT_OR_BELOW)
    return holds and (bool(unit.positions) or owes)
