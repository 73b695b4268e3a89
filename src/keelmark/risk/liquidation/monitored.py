"""Barriers looked at only at certain times: the exact probability by quadrature, and the shift.

The density of a walk that has met no barrier yet is carried from one look to the next by Gauss
points, exact to ten digits. Broadie, Glasserman and Kou move the barrier of the continuous formula
away by `0.5826 v sqrt(dt)` instead, which is a fine approximation for many looks.

Source: Broadie, Glasserman, Kou, "A continuity correction for discrete barrier options" (1997);
docs/model.md, "Probability of liquidation".
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, copysign, sqrt

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.one_barrier import Walk, met_by, require_time

Array = npt.NDArray[np.float64]

SHIFT = 0.5825971579390106
"""Minus zeta(1/2) over sqrt(2 pi)."""

_REACH = 9.0
_POINTS = 12
_PANEL = 1.5
"""Width of a panel in standard deviations of one step."""
_PANELS_MAX = 400
"""Panels beyond this would be a matrix of gigabytes."""


def shifted(walk: Walk, distance: float, step: float) -> float:
    """Return the log distance whose continuous probability stands for looks every `step`."""
    return distance + copysign(SHIFT * walk.volatility * sqrt(step), distance)


def met_at_looks_shifted(walk: Walk, distance: float, time: float, looks: int) -> float:
    """Return the approximation by the shifted barrier."""
    return met_by(walk, shifted(walk, distance, time / looks), time)


def met_at_looks(walk: Walk, distance: float, time: float, looks: int) -> float:
    """Return the probability of being beyond the barrier at one of `looks` even times.

    Args:
        walk: Of the log price.
        distance: Log distance of the barrier, below zero or above.
        time: Of the last look.
        looks: How many, the last one at `time`.

    Raises:
        InvalidInput: There is no look, or too many for a quadrature.
    """
    _, mass = survivors(walk, distance, time, looks)
    return 1.0 - float(mass.sum())


def survivors(
    walk: Walk, distance: float, time: float, looks: int, edges: Sequence[float] = ()
) -> tuple[Array, Array]:
    """Return where walks that met no barrier are after the last look, and their probability.

    Args:
        walk: As in `met_at_looks`, with distance, time and looks.
        distance: Of the barrier.
        time: Of the last look.
        looks: How many.
        edges: Where what is summed over the points has kinks: panels end there.
    """
    require_time(time)
    if looks < 1:
        msg = f"{looks} looks at the barrier; there is at least one"
        raise InvalidInput(msg)
    side = 1.0 if distance <= 0.0 else -1.0
    drift, spread = side * walk.drift * time / looks, walk.volatility * sqrt(time / looks)
    low = side * distance
    high = max(0.0, drift * looks) + _REACH * spread * sqrt(looks)
    kinks = [side * edge for edge in edges if low < side * edge < high]
    points, weights = _panels([low, *sorted(kinks), high], spread)
    mass = weights * _density(points, drift, spread)
    if looks > 1:
        carry = weights[:, None] * _density(points[:, None] - points[None, :], drift, spread)
        for _ in range(looks - 1):
            mass = carry @ mass
    return side * points, mass


def _density(x: Array, drift: float, spread: float) -> Array:
    z = (x - drift) / spread
    return np.asarray(np.exp(-0.5 * z * z) / (spread * sqrt(2.0 * np.pi)), dtype=np.float64)


def _panels(ends: Sequence[float], spread: float) -> tuple[Array, Array]:
    """Return Gauss points and weights on panels no wider than a step."""
    counts = [ceil((b - a) / (_PANEL * spread)) for a, b in pairwise(ends)]
    if sum(counts) > _PANELS_MAX:
        msg = f"{sum(counts)} panels; look less often, or use the shifted barrier"
        raise InvalidInput(msg)
    unit, weight = np.polynomial.legendre.leggauss(_POINTS)
    points, weights = [], []
    for (start, stop), count in zip(pairwise(ends), counts, strict=True):
        cuts = np.linspace(start, stop, count + 1)
        half = 0.5 * (cuts[1] - cuts[0])
        middles = cuts[:-1] + half
        points.append((middles[:, None] + half * unit[None, :]).ravel())
        weights.append(np.tile(half * weight, count))
    return np.concatenate(points), np.concatenate(weights)
