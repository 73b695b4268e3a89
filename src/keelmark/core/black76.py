"""Black-76: the value of a European option on a forward, how it moves, its implied volatility.

With `s = volatility * sqrt(years)`, `d1 = ln(F / K) / s + s / 2`, `d2 = d1 - s`:

    call = exp(-rate * years) * (F * N(d1) - K * N(d2))
    put  = exp(-rate * years) * (K * N(-d2) - F * N(-d1))

Plain floats: a model price is a statistic until it is rounded to a price unit (`core.repricing`).
A rate of zero gives the undiscounted value that venues mark on. An inverse option's value in coin
is the value over the forward.

Source: Black (1976), The pricing of commodity contracts; Manaster and Koehler (1982) for the start
of the search of the implied volatility.
"""

import math
from dataclasses import dataclass

from keelmark.core.errors import InvalidInput

_SQRT_2 = math.sqrt(2.0)
_SQRT_2_PI = math.sqrt(2.0 * math.pi)

VOLATILITY_MAX = 100.0
"""Largest annual volatility searched: 10,000 %."""

_STEPS_MAX = 200
_PRECISION = 1e-14
"""Relative width at which an implied volatility counts as found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EuropeanOption:
    """A call or put on a forward.

    Attributes:
        is_call: Call or put.
        forward: Forward price of the underlying for the expiry, quote per unit.
        strike: Quote per unit.
        years: Time to expiry; at zero or below the option is worth its intrinsic value.
        rate: Continuous rate the value is discounted with; 0 for the undiscounted value.
    """

    is_call: bool
    forward: float
    strike: float
    years: float
    rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("forward", "strike"):
            price: float = getattr(self, name)
            if not (math.isfinite(price) and price > 0.0):
                msg = f"option: {name} is {price}; it must be a positive number"
                raise InvalidInput(msg)
        if not (math.isfinite(self.years) and math.isfinite(self.rate)):
            msg = f"option: years {self.years} and rate {self.rate} must be finite"
            raise InvalidInput(msg)

    @property
    def discount(self) -> float:
        """What one unit at expiry is worth today."""
        return math.exp(-self.rate * max(0.0, self.years))

    @property
    def intrinsic(self) -> float:
        """Undiscounted value at no volatility."""
        gain = self.forward - self.strike
        return max(0.0, gain if self.is_call else -gain)

    @property
    def bound(self) -> float:
        """Undiscounted value at unlimited volatility."""
        return self.forward if self.is_call else self.strike


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeks:
    """How the value moves, the rest held.

    Attributes:
        delta: Per 1 of the forward.
        gamma: Of the delta, per 1 of the forward.
        vega: Per 1.00 of volatility (100 percentage points).
        theta: Per year of time that passes; negative for what decays.
    """

    delta: float
    gamma: float
    vega: float
    theta: float


def value(option: EuropeanOption, volatility: float) -> float:
    """Return the value per unit of the underlying, quote.

    Args:
        option: The contract and where it stands.
        volatility: Annual, fraction, at least 0.

    Raises:
        InvalidInput: The volatility is negative or no number.
    """
    return option.discount * undiscounted(option, volatility)


def undiscounted(option: EuropeanOption, volatility: float) -> float:
    """Return the value at expiry's money: `value` without its discount."""
    return option.intrinsic + _time_value(option, _deviation(option, volatility))


def coin_value(option: EuropeanOption, volatility: float) -> float:
    """Return the value of an inverse option, in coin per unit of the underlying."""
    return value(option, volatility) / option.forward


def greeks(option: EuropeanOption, volatility: float) -> Greeks:
    """Return delta, gamma, vega and theta of `value`; at expiry, those of the intrinsic value."""
    deviation = _deviation(option, volatility)
    discount = option.discount
    side = 1.0 if option.is_call else -1.0
    if deviation == 0.0:
        held = 1.0 if option.intrinsic > 0.0 else 0.0
        theta = option.rate * discount * option.intrinsic if option.years > 0.0 else 0.0
        return Greeks(delta=side * held * discount, gamma=0.0, vega=0.0, theta=theta)
    d1 = math.log(option.forward / option.strike) / deviation + deviation / 2.0
    density = math.exp(-d1 * d1 / 2.0) / _SQRT_2_PI
    root = math.sqrt(option.years)
    vega = discount * option.forward * density * root
    decay = -discount * option.forward * density * volatility / (2.0 * root)
    return Greeks(
        delta=discount * side * _normal(side * d1),
        gamma=discount * density / (option.forward * deviation),
        vega=vega,
        theta=decay + option.rate * value(option, volatility),
    )


