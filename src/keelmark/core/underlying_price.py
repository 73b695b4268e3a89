"""Prices of an underlying that end a unit with options on it: found by search, volatilities kept.

A move of an underlying moves every instrument on it in proportion: perpetuals, futures, forwards
and its index keep their ratios, options are repriced at their strikes' own volatilities, and the
price of the coin as collateral stays where it is, as for every other liquidation price, unless the
mark of an inverse contract that moves stands for it. The excess along that move is neither straight
nor one-way, so it is looked at on a grid that is fine around the strikes and goes on by doubling
where options are worth what exercise pays and what is left is straight.

Source: docs/model.md, "Options".
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from keelmark.core.bound import Factor, FactorKind, options_of
from keelmark.core.errors import InvalidMark, MissingNumber
from keelmark.core.excess import maintenance_rule, value_and_notional, worth
from keelmark.core.found_price import LEAST_SHARE, LiquidationPrices, PriceStatus
from keelmark.core.margin import maintenance_excess
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPrice, Trigger
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.price_path import PricePath
from keelmark.core.scan import Looked, changes
from keelmark.core.unit import MarginUnit

FARTHEST = ONE / LEAST_SHARE - ONE
"""Largest rise an underlying is followed: to a billion times its present price."""

REACH = "from a billionth to a billion times its present one"
"""How far an underlying is followed, in words."""

_GRID = Decimal("0.05")
"""Step of the grid in the logarithm of the price, between a tenth and eleven times it."""

_DEVIATIONS = tuple(k / 2 for k in range(-8, 9))
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
    base = model.instrument(symbol).instrument.base
    return Underlying(unit, base, market, model).liquidation(symbol)


def underlying_bankruptcy(
    unit: MarginUnit, symbol: str, market: Market, model: MarginModel
) -> LiquidationPrices:
    """Return the prices at which `unit` is worth nothing as the underlying of `symbol` moves.

    Arguments and result as `underlying_liquidation`.
    """
    base = model.instrument(symbol).instrument.base
    return Underlying(unit, base, market, model).bankruptcy(symbol)


def market_there(
    unit: MarginUnit, symbol: str, price: Decimal, market: Market, model: MarginModel
) -> Market:
    """Return the market with the underlying of `symbol` moved to a price that was found."""
    with exact():
        base = model.instrument(symbol).instrument.base
        along = Underlying(unit, base, market, model)
        return along.path.at(price / along.present(symbol) - ONE)


def underlyings(unit: MarginUnit, market: Market, model: MarginModel) -> "dict[str, Underlying]":
    """Return, by name, each underlying of a unit that it holds options on."""
    bases = dict.fromkeys(terms.instrument.base for terms in options_of(unit, model))
    return {base: Underlying(unit, base, market, model) for base in bases}


class Underlying:
    """An underlying and everything a unit holds on it: searched once, asked by each instrument."""

    def __init__(self, unit: MarginUnit, base: str, market: Market, model: MarginModel) -> None:
        self.unit, self.base, self.market, self.model = unit, base, market, model

    def liquidation(self, symbol: str) -> LiquidationPrices:
        """Return the prices of a held instrument at which the unit reaches maintenance."""
        return self._told(symbol, self._liquidation, "brings the unit to its maintenance margin")

    def bankruptcy(self, symbol: str) -> LiquidationPrices:
        """Return the prices of a held instrument at which the unit is worth nothing."""
        return self._told(symbol, self._bankruptcy, "makes the unit worthless")

    @cached_property
    def path(self) -> PricePath:
        """The path of the underlying: every instrument on it by +100 %, a carried coin too."""
        step = {
            p.instrument: ONE
            for p in self.unit.positions
            if self.model.instrument(p.instrument).instrument.base == self.base
        }
        path = PricePath.along(self.unit, step, self.market, self.model)
        moving = {f: s for f, s in path.slopes.items() if self._moves(f, step)}
        return PricePath(self.unit, self.market, self.model, step, moving, path.options)

    def _moves(self, factor: Factor, step: Mapping[str, Decimal]) -> bool:
        """Whether a price is the underlying's: a coin's only where such a mark stands for it."""
        if factor.kind is not FactorKind.ASSET:
            return True
        symbol = self.market.stand_ins.get(factor.name)
        if symbol is None or symbol not in step:
            return False
        return self.model.instrument(symbol).instrument.is_inverse

    def present(self, symbol: str) -> Decimal:
        """Return the present price that found ones are prices of: an option's underlying's."""
        if symbol in self.path.options:
            return self.path.options[symbol].forward
        return self.market.mark(symbol)

    @cached_property
    def _liquidation(self) -> "_Searched":
        return self._searched(
            lambda there: maintenance_excess(self.unit, there, self.model), self.model.trigger
        )

    @cached_property
    def _bankruptcy(self) -> "_Searched":
        return self._searched(lambda there: worth(self.unit, there, self.model), Trigger.BELOW)

    def _searched(self, value: Callable[[Market], Decimal], trigger: Trigger) -> "_Searched":
        """Return the shares of the present price at which the trigger changes its answer."""
        try:
            with exact():
                path = self.path

                def look(share: Decimal) -> Looked:
                    found = value(path.at(share - ONE))
                    return Looked(share, found, trigger.holds(excess=found))

                nodes = path_nodes(path, LEAST_SHARE - ONE, FARTHEST)
                shares = changes(look, [ONE + node for node in nodes])
                nearest = tuple(sorted(shares, key=lambda share: abs(share - ONE)))
                return _Searched(shares=nearest, always=not shares and look(ONE).holds)
        except (InvalidMark, MissingNumber) as error:
            return _Searched(unknown=str(error))

    def _told(self, symbol: str, searched: "_Searched", text: str) -> LiquidationPrices:
        """Return what was found as prices of one instrument."""
        if searched.unknown is not None:
            return LiquidationPrices(status=PriceStatus.UNKNOWN, reason=searched.unknown)
        now = self.present(symbol)
        underlying = now if symbol in self.path.options else None
        if searched.shares:
            with exact():
                values = tuple(now * share for share in searched.shares)
            return LiquidationPrices(status=PriceStatus.PRICE, values=values, underlying=underlying)
        word = "every price" if searched.always else "no price"
        reason = f"{word} of {self.base}, {REACH}, {text}; volatilities held"
        return LiquidationPrices(status=PriceStatus.NONE, reason=reason, underlying=underlying)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Searched:
    """Shares of the present price, nearest first, or why there are none."""

    shares: tuple[Decimal, ...] = ()
    always: bool = False
    unknown: str | None = None


def path_nodes(path: PricePath, low: Decimal, high: Decimal) -> list[Decimal]:
    """Return the sizes at which a path is looked at: fine where an excess can turn.

    Args:
        path: Of an underlying, or of several together.
        low: Smallest size.
        high: Largest size.
    """
    shares = {slope: set(_plain_grid()) for slope in path.slopes.values()}
    finest = ONE
    for symbol, option in path.options.items():
        deviation = min(option.volatility * math.sqrt(max(0.0, option.years)), 2.0)
        finest = min(finest, Decimal.from_float(deviation))  # noqa: FURB164 trapped
        steps = [Decimal.from_float(math.exp(k * deviation)) for k in _DEVIATIONS]  # noqa: FURB164
        for strike in option.payoff.breakpoints():
            shares[path.direction[symbol]] |= {strike / option.forward * step for step in steps}
    kept = {low, high, ZERO, *_beside_jumps(path)}
    for slope, rising in shares.items():
        kept |= {(share - ONE) / slope for share in _thinned(rising, finest / 4)}
    return sorted(point for point in kept if low <= point <= high)


def _thinned(shares: set[Decimal], gap: Decimal) -> list[Decimal]:
    """Return shares of a price that are apart: a quarter of the least deviation shows every turn.

    Strikes close to one another need no grid each; near an expiry the gap is as small as its own.
    """
    kept: list[Decimal] = []
    for share in sorted(shares):
        if not kept or share - kept[-1] >= gap * share:
            kept.append(share)
    return kept


def _plain_grid() -> Sequence[Decimal]:
    """Return shares of the present price, from a billionth to a billion times it."""
    near = [math.exp(k * float(_GRID)) for k in range(-48, 49)]
    low = [near[0] / 2.0**k for k in range(1, 28)]
    high = [near[-1] * 2.0**k for k in range(1, 28)]
    return [Decimal.from_float(share) for share in (*low, *near, *high)]  # noqa: FURB164 trapped


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
