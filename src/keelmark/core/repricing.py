"""What an option's mark becomes when its underlying moves: sticky strike, its volatility kept.

The model's price moves with the forward; what the mark differs from the model today stays, so that
a move of nothing leaves the mark as it is. A volatility is the one the market gives, else the one
the mark implies. Where the mark shows no time value it implies none, and nothing is guessed.

Source: docs/model.md, "Options".
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.black76 import implied_volatility
from keelmark.core.errors import CannotReprice, InvalidInput
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.market import Market
from keelmark.core.numbers import ONE, ZERO, exact, round_half_even
from keelmark.core.payoff import Payoff, Vanilla

YEAR_S = 365 * 86_400
"""Seconds of a year: options count actual days over 365."""

SETTLED = 12.0
"""Standard deviations to expiry from which an option is worth what exercise pays: what time adds is
less than `1e-32` of the price, and a float of the price has errors of `1e-16`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricer:
    """The mark of one option as a function of its forward.

    Attributes:
        instrument: The option.
        payoff: What it pays.
        forward: Price of the underlying for its expiry now.
        mark: Its mark now.
        volatility: Kept through every move.
        years: To its expiry.
        difference: Mark less model now.
    """

    instrument: Instrument
    payoff: Vanilla
    forward: Decimal
    mark: Decimal
    volatility: float
    years: float
    difference: Decimal

    @classmethod
    def of(cls, instrument: Instrument, market: Market) -> "Repricer":
        """Return how an option is repriced from where it stands.

        Raises:
            CannotReprice: Time or volatility cannot be had; the message says what to add.
            MissingMarkPrice: No mark, or no price of the underlying.
        """
        if instrument.payoff is None:
            msg = f"{instrument.symbol} is no option"
            raise InvalidInput(msg)
        forward, mark = market.forward(instrument.symbol), market.premium(instrument.symbol)
        years = years_to_expiry(instrument, market)
        volatility = 0.0 if years <= 0.0 else volatility_of(instrument, market, years)
        with exact():
            model = model_price(instrument, forward, volatility, years)
            return cls(
                instrument=instrument,
                payoff=instrument.payoff,
                forward=forward,
                mark=mark,
                volatility=volatility,
                years=years,
                difference=mark - model,
            )

    def mark_at(self, forward: Decimal) -> Decimal:
        """Return the mark at another forward, unrounded; never below zero."""
        if forward == self.forward:
            return self.mark
        with exact():
            model = model_price(self.instrument, forward, self.volatility, self.years)
            return max(ZERO, model + self.difference)


def model_price(
    instrument: Instrument, forward: Decimal, volatility: float, years: float
) -> Decimal:
    """Return the Black-76 premium, settle asset per unit of the underlying, as the float it is."""
    payoff = instrument.payoff
    if payoff is None:
        msg = f"{instrument.symbol} is no option"
        raise InvalidInput(msg)
    in_coin = instrument.kind is InstrumentKind.INVERSE_OPTION
    if forward <= ZERO:
        msg = f"{instrument.symbol}: no price at a forward of {forward}"
        raise InvalidInput(msg)
    if _is_settled(payoff, forward, volatility, years):
        quote = payoff.intrinsic(forward)
        return quote / forward if in_coin else quote
    found = payoff.value(float(forward), volatility, years)
    found = found / float(forward) if in_coin else found
    return Decimal.from_float(found)  # noqa: FURB164 the context traps floats otherwise


def _is_settled(payoff: Payoff, forward: Decimal, volatility: float, years: float) -> bool:
    """Whether a price is too far from every strike for time to be worth anything."""
    deviation = volatility * math.sqrt(max(0.0, years))
    gaps = (abs(math.log(float(forward) / float(k))) for k in payoff.breakpoints())
    return all(gap >= SETTLED * deviation + deviation**2 / 2 for gap in gaps)


def theoretical_price(
    instrument: Instrument, forward: Decimal, volatility: Decimal, years: float
) -> Decimal:
    """Return the Black-76 premium on the instrument's price grid, half to even.

    The one point where a model's price becomes a price.
    """
    with exact():
        found = model_price(instrument, forward, float(volatility), years)
        return round_half_even(found, instrument.price_unit)


def years_to_expiry(instrument: Instrument, market: Market) -> float:
    """Return the time to expiry in years of 365 days; raises `CannotReprice` without a time."""
    if market.time is None or instrument.expiry is None:
        msg = f'no time to expiry of {instrument.symbol}: add "as_of" to the document'
        raise CannotReprice(msg)
    return (instrument.expiry - market.time).total_seconds() / YEAR_S


def _digit(mark: Decimal, unit: Decimal) -> Decimal:
    """Return the last digit of a mark: venues mark finer than orders may be priced."""
    exponent = mark.as_tuple().exponent
    return min(unit, ONE.scaleb(exponent)) if mark and isinstance(exponent, int) else unit


def volatility_of(instrument: Instrument, market: Market, years: float) -> float:
    """Return the volatility the market gives, else the one that the mark implies.

    Raises:
        CannotReprice: Neither is there, or the mark shows no time value.
    """
    symbol = instrument.symbol
    given = market.volatilities.get(symbol)
    if given is not None:
        return float(given)
    forward, mark = market.forward(symbol), market.premium(symbol)
    in_coin = instrument.kind is InstrumentKind.INVERSE_OPTION
    with exact():
        tick = _digit(mark, instrument.price_unit) * (forward if in_coin else 1)
        price = mark * (forward if in_coin else 1)
        intrinsic = instrument.payoff.intrinsic(forward) if instrument.payoff else ZERO
        shows_time = price - intrinsic >= tick / 2
    if not shows_time or instrument.payoff is None:
        msg = (
            f"the mark of {symbol}, {mark}, shows no time value, so it implies no volatility; "
            'add "implied_volatility" to the position'
        )
        raise CannotReprice(msg)
    try:
        return implied_volatility(instrument.payoff.at(float(forward), years), float(price))
    except InvalidInput as error:
        msg = f'{symbol}: {error}; add "implied_volatility" to the position'
        raise CannotReprice(msg) from error
