"""A look at units that are no lines: valued anew at every step, slopes from differences."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.walks import Look
from keelmark.risk.revaluation import UnitValuer

Array = npt.NDArray[np.float64]

STEP = 1e-5
"""Relative change of a price over which a slope is taken."""


def look_of(valuers: Sequence[UnitValuer], coins: tuple[str, ...]) -> Look:
    """Return the look at units over these coins."""
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
            values = valuer.excess(moved.reshape(-1, len(own)) - 1.0).reshape(len(own) + 1, count)
            excess[:, at] = values[0]
            slopes[:, at, own] = ((values[1:] - values[0]) / STEP).T
        return excess, slopes

    return look
