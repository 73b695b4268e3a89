"""Join known prices by a Brownian bridge in log price.

Between two knots the log price is the straight line plus `sigma * (W(t) - line through W at the
knots)`, W a Brownian motion: the path hits every knot exactly and moves in between as much as the
given volatility says. A path that must not fall below its recorded low is reflected there, which
keeps it continuous and keeps the knots.
"""

from dataclasses import dataclass

import numpy as np

from keelmark.lab.arrays import Float64Array, Int64Array

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knots:
    """Prices known exactly.

    Attributes:
        times: int64 (n,), seconds since the epoch, strictly rising.
        prices: float64 (n,), positive.
        floor: No price of the path lies below it; `None` where no low is known.
    """

    times: Int64Array
    prices: Float64Array
    floor: float | None = None


def brownian(generator: np.random.Generator, seconds: Int64Array) -> Float64Array:
    """Return a Brownian motion at `seconds`, in units of one day's standard deviation."""
    steps = np.diff(seconds, prepend=seconds[:1]) / DAY_SECONDS
    return np.cumsum(generator.standard_normal(seconds.size) * np.sqrt(steps))


def bridge(knots: Knots, seconds: Int64Array, noise: Float64Array) -> Float64Array:
    """Return the path through `knots` at `seconds`.

    Args:
        knots: Known prices; before the first and after the last knot the price stays flat.
        seconds: (n,) rising; holds every knot time that lies within its range.
        noise: (n,) a Brownian motion at `seconds`, scaled to log price.

    Returns:
        (n,) prices; exactly the knot's price at a knot's time.
    """
    noise_at_knots = np.interp(knots.times, seconds, noise)
    line = np.interp(seconds, knots.times, np.log(knots.prices))
    swing = noise - np.interp(seconds, knots.times, noise_at_knots)
    inside = (seconds >= knots.times[0]) & (seconds <= knots.times[-1])
    path = np.exp(_reflected(line + np.where(inside, swing, 0.0), knots.floor))
    rows = np.searchsorted(seconds, knots.times)
    held = rows < seconds.size
    held[held] = seconds[rows[held]] == knots.times[held]
    path[rows[held]] = knots.prices[held]
    return path if knots.floor is None else np.maximum(path, knots.floor)


def _reflected(log_path: Float64Array, floor: float | None) -> Float64Array:
    if floor is None:
        return log_path
    log_floor = np.log(floor)
    reflected: Float64Array = log_floor + np.abs(log_path - log_floor)
    return reflected
