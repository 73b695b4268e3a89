"""The normal distribution to the last digits, tails included."""

from math import erfc, exp, log, log1p, pi, sqrt

_FAR = -35.0
"""Below this the tail is summed from its asymptotic series: `erfc` nears its smallest number."""


def cumulative(x: float) -> float:
    """Return the probability of a standard normal at or below `x`."""
    return 0.5 * erfc(-x / sqrt(2.0))


def log_cumulative(x: float) -> float:
    """Return the logarithm of `cumulative`, which does not end where that is zero."""
    if x > _FAR:
        value = 0.5 * erfc(-x / sqrt(2.0))
        return log1p(-0.5 * erfc(x / sqrt(2.0))) if x > 0.0 else log(value)
    square = x * x
    series = 1.0
    for odd in (9.0, 7.0, 5.0, 3.0, 1.0):
        series = 1.0 - odd / square * series
    return -0.5 * square - log(-x * sqrt(2.0 * pi)) + log(series)


def scaled_between(log_scale: float, low: float, high: float) -> float:
    """Return `exp(log_scale)` times the probability between two points, from the nearer tail."""
    if low > 0.0:
        low, high = -high, -low
    return exp(log_scale + log_cumulative(high)) - exp(log_scale + log_cumulative(low))
