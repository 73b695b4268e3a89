"""The largest leverage of a position whose chance of liquidation stays below a bound.

A position of `L` times its equity at maintenance rate `m`, left alone, is liquidated where the
price has gone by

    long   b = ln((1 - 1 / L) / (1 - m)) < 0        short  b = ln((1 + 1 / L) / (1 + m)) > 0.

How likely a price is there by a time is `liquidation.one_barrier`. Without a logarithmic drift that
is `2 Phi(-|b| / s)`, `s = sigma sqrt(T)`, which solves for the leverage:
`L = 1 / (1 - (1 - m) exp(s Phi^-1(p / 2)))`. With one it is solved by bisection. Funding moves the
barrier towards a payer: it is taken from the drift.

Source: docs/model.md, "Sizing".
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.one_barrier import Walk, met_by
from keelmark.risk.sizing.kelly import Drift

YEAR_DAYS = 365.0
_NORMAL = NormalDist()
_HALVINGS = 200
_FAR = 40.0
"""Logarithmic distance beyond which no price is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How likely liquidation may be.

    Attributes:
        probability: At most this, fraction.
        days: Within this time.
        maintenance_rate: Of the position, fraction of notional; one rate at every size.
    """

    probability: float
    days: float
    maintenance_rate: float

    def __post_init__(self) -> None:
        if not 0.0 < self.probability < 1.0:
            msg = f"liquidation with probability {self.probability}: it lies between 0 and 1"
            raise InvalidInput(msg)
        if not (math.isfinite(self.days) and self.days > 0.0):
            msg = f"a horizon of {self.days} days; give a number above 0"
            raise InvalidInput(msg)
        if not 0.0 <= self.maintenance_rate < 1.0:
            msg = f"a maintenance rate of {self.maintenance_rate}; it is a fraction below 1"
            raise InvalidInput(msg)

    @property
    def years(self) -> float:
        """The time in years of 365 days."""
        return self.days / YEAR_DAYS


def barrier(leverage: float, maintenance_rate: float, *, is_long: bool = True) -> float | None:
    """Return the logarithmic move that liquidates; `None` where no price does.

    Args:
        leverage: Notional over equity, above 0.
        maintenance_rate: Fraction of notional.
        is_long: Which side.

    Returns:
        Negative for a long, positive for a short, 0 where it is liquidatable now.

    Raises:
        InvalidInput: The leverage is not above 0.
    """
    if not leverage > 0.0:
        msg = f"a leverage of {leverage}; it is above 0, and the side says which way it looks"
        raise InvalidInput(msg)
    if not is_long:
        return max(0.0, math.log((1.0 + 1.0 / leverage) / (1.0 + maintenance_rate)))
    kept = (1.0 - 1.0 / leverage) / (1.0 - maintenance_rate)
    return min(0.0, math.log(kept)) if kept > 0.0 else None


def hit_probability(move: float, drift: Drift, years: float) -> float:
    """Return the probability that the price goes by a logarithmic move within a time.

    Args:
        move: Signed; a price there now is hit.
        drift: `drift.edge` is the drift, so that funding counts.
        years: At most this long.
    """
    return met_by(Walk.of_price(drift.volatility, drift.edge), move, years)


def leverage_liquidation_probability(
    leverage: float,
    drift: Drift,
    *,
    days: float,
    maintenance_rate: float = 0.0,
    is_long: bool = True,
) -> float:
    """Return how likely a position left alone is liquidated within a time; raises as `barrier`."""
    move = barrier(leverage, maintenance_rate, is_long=is_long)
    return 0.0 if move is None else hit_probability(move, drift, days / YEAR_DAYS)


def largest_leverage(drift: Drift, bound: Bound, *, is_long: bool = True) -> float:
    """Return the largest leverage of a position left alone that keeps a bound.

    Returns:
        Notional over equity; at most the maintenance rate's own limit `1 / m`.
    """
    near, far = 0.0, _FAR
    for _ in range(_HALVINGS):
        middle = (near + far) / 2.0
        move = -middle if is_long else middle
        is_safe = hit_probability(move, drift, bound.years) <= bound.probability
        near, far = (near, middle) if is_safe else (middle, far)
    return _leverage_at(-far if is_long else far, bound.maintenance_rate)


def largest_leverage_without_drift(volatility: float, bound: Bound) -> float:
    """Return the largest leverage of a long whose logarithm has no drift: the closed form.

    Raises:
        InvalidInput: The volatility is not above 0.
    """
    spread = Drift(mean=0.0, volatility=volatility).volatility * math.sqrt(bound.years)
    return _leverage_at(spread * _NORMAL.inv_cdf(bound.probability / 2.0), bound.maintenance_rate)


def _leverage_at(move: float, maintenance_rate: float) -> float:
    """Return the leverage that is liquidated at a logarithmic move."""
    if move <= 0.0:
        return 1.0 / (1.0 - (1.0 - maintenance_rate) * math.exp(move))
    return 1.0 / ((1.0 + maintenance_rate) * math.exp(move) - 1.0)
