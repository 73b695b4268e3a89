"""Implied volatility as something that moves: every option of a unit is repriced at its forward."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.core.bound import options_of
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.repricing import Repricer, model_price
from keelmark.core.unit import MarginUnit

VOLATILITY = "volatility"
"""Name of the axis."""

NO_OPTIONS = "the unit holds no option: volatility changes nothing of its margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityAxis:
    """A family of markets by the relative change of every implied volatility.

    A mark keeps what it differs from the model by today, as in `core.repricing`.

    Attributes:
        options: How each option of the unit is repriced.
        name: What moves, in words.
        reference: There is no one price of it.
    """

    options: tuple[Repricer, ...]
    name: str = VOLATILITY
    reference: Decimal | None = field(default=None, init=False)

    @classmethod
    def of(cls, unit: MarginUnit, market: Market, model: MarginModel) -> "VolatilityAxis":
        """Return the axis of a unit.

        Raises:
            CannotReprice: The volatility or the time to expiry of an option cannot be had.
        """
        held = options_of(unit, model)
        return cls(options=tuple(Repricer.of(terms.instrument, market) for terms in held))

    @property
    def moved(self) -> frozenset[tuple[str, str]]:
        """What it moves that another axis may move too: nothing."""
        return frozenset()

    def shift(self, move: Decimal) -> Callable[[Market], Market]:
        """Return what a move makes of a market; forwards may have moved in it already."""

        def shifted(market: Market) -> Market:
            with exact():
                marks = {o.instrument.symbol: _mark(o, market, move) for o in self.options}
            return replace(market, marks={**market.marks, **marks})

        return shifted


def _mark(option: Repricer, market: Market, move: Decimal) -> Decimal:
    """Return the mark of an option after a move of its volatility."""
    symbol = option.instrument.symbol
    if move == ZERO:
        return market.marks[symbol]
    volatility = option.volatility * float(ONE + move)
    forward = market.forward(symbol)
    model = model_price(option.instrument, forward, volatility, option.years)
    return max(ZERO, model + option.difference)
