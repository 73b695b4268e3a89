"""Skewness and excess kurtosis of samples, by column."""

import numpy as np

from keelmark.risk.statistics.series import Array, panel_of

OBSERVATIONS_MIN = 4
"""Fewer have no adjusted kurtosis."""


def skewness(returns: Array) -> Array:
    """Return the adjusted Fisher-Pearson skewness of each column, (k,), of returns (T, k).

    g = m3 / m2^1.5 times sqrt(T (T - 1)) / (T - 2), with m the central moments over T.

    Raises:
        InvalidInput: As `panel_of`; at least four rows.

    Source: Joanes and Gill, The Statistician 47 (1998) 183-189, G1.
    """
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    rows = panel.shape[0]
    moved = panel - panel.mean(axis=0)
    plain = (moved**3).mean(axis=0) / (moved**2).mean(axis=0) ** 1.5
    return np.asarray(plain * np.sqrt(rows * (rows - 1.0)) / (rows - 2.0))


def excess_kurtosis(returns: Array) -> Array:
    """Return the adjusted excess kurtosis of each column, (k,), of returns (T, k); 0 if normal.

    ((T + 1) g + 6) (T - 1) / ((T - 2)(T - 3)) with g = m4 / m2^2 - 3.

    Raises:
        InvalidInput: As `panel_of`; at least four rows.

    Source: Joanes and Gill, The Statistician 47 (1998) 183-189, G2.
    """
    panel = panel_of(returns, least=OBSERVATIONS_MIN)
    rows = panel.shape[0]
    moved = panel - panel.mean(axis=0)
    plain = (moved**4).mean(axis=0) / (moved**2).mean(axis=0) ** 2 - 3.0
    adjusted = ((rows + 1.0) * plain + 6.0) * (rows - 1.0) / ((rows - 2.0) * (rows - 3.0))
    return np.asarray(adjusted)
