"""Cascades as a fixed point: liquidations move the price, the price liquidates more.

With `d` the adverse displacement of each asset, `Q(d)` what it forces to be sold and `I(Q)` what
the sale displaces, a cascade is `d = d0 + I(Q(d))`. `Q` and `I` are monotone, so Kleene iteration
from no displacement climbs to the *least* solution: the cascade that happens. Its local gain is
`K = I' Q'`; it is stable exactly where the spectral radius of `K` is below one, and amplifies a
small shock by `(I - K)^-1`. Off-diagonal gains are cross-margin contagion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """The least cascade, within the tolerance.

    Attributes:
        displacement: float64 (n_assets,), the shock included, as fractions.
        amplification: float64 (n_assets,), displacement over shock; NaN where there was no shock.
        rounds: Waves of liquidation until nothing more was sold.
    """

    displacement: Vector
    amplification: Vector
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unsettled:
    """No fixed point was reached: the displacement is a lower bound of the cascade."""

    displacement: Vector
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amplified:
    """A stable linear cascade: `displacement = (I - K)^-1 shock`."""

    spectral_radius: float
    displacement: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Runaway:
    """A linear cascade without end: the spectral radius of the gain is one or more."""

    spectral_radius: float


def least_cascade(
    shock: Vector,
    response: Callable[[Vector], Vector],
    *,
    tolerance: float = 1e-12,
    rounds_max: int = 10_000,
) -> Settled | Unsettled:
    """Iterate `d = shock + response(d)` from zero to its least fixed point.

    Args:
        shock: Initial adverse displacement of each asset, fractions, not negative.
        response: Displacement caused by the liquidations at `d`: `I(Q(d))`, monotone, >= 0.
        tolerance: Largest change of a displacement in the last round.
        rounds_max: Rounds before giving up.

    Raises:
        InvalidInput: The shock is negative, or `response` is not monotone.
    """
    if not (np.isfinite(shock).all() and (shock >= 0.0).all()):
        msg = f"the shock {shock} must be finite and not negative"
        raise InvalidInput(msg)
    displaced = np.zeros_like(shock, dtype=np.float64)
    for rounds in range(1, rounds_max + 1):
        following = shock + response(displaced)
        if (following < displaced - tolerance).any() or np.isnan(following).any():
            msg = f"round {rounds}: the response to {displaced} fell; it must be monotone"
            raise InvalidInput(msg)
        if np.isinf(following).any():
            return Unsettled(displacement=displaced, rounds=rounds)
        if (following - displaced <= tolerance).all():
            return _settled(shock, following, rounds)
        displaced = following
    return Unsettled(displacement=displaced, rounds=rounds_max)


def _settled(shock: Vector, displaced: Vector, rounds: int) -> Settled:
    ratio = np.full_like(displaced, np.nan)
    np.divide(displaced, shock, out=ratio, where=shock > 0.0)
    return Settled(displacement=displaced, amplification=ratio, rounds=rounds)


def local_gain(impact_slope: Matrix, liquidation_slope: Matrix) -> Matrix:
    """Return `K = I'(Q) Q'(d)`: displacement of asset i by liquidations a move of j sets off.

    Args:
        impact_slope: (n, n) displacement per money sold; diagonal without cross impact.
        liquidation_slope: (n, n) money of asset i sold per displacement of asset j.
    """
    return impact_slope @ liquidation_slope


def spectral_radius(gain: Matrix) -> float:
    """Return the largest absolute eigenvalue of a square gain matrix."""
    if gain.ndim != 2 or gain.shape[0] != gain.shape[1] or not np.isfinite(gain).all():  # noqa: PLR2004 a matrix
        msg = f"the gain must be a finite square matrix; its shape is {gain.shape}"
        raise InvalidInput(msg)
    return float(np.abs(np.linalg.eigvals(gain)).max())


def linear_cascade(gain: Matrix, shock: Vector) -> Amplified | Runaway:
    """Return the cascade of a small shock under a constant gain."""
    radius = spectral_radius(gain)
    if radius >= 1.0:
        return Runaway(spectral_radius=radius)
    total: Vector = np.linalg.solve(np.eye(len(shock)) - gain, shock).astype(np.float64)
    return Amplified(spectral_radius=radius, displacement=total)


def critical_scale(gain: Matrix) -> float:
    """Return the factor on every gain (leverage, open interest, thinness) that ends stability.

    Raises:
        InvalidInput: No gain feeds back on itself; no factor does.
    """
    radius = spectral_radius(gain)
    if radius == 0.0:
        msg = "the gain has spectral radius zero: no multiple of it is unstable"
        raise InvalidInput(msg)
    return 1.0 / radius


def square_root_cascade(*, shock: float, strength: float) -> float:
    """Return the least `d` with `d = shock + strength * sqrt(d)`.

    Uniform liquidation density `q` (money per unit of displacement) against square-root impact:
    `strength = Y sigma sqrt(q / V)`. In `s = sqrt(d)` it is a quadratic with one positive root.
    Without a shock nothing is sold, so the least cascade is zero.
    """
    if shock < 0.0 or strength < 0.0:
        msg = f"shock {shock} and strength {strength} must not be negative"
        raise InvalidInput(msg)
    if shock == 0.0:
        return 0.0
    root = (strength + math.sqrt(strength * strength + 4.0 * shock)) / 2.0
    return root * root
