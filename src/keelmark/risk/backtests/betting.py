"""A monitor that may be looked at every day: e-processes against forecasts that are too small.

Each period bets a share of its wealth that the loss is larger than told:
`e = (loss - VaR)^+ / (a (ES - VaR))`, whose mean is at most one while neither is too small.
Wealth above `1/p` at any time is evidence at level `p`, whatever was looked at before (Ville). The
share bet is known before the period: what grows most on past periods, to second order, at most a
half.
Source: Wang, Wang and Ziegel, "E-backtesting", arXiv 2209.00991.
"""

from dataclasses import dataclass

import numpy as np

from keelmark.risk.backtests.shortfall import Told
from keelmark.risk.backtests.statistic import Array

_MOST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Monitor:
    """Evidence against a model as it came.

    Attributes:
        wealth: After each period, from one before the first.
        shares: Bet on each period.
    """

    wealth: Array
    shares: Array

    @property
    def highest(self) -> float:
        """The most evidence there ever was."""
        return float(self.wealth.max(initial=1.0))

    def alarm(self, evidence: float) -> int | None:
        """Return the first period whose wealth reaches this much; `None` where none does."""
        reached = np.flatnonzero(self.wealth >= evidence)
        return int(reached[0]) if len(reached) else None


def monitor(told: Told) -> Monitor:
    """Return the evidence, period by period, that losses are larger than told."""
    values = e_values(told)
    gains = values - 1.0
    past, squares = _sums_before(gains), _sums_before(gains**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(squares > 0.0, past / squares, 0.0)
    shares = np.clip(best, 0.0, _MOST)
    return Monitor(wealth=np.exp(np.cumsum(np.log1p(shares * gains))), shares=shares)


def e_values(told: Told) -> Array:
    """Return the bet's payout of each period; a shortfall equal to the value at risk pays all."""
    beyond = np.maximum(-told.profit - told.value_at_risk, 0.0)
    room = told.tail * (told.shortfall - told.value_at_risk)
    smallest = np.finfo(np.float64).tiny
    found: Array = np.where(beyond > 0.0, beyond / np.maximum(room, smallest), 0.0)
    return found


def _sums_before(series: Array) -> Array:
    """Return the sum of what came before each period, which its own value cannot touch."""
    return np.concatenate(([0.0], np.cumsum(series[:-1])))
