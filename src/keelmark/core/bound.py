"""The lower bound of the maintenance excess over a box of prices: the third face of the rules.

The bound is the margin formula itself at its adverse corner. An asset's collateral value is the
smallest of a few lines, so the excess is a minimum over lines of sums of functions of one price
each; the infimum of a sum over a box is the sum of the infima, and each infimum is found at the
ends of its interval and at the points where a formula changes.

Source: docs/model.md, "Box law". Kernel twin: `book.tripwires.corner`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.excess import (
    close_fee_amount,
    counted_profit,
    gross_loan_margin,
    maintenance_rule,
    price_of,
)
from keelmark.core.instrument import Instrument
from keelmark.core.market import Market
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
)
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.unit import MarginUnit, Position


class FactorKind(StrEnum):
    """What kind of number a margin formula reads."""

    MARK = "mark"
    INDEX = "index"
    ASSET = "asset"


@dataclass(frozen=True, slots=True)
class Factor:
    """One number that can change without a command to the unit."""

    kind: FactorKind
    name: str


@dataclass(frozen=True, slots=True)
class Interval:
    """The values a factor may take; `high` is `None` where it has no upper end."""

    low: Decimal
    high: Decimal | None

    def __post_init__(self) -> None:
        if self.low < ZERO or (self.high is not None and self.high < self.low):
            msg = f"interval [{self.low}, {self.high}]: needs 0 <= low <= high"
            raise InvalidInput(msg)


Box = Mapping[Factor, Interval]


def mark_factor(terms: InstrumentTerms) -> Factor:
    """Return the factor that moves a position's profit."""
    return Factor(FactorKind.MARK, terms.instrument.symbol)


def margin_factor(terms: InstrumentTerms) -> Factor:
    """Return the factor that moves a position's requirement."""
    if terms.margin_price is MarginPrice.INDEX and terms.instrument.index is not None:
        return Factor(FactorKind.INDEX, terms.instrument.index)
    return mark_factor(terms)


def is_fixed(terms: InstrumentTerms) -> bool:
    """Whether a position's requirement is taken on what it cost and reads no price."""
    return terms.margin_price is MarginPrice.ENTRY


def reads(unit: MarginUnit, model: MarginModel) -> frozenset[Factor]:
    """Return every factor the maintenance excess of `unit` reads."""
    factors: set[Factor] = set()
    assets = {*unit.balances, *unit.accrued_interest, *unit.loans}
    symbols = {p.instrument for p in unit.positions} | {o.instrument for o in unit.orders}
    for symbol in symbols:
        terms = model.instrument(symbol)
        factors.add(mark_factor(terms))
        if terms.margin_price is MarginPrice.INDEX:
            factors.add(margin_factor(terms))
        if terms.option is not None and terms.option.rule.reads_index(terms.instrument):
            index = terms.instrument.index or terms.instrument.base
            factors.add(Factor(FactorKind.INDEX, index))
        assets.add(terms.instrument.settle)
    factors |= {Factor(FactorKind.ASSET, a) for a in assets if model.reads_price_of(a)}
    return frozenset(factors)


def factor_price(factor: Factor, market: Market, model: MarginModel) -> Decimal:
    """Return the present value of a factor."""
    if factor.kind is FactorKind.MARK:
        return market.mark(factor.name)
    if factor.kind is FactorKind.INDEX:
        return market.index(factor.name)
    return price_of(factor.name, market, model)


def has_bound(unit: MarginUnit, model: MarginModel) -> bool:
    """Whether the excess has a lower bound: no cap on profit, no option, no order inside it."""
    capped = model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None
    return not (capped or (model.orders_in_maintenance and unit.orders) or options_of(unit, model))


def options_of(unit: MarginUnit, model: MarginModel) -> tuple[InstrumentTerms, ...]:
    """Return the terms of the options a unit holds."""
    held = [model.instrument(p.instrument) for p in unit.positions]
    return tuple([terms for terms in held if terms.option is not None])