def coin_greeks(option: EuropeanOption, volatility: float) -> Greeks:
    """Return the Greeks of `coin_value`: coin per 1 of the forward, and so on."""
    quote = greeks(option, volatility)
    forward = option.forward
    coin = coin_value(option, volatility)
    delta = (quote.delta - coin) / forward
    return Greeks(
        delta=delta,
        gamma=(quote.gamma - 2.0 * delta) / forward,
        vega=quote.vega / forward,
        theta=quote.theta / forward,
    )


def implied_volatility(option: EuropeanOption, price: float) -> float:
    """Return the volatility at which `value` is `price`; 0 where the price is the intrinsic value.

    Newton's steps from the volatility of the largest vega, kept inside a bracket that halves
    where a step would leave it. A price carries the volatility as far as its own digits do: a deep
    option whose time value is lost in them has none to find.

    Args:
        option: The contract and where it stands, before its expiry.
        price: Quote per unit of the underlying.

    Raises:
        InvalidInput: The option has expired, or the price is below the intrinsic value, at or
            above the bound of unlimited volatility, or beyond the largest volatility searched.
    """
    forward_price = price / option.discount
    time_value = forward_price - option.intrinsic
    if option.years <= 0.0 or not math.isfinite(price):
        msg = f"no implied volatility: {option.years} years to expiry, price {price}"
        raise InvalidInput(msg)
    if not -1e-12 * option.bound <= time_value or not forward_price < option.bound:
        msg = (
            f"no implied volatility: price {price} is outside [{option.intrinsic * option.discount}"
            f", {option.bound * option.discount}), intrinsic value to unlimited volatility"
        )
        raise InvalidInput(msg)
    if time_value <= 0.0:
        return 0.0
    root = math.sqrt(option.years)
    if _time_value(option, VOLATILITY_MAX * root) < time_value:
        msg = f"no implied volatility up to {VOLATILITY_MAX:g} gives a price of {price}"
        raise InvalidInput(msg)
    return _solved(option, time_value, VOLATILITY_MAX * root) / root


def _solved(option: EuropeanOption, target: float, high: float) -> float:
    """Return the deviation to expiry whose time value is `target`."""
    low = 0.0
    moneyness = abs(math.log(option.forward / option.strike))
    at = min(high, max(math.sqrt(2.0 * moneyness), 1e-8))
    for _ in range(_STEPS_MAX):
        missed = _time_value(option, at) - target
        low, high = (low, at) if missed > 0.0 else (at, high)
        if missed == 0.0 or high - low <= _PRECISION * high:
            return at
        slope = _slope(option, at)
        step = at - missed / slope if slope > 0.0 else -1.0
        if abs(step - at) <= _PRECISION * at:
            return step
        at = step if low < step < high else (low + high) / 2.0
    return at


def _slope(option: EuropeanOption, deviation: float) -> float:
    """Return the derivative of the time value in the deviation."""
    d1 = math.log(option.forward / option.strike) / deviation + deviation / 2.0
    return option.forward * math.exp(-d1 * d1 / 2.0) / _SQRT_2_PI


def _time_value(option: EuropeanOption, deviation: float) -> float:
    """Return the undiscounted value beyond the intrinsic: that of the option out of the money.

    By put-call parity a call and a put of one strike have the same time value; the one that is out
    of the money is all time value, and its small terms lose no digits to the intrinsic value.
    """
    if deviation <= 0.0:
        return 0.0
    forward, strike = option.forward, option.strike
    shift = math.log(forward / strike) / deviation
    d1, d2 = shift + deviation / 2.0, shift - deviation / 2.0
    if forward <= strike:
        found = forward * _normal(d1) - strike * _normal(d2)
    else:
        found = strike * _normal(-d2) - forward * _normal(-d1)
    return max(0.0, found)


def _normal(x: float) -> float:
    """Return the standard normal distribution, accurate in its lower tail."""
    return math.erfc(-x / _SQRT_2) / 2.0


def _deviation(option: EuropeanOption, volatility: float) -> float:
    """Return the standard deviation of the logarithm to expiry."""
    if not (math.isfinite(volatility) and volatility >= 0.0):
        msg = f"option: volatility is {volatility}; it must be a fraction of at least 0"
        raise InvalidInput(msg)
    return volatility * math.sqrt(max(0.0, option.years))
