"""The maintenance excess alone: the number every decision turns on, without a report of its parts.

The formulas of one position and one asset are written here once; `core.margin` builds its report
from the same functions, and a property test holds the two results equal.

Source: docs/model.md, "Excess". Kernel twin: `book.kernels.margin`.
"""

from decimal import Decimal

from keelmark.core.collateral import CollateralSchedule
from keelmark.core.errors import InvalidInput, InvariantViolated
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
)
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.option_margin import counted_value, option_facts
from keelmark.core.quantum_rule import QuantumRule, towards_zero
from keelmark.core.rules import MaintenanceRule, RowRule
from keelmark.core.unit import MarginUnit, Position


def plain_excess(unit: MarginUnit, market: Market, model: MarginModel, level: Decimal) -> Decimal:
    """Return equity minus `level` times maintenance, where neither caps nor orders count.

    The caller has entered core's decimal context. Sums run in the order of the report, so the two
    are equal to the last digit.
    """
    weight = model.profit_terms(MarginPurpose.MAINTENANCE).weight
    profits: dict[str, Decimal] = {}
    margins: dict[str, Decimal] = {}
    for position in unit.positions:
        terms = model.instrument(position.instrument)
        settle = terms.instrument.settle
        profit, amount = counted_and_required(position, terms, market, weight)
        profits[settle] = profits.get(settle, ZERO) + profit
        margins[settle] = margins.get(settle, ZERO) + amount
    equity = required = ZERO
    for name in asset_names(unit, profits, model):
        price = price_of(name, market, model)
        terms_of = model.asset_in(unit.kind, name)
        cash = cash_of(unit, name)
        counted, loan = collateral(terms_of.schedule, terms_of, cash, profits.get(name, ZERO))
        equity += counted * price
        gross = gross_loan_margin(unit, terms_of)
        ask = terms_of.schedule.ask
        asked = price if ask == ONE else price * ask
        required += (margins.get(name, ZERO) + loan + gross) * asked
    return equity - level * required


def worth(unit: MarginUnit, market: Market, model: MarginModel) -> Decimal:
    """Return what a unit is worth at the marks, valuation currency: no haircut, no weight, no cap.

    `MarginReport.equity_raw` without a report. The caller has entered core's decimal context.
    """
    totals: dict[str, Decimal] = {}
    for position in unit.positions:
        terms = model.instrument(position.instrument)
        settle = terms.instrument.settle
        value, _ = value_and_notional(position, terms, market)
        gain = value if terms.option is not None else value - position.cost
        totals[settle] = totals.get(settle, ZERO) + gain
    names = asset_names(unit, totals, model)
    held = (
        (cash_of(unit, name) + totals.get(name, ZERO)) * price_of(name, market, model)
        for name in names
    )
    return sum(held, ZERO)


def counted_and_required(
    position: Position,
    terms: InstrumentTerms,
    market: Market,
    weight: Decimal,
) -> tuple[Decimal, Decimal]:
    """Return what a position counts for in equity, and its maintenance with the fee to close."""
    if terms.option is not None:
        facts = option_facts(position, terms, market)
        return counted_value(facts, terms), terms.option.rule.maintenance(facts).amount
    value, notional = value_and_notional(position, terms, market)
    amount = maintenance_rule(position, terms).amount(abs(position.size), notional)
    if terms.close_fee is not None:
        amount += close_fee_amount(terms.close_fee, position, notional)
    return counted_profit(value - position.cost, weight), amount


def value_and_notional(
    position: Position,
    terms: InstrumentTerms,
    market: Market,
) -> tuple[Decimal, Decimal]:
    """Return the signed value at the mark and the unsigned value at the margin price.

    At its entry price a position is worth what it cost.
    """
    instrument = terms.instrument
    value = position.size * instrument.value_per_size(mark_of(terms, market))
    if terms.whole_quanta is not None:
        value = towards_zero(value, terms.whole_quanta)
    if terms.margin_price is MarginPrice.MARK:
        return value, abs(value)
    if terms.margin_price is MarginPrice.ENTRY:
        return value, abs(position.cost)
    per_size = instrument.value_per_size(margin_price_of(terms, market))
    return value, abs(position.size * per_size)


def mark_of(terms: InstrumentTerms, market: Market) -> Decimal:
    """Return the mark price of a contract; an option's may be zero."""
    symbol = terms.instrument.symbol
    return market.premium(symbol) if terms.option is not None else market.mark(symbol)


