"""The prices a unit reads as functions of the size of a joint move."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.core.bound import (
    Box,
    Factor,
    FactorKind,
    Interval,
    excess_bound,
    factor_price,
    options_of,
    reads,
)
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.repricing import Repricer
from keelmark.core.unit import MarginUnit

PRECISION = Decimal("1e-15")
"""Relative width at which a crossing counts as found."""

REACH_MAX = Decimal(10)
"""Largest rise searched, in multiples of the present price: eleven times it is the end."""


@dataclass(frozen=True, slots=True)
class PricePath:
    """The factors of a unit as functions of the size of the move.

    A direction names contracts, and coins that count at their own price. An option's direction is
    that of its underlying: its forward moves so, and its mark is repriced.
    """

    unit: MarginUnit
    market: Market
    model: MarginModel
    direction: Mapping[str, Decimal]
    slopes: Mapping[Factor, Decimal]
    options: Mapping[str, Repricer] = field(default_factory=dict)

    @classmethod
    def along(
        cls,
        unit: MarginUnit,
        direction: Mapping[str, Decimal],
        market: Market,
        model: MarginModel,
        factors: frozenset[Factor] | None = None,
    ) -> "PricePath":
        """Return the path of every factor `unit` reads; of `factors` where they are at hand.

        Raises:
            CannotReprice: An option that moves has no volatility or time to expiry.
            MissingMarkPrice: A price that moves is not there.
        """
        read = reads(unit, model) if factors is None else factors
        moved = {f: s for f in read if (s := _slope(f, direction, model)) != ZERO}
        options = {
            terms.instrument.symbol: Repricer.of(terms.instrument, market)
            for terms in options_of(unit, model)
            if Factor(FactorKind.MARK, terms.instrument.symbol) in moved
        }
        return cls(unit, market, model, direction, moved, options)

    def price(self, factor: Factor, size: Decimal) -> Decimal:
        """Return a factor's price after a move; never below zero."""
        share = ONE + self.slopes[factor] * size
        if factor.kind is FactorKind.MARK and factor.name in self.options:
            option = self.options[factor.name]
            return option.mark_at(option.forward * share)
        start = factor_price(factor, self.market, self.model)
        return max(ZERO, start * share)

    def forwards(self, size: Decimal) -> dict[str, Decimal]:
        """Return the prices of the underlyings of options after a move, by option."""
        return {
            symbol: option.forward * (ONE + self.direction[symbol] * size)
            for symbol, option in self.options.items()
        }

    def at(self, size: Decimal) -> Market:
        """Return the market after a move."""
        moved = {f: self.price(f, size) for f in self.slopes}
        by_kind = {
            kind: {f.name: p for f, p in moved.items() if f.kind is kind} for kind in FactorKind
        }
        return Market(
            marks={**self.market.marks, **by_kind[FactorKind.MARK]},
            indices={**self.market.indices, **by_kind[FactorKind.INDEX]},
            asset_prices={**self.market.asset_prices, **by_kind[FactorKind.ASSET]},
            open_interest=self.market.open_interest,
            forwards={**self.market.forwards, **self.forwards(size)},
            volatilities=self.market.volatilities,
            time=self.market.time,
            snapshot_id=f"{self.market.snapshot_id} moved by {size:.10g}",
        )

    def is_liquidatable(self, size: Decimal) -> bool:
        """Whether the unit is liquidatable after a move."""
        return margin_report(self.unit, self.at(size), self.model).is_liquidatable

    def excess(self, size: Decimal) -> Decimal:
        """Return the maintenance excess after a move."""
        return maintenance_excess(self.unit, self.at(size), self.model)

    def is_cleared(self, low: Decimal, high: Decimal) -> bool:
        """Whether the box law proves that no move between `low` and `high` liquidates."""
        box: Box = {
            f: Interval(*sorted((self.price(f, low), self.price(f, high)))) for f in self.slopes
        }
        bound = excess_bound(self.unit, box, self.market, self.model)
        return bound is not None and not self.model.trigger.holds(excess=bound)

    def end(self) -> Decimal:
        """Return the size at which the first price reaches zero, or the largest rise searched."""
        down = min(self.slopes.values(), default=ZERO)
        up = max(self.slopes.values(), default=ZERO)
        falls = [-ONE / down] if down < ZERO else []
        rises = [REACH_MAX / up] if up > ZERO else []
        return min((*falls, *rises), default=ZERO)


def _slope(factor: Factor, direction: Mapping[str, Decimal], model: MarginModel) -> Decimal:
    """Return a factor's relative change per unit of the move."""
    if factor.kind is FactorKind.MARK:
        return direction.get(factor.name, ZERO)
    moving = (symbol for symbol in direction if symbol in model.instruments)
    for symbol in sorted(moving, key=lambda s: (len(s), s)):
        instrument = model.instruments[symbol].instrument
        known = instrument.index if factor.kind is FactorKind.INDEX else instrument.base
        if known == factor.name:
            return direction[symbol]
    return direction.get(factor.name, ZERO) if factor.kind is FactorKind.ASSET else ZERO


def resolution(size: Decimal, stop: Decimal) -> Decimal:
    """Return the step within which two sizes are one; near zero, a share of the whole path."""
    return PRECISION * max(size, stop * PRECISION)
