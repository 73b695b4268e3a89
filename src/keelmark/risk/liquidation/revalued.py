"""A look at units that are no lines: valued anew at every step, slopes from differences."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.walks import Look
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios import Scenarios, Shocks

Array = npt.NDArray[np.float64]

STEP = 1e-5
"""Relative change of a price over which a slope is taken."""


def look_of(
    valuers: Sequence[UnitValuer],
    coins: tuple[str, ...],
    implied: Mapping[str, float] | None = None,
) -> Look:
    """Return the look at units over these coins.

    Args:
        valuers: Of the units.
        coins: Columns of the ratios.
        implied: Power of a coin's price that implied volatilities on it follow.
    """
    columns = [[coins.index(coin) for coin in valuer.coins] for valuer in valuers]

    def look(ratios: Array) -> tuple[Array, Array]:
        count = len(ratios)
        excess = np.empty((count, len(valuers)))
        slopes = np.zeros((count, len(valuers), len(coins)))
        for at, (valuer, own) in enumerate(zip(valuers, columns, strict=True)):
            here = ratios[:, own]
            moved = np.tile(here, (len(own) + 1, 1, 1))
            for number in range(len(own)):
                moved[number + 1, :, number] *= 1.0 + STEP
            there = excess_at(valuer, moved.reshape(-1, len(own)), implied or {})
            values = there.reshape(len(own) + 1, count)
            excess[:, at] = values[0]
            slopes[:, at, own] = ((values[1:] - values[0]) / STEP).T
        return excess, slopes

    return look


def excess_at(valuer: UnitValuer, ratios: Array, implied: Mapping[str, float]) -> Array:
    """Return the excess at price ratios (n, coins), with implied volatilities that follow them."""
    powers = np.array([implied.get(coin, 0.0) for coin in valuer.coins])
    if not np.any(powers):
        return valuer.excess(ratios - 1.0)
    scenarios = Scenarios(
        returns=Shocks(names=valuer.coins, values=ratios - 1.0),
        volatility=Shocks(names=valuer.coins, values=ratios**powers - 1.0),
    )
    return valuer.values(scenarios).excess
