"""When the logarithm of a price, a Brownian walk, first meets one barrier: closed forms.

With `b` the signed log distance to the barrier, `n` the drift of the log price, `s = v sqrt(t)`:

    P(met by t) = Phi((b - n t) / s) + exp(2 n b / v^2) Phi((b + n t) / s)      for b < 0
    P(ever met) = 1 where the drift leads there, else exp(2 n b / v^2)

An upper barrier is a lower one of the walk upside down. Time is in whatever unit drift and
volatility are per; nothing is assumed of a year.

Source: Karatzas, Shreve, "Brownian motion and stochastic calculus", 3.5.C; docs/model.md,
"Probability of liquidation".
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.normal import cumulative, log_cumulative

_HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Walk:
    """A log price: normal steps that do not depend on each other.

    Attributes:
        volatility: Standard deviation of the log price over one unit of time.
        drift: Mean of its change over one unit of time.
    """

    volatility: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.volatility) and self.volatility > 0.0 and isfinite(self.drift)):
            msg = (
                f"a walk of volatility {self.volatility} and drift {self.drift}; volatility is "
                "a number above 0, drift any number"
            )
            raise InvalidInput(msg)

    @classmethod
    def of_price(cls, volatility: float, growth: float = 0.0) -> "Walk":
        """Return the walk of a price that grows by `growth` in the mean: `growth - v^2 / 2`."""
        return cls(volatility, growth - 0.5 * volatility * volatility)


def met_by(walk: Walk, distance: float, time: float) -> float:
    """Return the probability that the barrier is met by a time.

    Args:
        walk: Of the log price.
        distance: `log(barrier / price)`: below zero for a lower barrier, above for an upper one.
        time: Horizon; `inf` for ever.

    Raises:
        InvalidInput: The time is no positive number, or the distance no number.
    """
    if time == inf:
        return met_ever(walk, distance)
    require_time(time)
    low, drift = _below(walk, distance)
    if low == 0.0:
        return 1.0
    spread = walk.volatility * sqrt(time)
    tilt = 2.0 * drift * low / walk.volatility**2
    reflected = exp(tilt + log_cumulative((low + drift * time) / spread))
    return min(1.0, cumulative((low - drift * time) / spread) + reflected)


def met_ever(walk: Walk, distance: float) -> float:
    """Return the probability that the barrier is ever met."""
    low, drift = _below(walk, distance)
    return 1.0 if drift <= 0.0 else exp(2.0 * drift * low / walk.volatility**2)


def time_met(walk: Walk, distance: float, probability: float) -> float:
    """Return the time by which the barrier is met with a probability; `inf` where never."""
    if probability >= met_ever(walk, distance):
        return inf
    return inverted(lambda time: met_by(walk, distance, time), probability)


def inverted(met: Callable[[float], float], probability: float) -> float:
    """Return the time at which a rising probability reaches a value it does reach."""
    low, high = 0.0, 1.0
    while met(high) < probability:
        low, high = high, high * 2.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if middle in {low, high}:
            break
        low, high = (low, middle) if met(middle) >= probability else (middle, high)
    return high


def half_space_met_by(excess: float, spread: float, time: float) -> float:
    """Return the probability that an excess with a fixed spread and no drift falls to zero.

    `2 Phi(-e / (s sqrt(t)))`: every linear book under arithmetic prices, however many coins, with
    `s = sqrt(b' S b)`.
    """
    require_time(time)
    if excess <= 0.0:
        return 1.0
    return 0.0 if spread == 0.0 else 2.0 * cumulative(-excess / (spread * sqrt(time)))


def distance_to(price: float, barrier: float) -> float:
    """Return `log(barrier / price)`.

    Raises:
        InvalidInput: One of them is not above zero.
    """
    if not (price > 0.0 and barrier > 0.0):
        msg = f"price {price}, barrier {barrier}: both are numbers above 0"
        raise InvalidInput(msg)
    return log(barrier / price)


def require_time(time: float) -> None:
    """Refuse what is no horizon."""
    if not (isfinite(time) and time > 0.0):
        msg = f"a horizon of {time}; give a number above 0"
        raise InvalidInput(msg)


def _below(walk: Walk, distance: float) -> tuple[float, float]:
    """Return distance and drift with the barrier below."""
    if not isfinite(distance):
        msg = f"a barrier at a log distance of {distance}; give a number"
        raise InvalidInput(msg)
    return (distance, walk.drift) if distance <= 0.0 else (-distance, -walk.drift)
