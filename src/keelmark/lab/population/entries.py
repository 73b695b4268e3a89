"""Entry prices: real earlier prices, as old as the position."""

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array
from keelmark.lab.scenarios.values import Opening, to_ticks

HOURS_A_DAY = 24.0


def entry_ticks(opening: Opening, instrument: Int64Array, age_days: Float64Array) -> Int64Array:
    """Return the price of `age_days` before the start in ticks, or the oldest there is.

    Args:
        opening: Holds hourly prices before the start.
        instrument: (n,) index.
        age_days: (n,) at least 0.
    """
    prices = opening.history.prices
    last = prices.shape[0] - 1
    oldest = np.argmax(~np.isnan(prices), axis=0)  # first hour an instrument has a price
    back = np.rint(np.minimum(age_days * HOURS_A_DAY, float(last))).astype(np.int64)
    row = np.maximum(last - back, oldest[instrument])
    units = np.array([one.price_unit for one in opening.instruments])
    return to_ticks(prices[row, instrument], units[instrument])
