"""Kelly of several positions by mean and covariance: `S^-1 mu`, within bounds and a gross leverage.

The sizes `f` maximise `mu'f - f'S f / 2` with `low <= f <= high` and `sum |f| <= gross`. One
coordinate after the other is solved exactly, with a price `lambda` on gross leverage:

    f_i = clip(shrink(mu_i - sum_{j != i} S_ij f_j, lambda) / S_ii, low_i, high_i),

and `lambda` is found by bisection. It converges where `S` is positive definite, as the problem is
strictly concave and what is not smooth is separable (Tseng, 2001).

Source: Thorp (2006); Tseng (2001), Convergence of a block coordinate descent method for
nondifferentiable minimization. docs/model.md, "Sizing".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Array = npt.NDArray[np.float64]

_SWEEPS_MAX = 10_000
_PRECISION = 1e-13
_HALVINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """What sizes may be.

    Attributes:
        smallest: Of each, at most 0; negative is short. No limit where left out.
        largest: Of each, at least 0.
        gross: Of all together, unsigned.
    """

    smallest: npt.ArrayLike = -math.inf
    largest: npt.ArrayLike = math.inf
    gross: float = math.inf


def kelly_of_moments(mean: npt.ArrayLike, covariance: Array, limits: Limits | None = None) -> Array:
    """Return the leverage of each position that grows fastest, by mean and covariance.

    Args:
        mean: Expected gain of each over its notional, funding taken off, shape (positions,).
        covariance: Of the gains over the same span, shape (positions, positions).
        limits: What sizes may be; `None` for no limit.

    Returns:
        Notional over equity, signed, shape (positions,).

    Raises:
        InvalidInput: The covariance is not symmetric positive definite, or limits exclude nothing.
    """
    rules = limits or Limits()
    drift = np.asarray(mean, dtype=np.float64)
    _check(drift, covariance)
    low = np.broadcast_to(np.asarray(rules.smallest, dtype=np.float64), drift.shape)
    high = np.broadcast_to(np.asarray(rules.largest, dtype=np.float64), drift.shape)
    if bool(np.any(low > 0.0)) or bool(np.any(high < 0.0)) or not rules.gross >= 0.0:
        msg = "limits must leave holding nothing possible: smallest <= 0 <= largest, gross >= 0"
        raise InvalidInput(msg)
    found = _swept(drift, covariance, (low, high), 0.0)
    if float(np.abs(found).sum()) <= rules.gross:
        return found
    cheap, dear = 0.0, float(np.abs(drift).max())
    for _ in range(_HALVINGS):
        price = (cheap + dear) / 2.0
        found = _swept(drift, covariance, (low, high), price)
        is_over = float(np.abs(found).sum()) > rules.gross
        cheap, dear = (price, dear) if is_over else (cheap, price)
    return _swept(drift, covariance, (low, high), dear)


def _swept(drift: Array, covariance: Array, bounds: tuple[Array, Array], price: float) -> Array:
    """Return the sizes at a price of gross leverage, a coordinate at a time."""
    low, high = bounds
    sizes = np.zeros_like(drift)
    own = np.diag(covariance)
    for _ in range(_SWEEPS_MAX):
        moved = 0.0
        for i in range(len(drift)):
            rest = drift[i] - covariance[i] @ sizes + own[i] * sizes[i]
            wanted = math.copysign(max(0.0, abs(rest) - price), rest) / own[i]
            after = min(max(wanted, low[i]), high[i])
            moved = max(moved, abs(after - sizes[i]))
            sizes[i] = after
        if moved <= _PRECISION * max(1.0, float(np.abs(sizes).max())):
            break
    return sizes


def _check(drift: Array, covariance: Array) -> None:
    """Refuse a matrix that is no covariance of these positions."""
    if covariance.shape != (len(drift), len(drift)) or not np.all(np.isfinite(covariance)):
        msg = f"a covariance of shape {covariance.shape} for {len(drift)} positions: one row each"
        raise InvalidInput(msg)
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0.0):
        msg = "the covariance is not symmetric"
        raise InvalidInput(msg)
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        msg = (
            "the covariance is not positive definite: some mix of these positions never moves, so "
            "no size of it is too large; drop one of them or shrink the matrix"
        )
        raise InvalidInput(msg) from error
