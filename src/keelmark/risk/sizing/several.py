"""Kelly over scenarios of several positions at once, within a limit of falls.

SLSQP searches; its answer is not trusted. It is pulled back along its own direction to where no
outcome ruins and the limit holds, and what it may be short of the best is bounded by a linear
program: growth is concave and the limit convex, so both lie on one side of their tangents there.

Source: as `sizing.empirical`.
"""

import math
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput, MissingExtra
from keelmark.risk.sizing.empirical import (
    SIZE_MAX,
    Array,
    FallLimit,
    Outcomes,
    Sizes,
    largest_where,
)

_NEAR_RUIN = 1e-4
"""Wealth below which the search continues the logarithm by its parabola; no answer does."""

_STEPS_MAX = 500
_PRECISION = 1e-14


def kelly_sizes(
    outcomes: Outcomes,
    *,
    limit: FallLimit | None = None,
    smallest: npt.ArrayLike = -SIZE_MAX,
    largest: npt.ArrayLike = SIZE_MAX,
) -> Sizes:
    """Return the sizes of several positions that grow fastest together, within a limit of falls.

    Args:
        outcomes: Joint.
        limit: Of a fall of wealth; none where left out.
        smallest: Of each position, at most 0; 0 where none may be short.
        largest: Of each position, at least 0.

    Raises:
        InvalidInput: The bounds exclude holding nothing.
        MissingExtra: scipy is not installed.
    """
    low = np.broadcast_to(np.asarray(smallest, dtype=np.float64), outcomes.positions)
    high = np.broadcast_to(np.asarray(largest, dtype=np.float64), outcomes.positions)
    if bool(np.any(low > 0.0)) or bool(np.any(high < 0.0)):
        msg = "bounds must leave holding nothing possible: smallest at most 0, largest at least 0"
        raise InvalidInput(msg)
    problem = _Problem.of(outcomes, limit)
    sizes = problem.pulled_back(problem.searched(low, high))
    fall = None if limit is None else outcomes.fall(sizes, limit.exponent)
    return Sizes(
        sizes=tuple(float(size) for size in sizes),
        growth=outcomes.growth(sizes),
        fall=fall,
        gap=problem.gap(sizes, low, high),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Problem:
    """Outcomes that can happen, with the exponent of the limit."""

    outcomes: Outcomes
    gains: Array
    weights: Array
    exponent: float | None

    @classmethod
    def of(cls, outcomes: Outcomes, limit: FallLimit | None) -> "_Problem":
        kept = outcomes.weights > 0.0
        return cls(
            outcomes=outcomes,
            gains=outcomes.returns[kept],
            weights=outcomes.weights[kept],
            exponent=None if limit is None else limit.exponent,
        )

    def searched(self, low: Array, high: Array) -> Array:
        """Return what the solver finds, from holding nothing."""
        rule = {"type": "ineq", "fun": self._room, "jac": self._room_slope}
        found = _scipy_optimize().minimize(
            self._loss,
            np.zeros(len(low)),
            jac=True,
            method="SLSQP",
            bounds=list(zip(low, high, strict=True)),
            constraints=[] if self.exponent is None else [rule],
            options={"maxiter": _STEPS_MAX, "ftol": _PRECISION},
        )
        best: Array = np.clip(np.asarray(found.x, dtype=np.float64), low, high)
        return best

    def pulled_back(self, sizes: Array) -> Array:
        """Return sizes scaled down to where nothing ruins and the limit holds."""

        def holds(share: float) -> bool:
            if self.exponent is None:
                return self.outcomes.growth(share * sizes) > -math.inf
            return self.outcomes.fall(share * sizes, self.exponent) <= 0.0

        return sizes if holds(1.0) else largest_where(holds, 1.0) * sizes

    def gap(self, sizes: Array, low: Array, high: Array) -> float:
        """Return how much more growth there can be at most, by the tangents at `sizes`."""
        wealth = 1.0 + self.gains @ sizes
        slope = (self.weights / wealth) @ self.gains
        rows, rests = None, None
        if self.exponent is not None:
            lean = -self._room_slope(sizes)
            rows = lean[np.newaxis, :]
            rests = [float(lean @ sizes) - self.outcomes.fall(sizes, self.exponent)]
        bounds = list(zip(low, high, strict=True))
        found = _scipy_optimize().linprog(-slope, A_ub=rows, b_ub=rests, bounds=bounds)
        return max(0.0, float(-found.fun - slope @ sizes)) if found.success else math.inf

    def _loss(self, sizes: Array) -> tuple[float, Array]:
        """Return the growth with its sign turned, and its slope."""
        logs, slopes = _logarithm(1.0 + self.gains @ sizes)
        return -float(self.weights @ logs), -((self.weights * slopes) @ self.gains)

    def _room(self, sizes: Array) -> float:
        """Return what is left of the limit: `-ln E (1 + x'f)^-lambda`."""
        logs, _ = _logarithm(1.0 + self.gains @ sizes)
        powers = np.log(self.weights) - (self.exponent or 0.0) * logs
        top = float(powers.max())
        return -(top + math.log(float(np.exp(powers - top).sum())))

    def _room_slope(self, sizes: Array) -> Array:
        logs, slopes = _logarithm(1.0 + self.gains @ sizes)
        powers = np.log(self.weights) - (self.exponent or 0.0) * logs
        shares = np.exp(powers - powers.max())
        shares /= shares.sum()
        slope: Array = (self.exponent or 0.0) * ((shares * slopes) @ self.gains)
        return slope


def _logarithm(wealth: Array) -> tuple[Array, Array]:
    """Return the logarithm and its slope, continued by its parabola where little is left."""
    safe = np.maximum(wealth, _NEAR_RUIN)
    short = (np.minimum(wealth, _NEAR_RUIN) - _NEAR_RUIN) / _NEAR_RUIN
    logs: Array = np.log(safe) + short - short**2 / 2.0
    slopes: Array = np.where(short < 0.0, (1.0 - short) / _NEAR_RUIN, 1.0 / safe)
    return logs, slopes


def _scipy_optimize() -> Any:  # noqa: ANN401 scipy is optional and carries no types
    """Return scipy's solvers."""
    try:
        return import_module("scipy.optimize")
    except ModuleNotFoundError as error:
        msg = (
            'sizes of several positions need scipy; install it with `pip install "keelmark[risk]"`'
        )
        raise MissingExtra(msg) from error
