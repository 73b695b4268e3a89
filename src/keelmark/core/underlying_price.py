"""Prices of an underlying that end a unit with options on it: found by search, volatilities kept.

A move of an underlying moves every instrument on it in proportion: perpetuals, futures, forwards
and its index keep their ratios, options are repriced at their strikes' own volatilities, and the
price of the coin as collateral stays where it is, as for every other liquidation price. The excess
along that move is neither straight nor one-way, so it is looked at on a grid that is fine around
the strikes.

Source: docs/model.md, "Options".
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from keelmark.core.bound import Factor, FactorKind, options_of
from keelmark.core.errors import InvalidMark, MissingNumber
from keelmark.core.excess import maintenance_rule, value_and_notional
from keelmark.core.found_price import LEAST_SHARE, LiquidationPrices, PriceStatus
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPrice, Trigger
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.price_path import REACH_MAX, PricePath
from keelmark.core.scan import Looked, changes
from keelmark.core.unit import MarginUnit

REACH = f"down to a billionth and up to +{REACH_MAX * 100:,} % of its present price"
"""How far an underlying is followed."""

_GRID = Decimal("0.05")
"""Step of the grid in the logarithm of the price, between a tenth and eleven times it."""

_DEVIATIONS = tuple(Decimal(k) / 2 for k in range(-8, 9))
"""Where the grid is finer, around each strike, in standard deviations to expiry."""

_BESIDE = Decimal("1e-11")
"""Relative distance on both sides of a price at which a requirement may jump."""


def moves_together(unit: MarginUnit, symbol: str, model: MarginModel) -> bool:
    """Whether a price of `symbol` moves with options of the unit on the same underlying."""
    base = model.instrument(symbol).instrument.base
    return any(terms.instrument.base == base for terms in options_of(unit, model))


def underlying_liquidation(
    unit: MarginUnit, symbol: str, market: Market, model: MarginModel
) -> LiquidationPrices:
    """Return the prices at which `unit` reaches maintenance as the underlying of `symbol` moves.

    Args:
        unit: The margin unit.
        symbol: A held instrument. Of an option, the prices are those of its underlying.
        market: Snapshot; prices of other underlyings, and volatilities, stay.
        model: The venue's terms.

    Returns:
        Prices to `scan.PRECISION`, nearest first; or `none`; or `unknown` with the reason.
    """
    trigger = model.trigger

    def excess(there: Market) -> Decimal:
        return maintenance_excess(unit, there, model)

    text = "brings the unit to its maintenance margin"
    return _found(_Along(unit, symbol, market, model), excess, trigger, text)


def underlying_bankruptcy(
    unit: MarginUnit, symbol: str, market: Market, model: MarginModel
) -> LiquidationPrices:
    """Return the prices at which `unit` is worth nothing as the underlying of `symbol` moves.

    Arguments and result as `underlying_liquidation`.
    """

    def worth(there: Market) -> Decimal:
        return margin_report(unit, there, model).equity_raw

    text = "makes the unit worthless"
    return _found(_Along(unit, symbol, market, model), worth, Trigger.BELOW, text)


def market_there(
    unit: MarginUnit, symbol: str, price: Decimal, market: Market, model: MarginModel
) -> Market:
    """Return the market with the underlying of `symbol` moved to a price that was found."""
    with exact():
        along = _Along(unit, symbol, market, model)
        path = along.path()
        return path.at(price / along.price(path)[0] - ONE)


class _Along:
    """What a search along an underlying is given."""

    def __init__(self, unit: MarginUnit, symbol: str, market: Market, model: MarginModel) -> None:
        self.unit, self.symbol, self.market, self.model = unit, symbol, market, model
        self.base = model.instrument(symbol).instrument.base

    def path(self) -> PricePath:
        """Return the path of the underlying: every instrument on it by +100 %, no coin."""
        step = {
            p.instrument: ONE
            for p in self.unit.positions
            if self.model.instrument(p.instrument).instrument.base == self.base
        }
        path = PricePath.along(self.unit, step, self.market, self.model)
        moving = {f: s for f, s in path.slopes.items() if f.kind is not FactorKind.ASSET}
        return PricePath(self.unit, self.market, self.model, step, moving, path.options)

    def price(self, path: PricePath) -> tuple[Decimal, Decimal | None]:
        """Return the present price that found ones are prices of; of options twice."""
        if self.symbol in path.options:
            forward = path.options[self.symbol].forward
            return forward, forward
        return self.market.mark(self.symbol), None


def _found(
    along: _Along, value: Callable[[Market], Decimal], trigger: Trigger, text: str
) -> LiquidationPrices:
    try:
        with exact():
            path = along.path()
            now, underlying = along.price(path)

            def look(share: Decimal) -> Looked:
                found = value(path.at(share - ONE))
                return Looked(share, found, trigger.holds(excess=found))

            nodes = path_nodes(path, LEAST_SHARE - ONE, REACH_MAX)
            shares = changes(look, [ONE + node for node in nodes])
            values = tuple(now * share for share in sorted(shares, key=lambda s: abs(s - ONE)))
            always = not shares and look(ONE).holds
    except (InvalidMark, MissingNumber) as error:
        return LiquidationPrices(status=PriceStatus.UNKNOWN, reason=str(error))
    if values:
        return LiquidationPrices(status=PriceStatus.PRICE, values=values, underlying=underlying)
    word = "every price" if always else "no price"
    reason = f"{word} of {along.base}, {REACH}, {text}; volatilities held"
    return LiquidationPrices(status=PriceStatus.NONE, reason=reason, underlying=underlying)


def path_nodes(path: PricePath, low: Decimal, high: Decimal) -> list[Decimal]:
    """Return the sizes at which a path is looked at: fine where an excess can turn.

    Args:
        path: Of an underlying, or of several together.
        low: Smallest size.
        high: Largest size.
    """
    slopes = set(path.slopes.values())
    points = {low, high, ZERO, *((share - ONE) / s for s in slopes for share in _plain_grid())}
    for symbol, option in path.options.items():
        slope = path.direction[symbol]
        deviation = option.volatility * math.sqrt(max(0.0, option.years))
        for strike in option.payoff.breakpoints():
            for steps in _DEVIATIONS:
                share = (
                    strike
                    / option.forward
                    * Decimal.from_float(  # noqa: FURB164 trapped
                        math.exp(float(steps) * min(deviation, 2.0))
                    )
                )
                points.add((share - ONE) / slope)
    points |= _beside_jumps(path)
    return sorted(point for point in points if low <= point <= high)


def _plain_grid() -> Sequence[Decimal]:
    """Return shares of the present price, from a billionth to eleven times it."""
    near = [math.exp(k * float(_GRID)) for k in range(-48, 49)]
    far = [near[0] / 2.0**k for k in range(1, 28)]
    return [Decimal.from_float(share) for share in (*far, *near)]  # noqa: FURB164 trapped


def _beside_jumps(path: PricePath) -> set[Decimal]:
    """Return sizes on both sides of where a table of a position that moves changes its row."""
    found: set[Decimal] = set()
    for position in path.unit.positions:
        terms = path.model.instrument(position.instrument)
        slope = path.slopes.get(Factor(FactorKind.MARK, position.instrument), ZERO)
        if terms.option is not None or slope == ZERO or terms.margin_price is MarginPrice.ENTRY:
            continue
        _, notional = value_and_notional(position, terms, path.market)
        for floor in maintenance_rule(position, terms).breakpoints(abs(position.size)):
            share = floor / notional
            reached = ONE / share if terms.instrument.is_inverse else share
            found |= {(reached * side - ONE) / slope for side in (ONE - _BESIDE, ONE + _BESIDE)}
    return found
