"""When the first of two correlated walks meets its own barrier: one series of Bessel functions.

For walks without drift, distances `x1, x2` in their own volatilities, correlation `r`:

    a = arccos(-r)    R^2 = (x1^2 + x2^2 - 2 r x1 x2) / (1 - r^2)
    th = atan2(x2 sqrt(1 - r^2), x1 - r x2)
    P(neither by t) = 2 R / sqrt(2 pi t) exp(-z) sum_{n odd} sin(n pi th / a) / n
                      (I_{(n pi / a - 1) / 2}(z) + I_{(n pi / a + 1) / 2}(z)),      z = R^2 / 4 t

Source: Zhou, "An analysis of default correlations and multiple defaults" (2001), as corrected by
Metzler, "On the first passage problem for correlated Brownian motion" (2010); docs/model.md,
"Probability of liquidation".
"""

from math import acos, atan2, pi, sqrt

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.normal import cumulative
from keelmark.risk.liquidation.one_barrier import Walk, met_by, require_time
from keelmark.risk.liquidation.two_barriers import left_by
from keelmark.risk.statistics.library import scipy_module

_UNREACHED = 38.0
"""Deviations beyond which a normal tail is no number any more."""
_ORDERS = 9.5
"""Orders of Bessel functions that count at `z`, in roots of `z`."""
_AS_ONE = 1e-9
"""Correlations this near to one are one."""


def first_met_by(distances: tuple[float, float], correlation: float, time: float) -> float:
    """Return the probability that either walk has met its barrier by a time.

    Args:
        distances: How far each barrier is, in standard deviations of its walk over one unit of
            time; above zero.
        correlation: Of the two walks, each turned so that its barrier lies below.
        time: Horizon.

    Raises:
        InvalidInput: A distance is not above zero, or the correlation is beyond one.
        MissingExtra: scipy is not installed.
    """
    require_time(time)
    one, other = distances
    if not (one > 0.0 and other > 0.0 and abs(correlation) <= 1.0):
        msg = (
            f"distances {one} and {other} with correlation {correlation}; distances are above 0, "
            "a correlation lies between -1 and 1"
        )
        raise InvalidInput(msg)
    nearest = min(one, other)
    if nearest / sqrt(time) > _UNREACHED:
        return 0.0
    if correlation >= 1.0 - _AS_ONE:
        return met_by(Walk(1.0), -nearest, time)
    if correlation <= -1.0 + _AS_ONE:
        return left_by(Walk(1.0), -one, other, time)
    if correlation == 0.0:
        alone = [1.0 - 2.0 * cumulative(-x / sqrt(time)) for x in distances]
        return 1.0 - alone[0] * alone[1]
    return min(1.0, max(0.0, 1.0 - _neither(one, other, correlation, time)))


def _neither(one: float, other: float, correlation: float, time: float) -> float:
    """Return the series."""
    rest = 1.0 - correlation**2
    wedge = acos(-correlation)
    square = (one**2 + other**2 - 2.0 * correlation * one * other) / rest
    angle = atan2(other * sqrt(rest), one - correlation * other)
    z = square / (4.0 * time)
    orders = 25.0 + _ORDERS * sqrt(z)
    odd = np.arange(1, 2 * int(orders * wedge / pi) + 4, 2, dtype=np.float64)
    bessel = scipy_module("special").ive
    high = odd * pi / wedge
    parts = bessel((high - 1.0) / 2.0, z) + bessel((high + 1.0) / 2.0, z)
    total = float(np.sum(np.sin(high * angle) / odd * parts))
    return 2.0 * sqrt(square) / sqrt(2.0 * pi * time) * total
