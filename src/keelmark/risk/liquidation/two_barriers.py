"""When a Brownian log price first leaves a corridor: two series of one number.

With `x` the distance to the lower barrier, `L` the width, `m = n / v^2`: the eigen-series

    P(inside at t) = 2/L exp(-m x - n^2 t / 2 v^2) sum_k sin(w x) exp(-w^2 v^2 t / 2)
                     w (1 - (-1)^k exp(m L)) / (m^2 + w^2),      w = k pi / L

is quick where the walk has had time to fill the corridor, the series of images where it has not.

Source: Cox, Miller, "The theory of stochastic processes", 5.7; docs/model.md,
"Probability of liquidation".
"""

from math import cos, exp, inf, log, pi, sin, sqrt

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.normal import log_cumulative, scaled_between
from keelmark.risk.liquidation.one_barrier import Walk, inverted, require_time

_FILLED = 0.35
"""Standard deviation of the walk over the width of the corridor from which eigenvalues are few."""
_LOG_SMALL = 45.0
"""Terms smaller than `exp` of minus this are left out."""


def left_by(walk: Walk, low: float, high: float, time: float) -> float:
    """Return the probability that either barrier is met by a time.

    Args:
        walk: Of the log price.
        low: Log distance of the lower barrier, below zero.
        high: Log distance of the upper barrier, above zero.
        time: Horizon.

    Raises:
        InvalidInput: The price is not between the barriers, or the time is not above zero.
    """
    if low >= 0.0 or high <= 0.0:
        msg = f"barriers at log distances {low} and {high}: one lies below the price, one above"
        raise InvalidInput(msg)
    if time == inf:
        return 1.0
    require_time(time)
    filled = walk.volatility * sqrt(time) / (high - low)
    series = left_by_eigenvalues if filled > _FILLED else left_by_images
    return min(1.0, max(0.0, series(walk, low, high, time)))


def time_left(walk: Walk, low: float, high: float, probability: float) -> float:
    """Return the time by which the corridor is left with a probability; `inf` for one."""
    if probability >= 1.0:
        return inf
    return inverted(lambda time: left_by(walk, low, high, time), probability)


def left_by_eigenvalues(walk: Walk, low: float, high: float, time: float) -> float:
    """Return one minus the eigen-series."""
    variance = walk.volatility**2
    width, tilt = high - low, walk.drift / variance
    decay = 0.5 * (pi / width) ** 2 * variance * time
    still = -0.5 * walk.drift**2 * time / variance
    total = 0.0
    for k in range(1, 2 + int(sqrt(_LOG_SMALL / decay + 1.0))):
        wave = k * pi / width
        ends = exp(still + tilt * low) - cos(k * pi) * exp(still + tilt * high)
        part = exp(-decay * k * k) * wave * ends / (tilt**2 + wave**2)
        total += sin(-wave * low) * part
    return 1.0 - 2.0 / width * total


def left_by_images(walk: Walk, low: float, high: float, time: float) -> float:
    """Return the sum over images of the walk in both barriers, small terms kept whole."""
    width, tilt = high - low, walk.drift / walk.volatility**2
    spread, shift = walk.volatility * sqrt(time), walk.drift * time

    def inside(image: float) -> float:
        ends = (low - image - shift) / spread, (high - image - shift) / spread
        return scaled_between(tilt * image, *ends)

    beyond = exp(log_cumulative((low - shift) / spread))
    beyond += exp(log_cumulative((shift - high) / spread))
    count = 1 + int(sqrt(2.0 * _LOG_SMALL) * spread / (2.0 * width) + abs(shift) / width)
    mirrored = sum(inside(2.0 * low + 2.0 * k * width) for k in range(-count, count + 2))
    repeated = sum(inside(2.0 * k * width) for k in range(-count, count + 1) if k)
    return beyond + mirrored - repeated


def corridor(price: float, low: float, high: float) -> tuple[float, float]:
    """Return the log distances of two barrier prices."""
    return log(low / price), log(high / price)
