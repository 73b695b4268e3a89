"""Slopes of a function of several shocks: exact inside a row, one-sided on an edge."""

from collections.abc import Callable

import numpy as np

from keelmark.risk.revaluation.tables import Floats

STEP = 1e-6
"""Difference of a shock over which a slope is taken."""

LOWEST = -1.0 + 1e-12
"""A fall beyond which no slope is taken."""

TINY = 1e-15
"""Least width of a difference."""

KINK = 1e-3
"""How far the slopes of two sides may differ, of their size, before a point counts as an edge."""


def slopes_at(function: Callable[[Floats], Floats], point: Floats) -> Floats:
    """Return the slope in each coordinate at a point of shape (k,).

    Args:
        function: Of rows of shape (n, k), to n values.
        point: Where.
    """
    count = len(point)
    steps = STEP * np.eye(count)
    low = np.maximum(point - steps, LOWEST)
    found = function(np.vstack([point[None, :], point + steps, low]))
    widths = np.maximum((point - low).diagonal(), TINY)
    up = (found[1 : count + 1] - found[0]) / STEP
    down = (found[0] - found[count + 1 :]) / widths
    return smooth_slope(up, down)


def smooth_slope(up: Floats, down: Floats) -> Floats:
    """Return the mean of the slopes of two sides; on an edge or a jump, the flatter one."""
    apart = np.abs(up - down) > KINK * (np.abs(up) + np.abs(down))
    flatter = np.where(np.abs(up) < np.abs(down), up, down)
    found: Floats = np.where(apart, flatter, (up + down) / 2.0)
    return found