def excess_bound(
    unit: MarginUnit,
    box: Box,
    market: Market,
    model: MarginModel,
    level: Decimal = ONE,
) -> Decimal | None:
    """Return a lower bound of the excess of `unit` while every factor stays in `box`.

    Args:
        unit: The unit.
        box: Intervals by factor; a factor left out stays at its price in `market`.
        market: Prices of the factors that are not in the box.
        model: The venue's terms.
        level: Multiple of maintenance.

    Returns:
        The bound in valuation currency; `None` when the excess has no lower bound on the box, or
        the model has no bound (a cap on positive profit, open orders inside maintenance, options).

    Source: docs/model.md, "Box law".
    """
    if not has_bound(unit, model):
        return None
    with exact():
        total = ZERO
        for asset in _assets(unit, model):
            sides = _Sides(box, market, model, level * model.trigger_level)
            worst = _asset_bound(asset, unit, sides)
            if worst is None:
                return None
            total += worst
        return total


@dataclass(frozen=True, slots=True)
class _Sides:
    """The box with what fills its gaps."""

    box: Box
    market: Market
    model: MarginModel
    level: Decimal

    def interval(self, factor: Factor) -> Interval:
        """Return the interval of a factor; one point where the box leaves it out."""
        known = self.box.get(factor)
        if known is not None:
            return known
        price = factor_price(factor, self.market, self.model)
        return Interval(price, price)


def _assets(unit: MarginUnit, model: MarginModel) -> list[str]:
    names = dict.fromkeys((*unit.balances, *unit.accrued_interest, *unit.loans))
    settles = (model.instrument(p.instrument).instrument.settle for p in unit.positions)
    names.update(dict.fromkeys(settles))
    return list(names)


def _asset_bound(asset: str, unit: MarginUnit, sides: _Sides) -> Decimal | None:
    """Return the infimum of price times total of one asset."""
    terms = sides.model.asset_in(unit.kind, asset)
    cash = unit.balances.get(asset, ZERO) - unit.accrued_interest.get(asset, ZERO)
    level = terms.schedule.ask * sides.level  # requirements are priced at the ask
    loan = terms.schedule.ask * (sides.level - ONE) * terms.schedule.loan_rate
    gross = level * gross_loan_margin(unit, terms)
    held = [
        p for p in unit.positions if sides.model.instrument(p.instrument).instrument.settle == asset
    ]
    if terms.haircut_base is HaircutBase.BALANCE:
        value = terms.schedule.value(cash) + loan * min(ZERO, cash)
        lines = [(ONE, value - gross)]
    else:
        lines = [
            (slope, line.intercept + slope * cash - gross)
            for line in terms.schedule.segments
            for slope in [line.slope + (loan if line.slope > ONE else ZERO)]
        ]
    asked = sides if level == sides.level else replace(sides, level=level)
    totals = [_line_bound(slope, fixed, held, asked) for slope, fixed in lines]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return None
    return _times_price(min(known), sides.interval(Factor(FactorKind.ASSET, asset)))


def _times_price(total: Decimal, price: Interval) -> Decimal | None:
    """Return the infimum of `price * total`: the end is given by the sign of the total."""
    if total >= ZERO:
        return price.low * total
    return None if price.high is None else price.high * total


def _line_bound(
    slope: Decimal,
    fixed: Decimal,
    held: list[Position],
    sides: _Sides,
) -> Decimal | None:
    """Return `fixed` plus the infima of the functions of each factor on one collateral line."""
    functions: dict[Factor, list[_Row]] = {}
    for position in held:
        terms = sides.model.instrument(position.instrument)
        weight = sides.model.profit_terms(MarginPurpose.MAINTENANCE).weight
        profit = _Row(position, terms, slope, weight, ZERO)
        margin = _Row(position, terms, ZERO, weight, sides.level)
        functions.setdefault(mark_factor(terms), []).append(profit)
        functions.setdefault(margin_factor(terms), []).append(margin)
    total = fixed
    for factor, rows in functions.items():
        least = _infimum(rows, sides.interval(factor))
        if least is None:
            return None
        total += least
    return total