def asset_names(unit: MarginUnit, settles: dict[str, Decimal], model: MarginModel) -> list[str]:
    """Return every asset of a unit: balances, interest, loans, what its contracts settle in.

    Raises:
        InvalidInput: Several assets under a model that prices none of them against each other.
    """
    held = (*unit.balances, *unit.accrued_interest, *unit.loans)
    names = list(dict.fromkeys((*held, *settles)))
    if model.single_asset and len(names) > 1:
        msg = (
            f"unit {unit.unit_id} holds {', '.join(names)}; {model.name} margins each asset by "
            "itself: make one unit per settle asset"
        )
        raise InvalidInput(msg)
    return names


def cash_of(unit: MarginUnit, asset: str) -> Decimal:
    """Return a balance less the interest accrued on it."""
    balance = unit.balances.get(asset, ZERO)
    interest = unit.accrued_interest.get(asset)
    return balance if interest is None else balance - interest


def gross_loan_margin(
    unit: MarginUnit,
    terms: AssetTerms,
    purpose: MarginPurpose = MarginPurpose.MAINTENANCE,
) -> Decimal:
    """Return the margin on what is borrowed of an asset, however much of it is held."""
    loan = unit.loans.get(terms.asset)
    return ZERO if loan is None else loan * terms.gross_loan_rate_for(purpose)


def price_of(asset: str, market: Market, model: MarginModel) -> Decimal:
    """Return the price of an asset in the valuation currency; one where no price is read."""
    return market.asset_price(asset) if model.reads_price_of(asset) else ONE


def maintenance_rule(position: Position, terms: InstrumentTerms) -> MaintenanceRule:
    """Return the rule of a position: its own venue row where it carries one."""
    row = position.tier
    if row is None:
        return terms.maintenance
    if terms.whole_quanta is not None and row.maintenance_amount == ZERO:
        return QuantumRule(initial=row.maintenance_rate, fraction=ONE, quantum=terms.whole_quanta)
    return RowRule(rate=row.maintenance_rate, deduction=row.maintenance_amount)


def margin_price_of(terms: InstrumentTerms, market: Market) -> Decimal:
    """Return the market's price that requirements are taken on; on entry prices, the mark."""
    if terms.margin_price is not MarginPrice.INDEX:
        return mark_of(terms, market)
    if terms.instrument.index is None:
        msg = f"{terms.instrument.symbol}: margined on an index without a name"
        raise InvariantViolated(msg)
    return market.index(terms.instrument.index)


def counted_profit(profit: Decimal, weight: Decimal) -> Decimal:
    """Return what an unrealised profit counts for: losses in full."""
    return profit * weight if profit > ZERO else profit


def close_fee_amount(fee: CloseFee | None, position: Position, notional: Decimal) -> Decimal:
    """Return the fee to close that is part of the requirements, settle asset.

    On the bankruptcy basis: `rate * entry notional * (1 - 1/L)` for what is worth less there (a
    linear long, an inverse short), `1 + 1/L` for what is worth more.
    Source: Bybit, "Initial Margin Calculation" (unified account).
    """
    if fee is None:
        return ZERO
    if fee.basis is CloseFeeBasis.MARK or position.leverage is None:
        return fee.rate * notional
    direction = ONE if position.cost > ZERO else -ONE
    return fee.rate * abs(position.cost) * (ONE - direction / position.leverage)


def collateral(
    schedule: CollateralSchedule,
    terms: AssetTerms,
    cash: Decimal,
    profit: Decimal,
) -> tuple[Decimal, Decimal]:
    """Return the value after haircuts and the loan margin of one asset, in the asset at its price.

    The loan margin is a requirement: it is priced at the ask, as every other.

    Args:
        schedule: Weights of the purpose.
        terms: Says whether the weights apply to equity or to the balance alone.
        cash: Balance less accrued interest.
        profit: Counted profit settled in the asset.
    """
    if terms.haircut_base is HaircutBase.BALANCE:
        loan = loan_margin(schedule, cash)
        return schedule.value(cash) + schedule.ask * loan + profit, loan
    counted = cash + profit
    loan = loan_margin(schedule, counted)
    return schedule.value(counted) + schedule.ask * loan, loan


def loan_margin(schedule: CollateralSchedule, amount: Decimal) -> Decimal:
    """Return the margin on a debt: nothing on a credit balance."""
    return -amount * schedule.loan_rate if amount < ZERO else ZERO
