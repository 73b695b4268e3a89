"""Where a unit becomes liquidatable, as floats see it: excess, slopes and crossings along rays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.slopes import slopes_at
from keelmark.risk.reverse.covariance import Shock, ShockKind
from keelmark.risk.scenarios.scenarios import Array

END = 1.0 - 1e-6
"""A fall beyond this is not followed: prices end at nothing."""

REACH = 10.0
"""Largest rise followed: to eleven times the present price."""

GRID = 128
"""Places looked at along a ray, denser towards the present."""

PARTS = 32
"""Into how many parts a bracket is cut at a time."""

CUTS = 4
"""How many times: brackets end a millionth as wide, and a line through their ends is exact there
where the excess is straight."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Boundary:
    """The excess of a unit as a function of its shocks, in rows of shape (n, shocks)."""

    valuer: UnitValuer
    shocks: tuple[Shock, ...]
    covariance: Array

    @cached_property
    def inverse(self) -> Array:
        """Inverse of the covariance."""
        found: Array = np.asarray(np.linalg.inv(self.covariance), dtype=np.float64)
        return found

    @cached_property
    def deviations(self) -> Array:
        """Standard deviation of each shock."""
        found: Array = np.sqrt(np.diag(self.covariance))
        return found

    @cached_property
    def start(self) -> float:
        """The excess now."""
        return float(self.excess(np.zeros((1, len(self.shocks))))[0])

    def excess(self, points: Array) -> Array:
        """Return the excess at points."""
        returns = self._block(points, ShockKind.RETURN)
        pegs = self._block(points, ShockKind.COLLATERAL)
        volatilities = self._block(points, ShockKind.VOLATILITY)
        if returns is None:
            returns = np.zeros((len(points), len(self.valuer.coins)))
        return self.valuer.excess(returns, pegs, volatilities)

    def slopes(self, point: Array) -> Array:
        """Return the slopes of the excess at a point."""
        return slopes_at(self.excess, point)

    def lengths(self, points: Array) -> Array:
        """Return how unusual moves are, in standard deviations."""
        squares = np.einsum("ri,ij,rj->r", points, self.inverse, points)
        found: Array = np.sqrt(np.maximum(squares, 0.0))
        return found

    def crossings(self, rays: Array) -> Array:
        """Return the multiple of each ray at which the excess is first nothing; infinite for none.

        Looked for on a grid, then cut finer: a dip between two places of the grid is not seen.
        """
        ends = ray_ends(rays)
        shares = (np.arange(GRID + 1) / GRID) ** 2
        low, high = self._bracket(rays, np.outer(ends, shares))
        found = np.isfinite(high)
        if not found.any():
            return high
        some = rays[found]
        a, b = low[found], high[found]
        for _ in range(CUTS):
            steps = np.linspace(0.0, 1.0, PARTS + 1)
            a, b = self._bracket(some, a[:, None] + (b - a)[:, None] * steps)
        before, after = self.excess(some * a[:, None]), self.excess(some * b[:, None])
        fall = np.where(before > after, before - after, 1.0)
        high[found] = np.clip(a + (b - a) * before / fall, a, b)
        return high

    def _bracket(self, rays: Array, places: Array) -> tuple[Array, Array]:
        """Return the first places between which the excess becomes nothing, by ray."""
        count, width = places.shape
        points = (places[:, :, None] * rays[:, None, :]).reshape(count * width, -1)
        is_gone = self.excess(points).reshape(count, width) <= 0.0
        is_gone[:, 0] = False  # known to stand above nothing
        first = is_gone.argmax(axis=1)
        rows = np.arange(count)
        met = is_gone[rows, first]
        high = np.where(met, places[rows, first], np.inf)
        return places[rows, np.maximum(first - 1, 0)], high

    @cached_property
    def _places(self) -> dict[ShockKind, tuple[list[int], list[int], int]]:
        """Columns of the shocks of each kind, where they lie among its names, their number."""
        found = {}
        for kind in ShockKind:
            names = self.valuer.assets if kind is ShockKind.COLLATERAL else self.valuer.coins
            own = [i for i, shock in enumerate(self.shocks) if shock.kind is kind]
            found[kind] = (own, [names.index(self.shocks[i].name) for i in own], len(names))
        return found

    def _block(self, points: Array, kind: ShockKind) -> Array | None:
        """Return the shocks of a kind by name; `None` where none of them moves."""
        own, places, count = self._places[kind]
        if not own:
            return None
        if own == places == list(range(points.shape[1])) and count == len(own):
            return points
        block = np.zeros((len(points), count))
        block[:, places] = points[:, own]
        return block


def ray_ends(rays: Array) -> Array:
    """Return the multiple of each ray at which something is worth nothing or eleven times now."""
    limit = np.where(rays < 0.0, END, REACH)
    with np.errstate(divide="ignore"):
        ends = np.where(rays == 0.0, np.inf, limit / np.abs(rays))
    found: Array = ends.min(axis=1)
    return found