@dataclass(frozen=True, slots=True)
class _Row:
    """`profit_slope * counted profit - level * requirement` of one position, in one price.

    `t` is the unsigned value of one unit of size: it rises with the price for linear contracts and
    falls for inverse ones, and every formula is piecewise linear in it.
    """

    position: Position
    terms: InstrumentTerms
    profit_slope: Decimal
    weight: Decimal
    level: Decimal

    @property
    def instrument(self) -> Instrument:
        """The contract."""
        return self.terms.instrument

    @property
    def size_in_value(self) -> Decimal:
        """Signed size such that value is this times `t`."""
        return -self.position.size if self.instrument.is_inverse else self.position.size

    def at(self, t: Decimal) -> Decimal:
        """Return the smaller one-sided limit of the function at `t`."""
        value = self.size_in_value * t - (self.terms.whole_quanta or ZERO)  # it may be cut by one
        profit = counted_profit(value - self.position.cost, self.weight)
        if self.level == ZERO:
            return self.profit_slope * profit
        size = abs(self.position.size)
        rule = maintenance_rule(self.position, self.terms)
        notional = abs(self.position.cost) if is_fixed(self.terms) else size * t
        fee = close_fee_amount(self.terms.close_fee, self.position, notional)
        requirement = rule.supremum(size, notional) + fee
        return self.profit_slope * profit - self.level * requirement

    def slope_at_infinity(self) -> Decimal:
        """Return the slope in `t` beyond every breakpoint."""
        signed = self.size_in_value
        slope = self.profit_slope * signed * (self.weight if signed > ZERO else ONE)
        if self.level == ZERO or is_fixed(self.terms):
            return slope
        size = abs(self.position.size)
        rate = maintenance_rule(self.position, self.terms).rate_at_infinity(size)
        fee = self.terms.close_fee
        if fee is not None and (fee.basis is CloseFeeBasis.MARK or self.position.leverage is None):
            rate += fee.rate
        return slope - self.level * rate * size

    def breakpoints(self) -> list[Decimal]:
        """Return every `t` at which the formula changes."""
        size = abs(self.position.size)
        rule = maintenance_rule(self.position, self.terms)
        floors = () if is_fixed(self.terms) else rule.breakpoints(size)
        points = [notional / size for notional in floors]
        points.append(self.position.cost / self.size_in_value)
        return points


def _infimum(rows: list[_Row], prices: Interval) -> Decimal | None:
    """Return the infimum of a sum of rows over an interval of their common price."""
    inverse = rows[0].instrument.is_inverse
    size = rows[0].instrument.contract_size
    if any(r.instrument.is_inverse != inverse or r.instrument.contract_size != size for r in rows):
        return _sum_or_none(_infimum([row], prices) for row in rows)
    low, high = _value_interval(prices, size, inverse=inverse)
    candidates = [low, *(p for r in rows for p in r.breakpoints() if _inside(p, low, high))]
    if high is not None:
        candidates.append(high)
    elif sum((row.slope_at_infinity() for row in rows), ZERO) < ZERO:
        return None
    return min(sum((row.at(t) for row in rows), ZERO) for t in candidates)


def _inside(point: Decimal, low: Decimal, high: Decimal | None) -> bool:
    return point > low and (high is None or point < high)


def _value_interval(
    prices: Interval,
    size: Decimal,
    *,
    inverse: bool,
) -> tuple[Decimal, Decimal | None]:
    """Return the interval of `t` for an interval of prices."""
    if not inverse:
        return size * prices.low, None if prices.high is None else size * prices.high
    low = ZERO if prices.high is None else size / prices.high
    return low, None if prices.low == ZERO else size / prices.low


def _sum_or_none(terms: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for term in terms:
        if term is None:
            return None
        total += term
    return total
